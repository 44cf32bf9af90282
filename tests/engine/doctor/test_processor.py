from pathlib import Path

import pytest

from engine.doctor.finding import Verdict
from engine.doctor.processor import check_cores, check_flags, check_governor, cpu_flags, cpu_quota


def test_a_quota_below_the_cores_is_bad() -> None:
    (found,) = check_cores(quota=1.5, affinity=4, present=8)
    assert found.verdict is Verdict.BAD
    assert "4 of 8 cores" in found.detail
    assert "1.5" in found.detail
    assert [finding.verdict for finding in check_cores(quota=4.0, affinity=4)] == [Verdict.GOOD]
    assert [finding.verdict for finding in check_cores()][0] in Verdict


@pytest.mark.parametrize(
    ("own", "files", "wanted"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {}, None),
        ("4:cpu,cpuacct:/x\n", {"cpu/x/cpu.cfs_quota_us": "50000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 0.5),
        ("4:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_the_quota_of_control_groups(tmp_path: Path, own: str, files: dict[str, str], wanted: float | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text(own)
    assert cpu_quota(tmp_path, tmp_path / "own") == wanted


def test_instructions() -> None:
    found = {finding.subject: finding for finding in check_flags({"avx2", "avx512f", "avx512_vnni"}, "x86_64")}
    assert found["instructions"].detail == "AVX2, AVX-512, AVX-512 VNNI"
    assert found["8-bit models"].verdict is Verdict.GOOD
    assert [finding.verdict for finding in check_flags({"sse2"}, "x86_64")] == [Verdict.BAD]
    assert [finding.verdict for finding in check_flags({"asimd"}, "aarch64")][1] is Verdict.NOT_APPLICABLE


def test_flags_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd i8mm\n")
    assert cpu_flags(tmp_path / "arm") == {"fp", "asimd", "i8mm"}
    assert cpu_flags(tmp_path / "none") == set()


def test_a_governor_that_holds_the_cores_low_is_bad(tmp_path: Path) -> None:
    assert [finding.verdict for finding in check_governor(tmp_path)] == [Verdict.NOT_APPLICABLE]
    file = tmp_path / "cpu0" / "cpufreq" / "scaling_governor"
    file.parent.mkdir(parents=True)
    file.write_text("powersave\n")
    assert [finding.verdict for finding in check_governor(tmp_path)] == [Verdict.BAD]
    (tmp_path / "intel_pstate").mkdir()  # its powersave is the usual one, and goes up when there is work
    assert [finding.verdict for finding in check_governor(tmp_path)] == [Verdict.GOOD]
