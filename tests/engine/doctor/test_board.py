from pathlib import Path

import pytest

from engine.doctor.board import check_clock, check_display, check_heat, check_power, check_time
from engine.doctor.finding import Verdict


@pytest.fixture
def jetson(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_bytes(b"NVIDIA Jetson AGX Orin Developer Kit\0")
    return path


def zones(folder: Path, **degrees: int) -> Path:
    for number, (name, value) in enumerate(degrees.items()):
        zone = folder / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "type").write_text(f"{name}-thermal\n")
        (zone / "temp").write_text(f"{value * 1000}\n")
    return folder


def test_elsewhere_a_jetsons_checks_do_not_apply(tmp_path: Path) -> None:
    found = [*check_power(tmp_path / "none"), *check_heat(tmp_path / "none"), *check_display()]
    assert {finding.verdict for finding in found} == {Verdict.NOT_APPLICABLE}


def test_a_jetsons_power_mode_is_told(jetson: Path) -> None:
    (most,) = check_power(jetson, lambda: "NV Power Mode: MAXN\n0\n")
    assert (most.verdict, most.detail) == (Verdict.GOOD, "MAXN")
    (less,) = check_power(jetson, lambda: "NV Power Mode: MODE_30W\n2\n")
    assert "nvpmodel -m 0" in less.detail

    def missing() -> str:
        raise FileNotFoundError("nvpmodel")

    assert [finding.verdict for finding in check_power(jetson, missing)] == [Verdict.BAD]
    assert [finding.verdict for finding in check_power(jetson, lambda: "")] == [Verdict.BAD]


def test_a_hot_jetson_is_bad(jetson: Path, tmp_path: Path) -> None:
    (cool,) = check_heat(jetson, zones(tmp_path, cpu=51, gpu=48))
    assert (cool.verdict, "cpu-thermal 51" in cool.detail) == (Verdict.GOOD, True)
    (tmp_path / "thermal_zone1" / "temp").write_text("97000\n")
    assert [finding.verdict for finding in check_heat(jetson, tmp_path)] == [Verdict.BAD]


def test_a_coarse_clock_is_bad_and_this_one_is_good() -> None:
    assert [finding.verdict for finding in check_clock()] == [Verdict.GOOD]
    assert [finding.verdict for finding in check_clock(1e-3)] == [Verdict.BAD]


@pytest.mark.parametrize(
    ("state", "in_container", "verdict"),
    [
        (0, False, Verdict.GOOD),
        (5, False, Verdict.BAD),
        (5, True, Verdict.NOT_APPLICABLE),
        (None, False, Verdict.NOT_APPLICABLE),
    ],
)
def test_the_time_of_day(state: int | None, in_container: bool, verdict: Verdict) -> None:
    assert [finding.verdict for finding in check_time(lambda: state, in_container)] == [verdict]
