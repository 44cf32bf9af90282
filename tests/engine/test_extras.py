import tomllib
from pathlib import Path

import pytest

from engine import extras
from engine.errors import MissingExtraError

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.parametrize("extra", list(extras.PACKAGES))
def test_packages_are_those_of_the_distribution(extra: str) -> None:
    listed = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"][extra]
    assert {line.partition("=")[0].rstrip(">") for line in listed} == set(extras.PACKAGES[extra])


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"'onnx' is not installed.*farshore\[calib\]"), extras.needs("calib"):
        raise ModuleNotFoundError("No module named 'onnx'", name="onnx.helper")


def test_a_module_that_no_extra_brings_is_a_bug_and_stays_one() -> None:
    with pytest.raises(ModuleNotFoundError, match="nonesuch"), extras.needs("calib"):
        raise ModuleNotFoundError("No module named 'nonesuch'", name="nonesuch")


def test_the_first_package_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in ("onnxscript", "safetensors") else object())
    assert extras.missing_package("export") == "onnxscript"
    assert extras.missing_package("calib") is None
