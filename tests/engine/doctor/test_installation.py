import sys

import pytest

from engine.doctor.finding import Verdict
from engine.doctor.installation import (
    check_extras,
    check_packages,
    check_python,
    check_runtimes,
    check_system,
    installed_packages,
)


def test_this_python_is_good_and_an_old_one_is_bad() -> None:
    assert [finding.verdict for finding in check_python()] == [Verdict.GOOD]
    (old,) = check_python((3, 10, 4))
    assert old.verdict is Verdict.BAD
    assert "3.10.4" in old.detail
    assert "3.11" in old.cure


@pytest.mark.parametrize(
    ("system", "libc", "verdict"),
    [
        ("Linux", ("glibc", "2.36"), Verdict.GOOD),
        ("Linux", ("glibc", "2.17"), Verdict.BAD),
        ("Linux", ("", ""), Verdict.BAD),
        ("Darwin", None, Verdict.BAD),
    ],
)
def test_the_system_and_its_c_library(system: str, libc: tuple[str, str] | None, verdict: Verdict) -> None:
    assert list(check_system(system, libc))[-1].verdict is verdict


def test_two_onnx_runtimes_are_bad_and_either_one_is_good() -> None:
    one, other = {"onnxruntime": "1.31.1"}, {"onnxruntime-gpu": "1.31.1"}
    assert [finding.verdict for finding in check_runtimes(one)] == [Verdict.GOOD]
    assert [finding.verdict for finding in check_runtimes(other)] == [Verdict.GOOD]
    (both,) = check_runtimes({**one, **other})
    assert both.verdict is Verdict.BAD
    assert "overwrite" in both.detail
    assert "pip uninstall" in both.cure
    (none,) = check_runtimes({})
    assert "farshore[cpu]" in none.cure


def test_a_package_that_does_not_import_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    found = {finding.subject: finding for finding in check_packages()}
    assert found["numpy"].verdict is Verdict.GOOD
    assert found["rich"].verdict is Verdict.BAD


def test_a_missing_extra_is_no_fault() -> None:
    found = {finding.subject: finding for finding in check_extras({"onnxruntime-gpu": "1.31.1"})}
    assert found["extra cpu"].verdict is Verdict.GOOD
    assert found["extra rtx"].verdict is Verdict.NOT_APPLICABLE
    assert "farshore[rtx]" in found["extra rtx"].detail


def test_installed_packages_have_the_names_of_registries() -> None:
    assert {"numpy", "opencv-python-headless"} <= installed_packages().keys()
