import sys
from types import ModuleType

import pytest

from engine.backends.tensorrt import library
from engine.errors import ConfigError, MissingExtraError


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have these modules and no others of TensorRT's."""
    for name in library.MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
        if name in names:
            module = ModuleType(name)
            module.__dict__["__version__"] = "10.3.0"
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda name: None)


def test_of_several_it_is_tensorrt_for_rtx_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "tensorrt", "tensorrt_rtx")
    assert library.find_library().name == "tensorrt_rtx"
    found = library.find_library("tensorrt")
    assert (found.name, found.flavour, found.title) == ("tensorrt", "tensorrt", "TensorRT 10.3.0")


def test_without_any_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    with pytest.raises(MissingExtraError, match=r"pip install 'farshore\[rtx\]'"):
        library.find_library()
    with pytest.raises(ConfigError, match="library tensorrt: not installed; on a Jetson"):
        library.find_library("tensorrt")


def test_the_installed_one_is_found() -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="comes with the rtx extra")
    found = library.find_library()
    assert found.flavour == "rtx"
    assert found.version == found.module.__version__
