import inspect

import pytest

from engine import errors
from engine.errors import FarshoreError, InternalError, MissingExtraError

TREE = {
    "ConfigError": ("FarshoreError", "ValueError"),
    "ShapeError": ("FrameError", "ValueError"),
    "DecodeError": ("MediaError",),
    "EncodeError": ("MediaError",),
    "WeightsError": ("ModelError",),
    "BindingError": ("EngineError",),
    "DeviceMemoryError": ("DeviceError", "MemoryError"),
    "MissingExtraError": ("FarshoreError", "ImportError"),
}


@pytest.mark.parametrize("name", TREE)
def test_each_error_is_also_what_it_builds_on(name: str) -> None:
    bases = {base.__name__ for base in getattr(errors, name).__mro__}
    assert bases.issuperset(TREE[name])


def test_every_public_error_is_ours_documented_and_in_the_tree() -> None:
    for name, error in inspect.getmembers(errors, inspect.isclass):
        assert issubclass(error, FarshoreError | InternalError), name
        assert error.__doc__, name
        assert name in str(errors.__doc__)


def test_a_bug_is_no_ordinary_failure_and_asks_for_a_report() -> None:
    assert not issubclass(InternalError, FarshoreError)
    assert "please report it" in str(InternalError("the pool leaks"))


def test_a_missing_package_names_its_cure() -> None:
    assert "pip install 'farshore[cpu]'" in str(MissingExtraError("onnxruntime", "cpu"))
