"""The processor: how many cores this process may really use, what they can do, and how fast they are let run."""

import os
import platform
from collections.abc import Iterator, Set
from pathlib import Path

from engine.doctor.finding import Finding, bad, good, not_applicable
from engine.planning.measure import processor_name

CPUINFO = Path("/proc/cpuinfo")
GOVERNORS = Path("/sys/devices/system/cpu")
GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")

FLAGS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bf16",
    "asimd": "NEON",
    "asimddp": "dot products",
    "i8mm": "int8 matrices",
    "sve": "SVE",
}
"""The kernel's names of what makes models fast, and ours."""

EIGHT_BIT = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
WANTED = {"x86_64": "avx2", "aarch64": "asimd"}
"""Without it models run several times slower than the least that farshore is made for."""


def check_cores(
    quota: float | None = None, affinity: int | None = None, present: int | None = None
) -> Iterator[Finding]:
    """Count the cores that affinity and the container's quota leave."""
    may = len(os.sched_getaffinity(0)) if affinity is None else affinity
    there = (os.cpu_count() or may) if present is None else present
    limit = cpu_quota() if quota is None else quota
    text = f"{processor_name()}: {may} of {there} cores may be used"
    if limit is None:
        yield good("processor", f"{text}, no quota")
    elif limit < may:
        cure = f"give the container {may} cores (--cpus {may}), or run farshore with --threads {max(1, int(limit))}"
        yield bad("processor", f"{text}, but a control group allows the time of {limit:g}", cure)
    else:
        yield good("processor", f"{text}, quota {limit:g}")


def cpu_quota(groups: Path = GROUPS, own: Path = OWN_GROUP) -> float | None:
    """Return the cores' worth of time that control groups (v2, or v1) leave this process; None: all."""
    limits: list[float] = []
    lines = own.read_text().splitlines() if own.exists() else []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            limits += _limits(groups, path, "cpu.max")
        elif "cpu" in kinds.split(","):
            limits += _limits(groups / "cpu", path, "cpu.cfs_quota_us")
    return min(limits, default=None)


def _limits(root: Path, path: str, name: str) -> Iterator[float]:
    group = root / path.lstrip("/")
    for folder in (group, *group.parents):
        file = folder / name
        if file.exists():
            words = file.read_text().split()
            period = words[1] if len(words) > 1 else "100000"
            if name == "cpu.cfs_quota_us":
                period = (folder / "cpu.cfs_period_us").read_text().strip()
            if words[0] not in ("max", "-1"):
                yield int(words[0]) / int(period)
        if folder == root:
            return


def check_flags(flags: Set[str] | None = None, machine: str = platform.machine()) -> Iterator[Finding]:
    """Look what the processor can do for models."""
    found = cpu_flags() if flags is None else flags
    names = ", ".join(ours for theirs, ours in FLAGS.items() if theirs in found) or "none of those that help"
    wanted = WANTED.get(machine)
    if wanted is not None and found and wanted not in found:
        yield bad("instructions", f"{names}; {FLAGS[wanted]} is missing", "use a newer processor, or pass it to the VM")
        return
    yield good("instructions", names)
    if EIGHT_BIT & found:
        yield good("8-bit models", "the processor multiplies 8-bit numbers: they run faster than fp32")
    else:
        yield not_applicable("8-bit models", "no 8-bit products in this processor; fp32 is as fast")


def cpu_flags(path: Path = CPUINFO) -> set[str]:
    """Return the kernel's names of what the first core can do."""
    if not path.exists():
        return set()
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def check_governor(root: Path = GOVERNORS) -> Iterator[Finding]:
    """Look whether the cores are held at a low frequency."""
    found = sorted({file.read_text().strip() for file in root.glob("cpu[0-9]*/cpufreq/scaling_governor")})
    if not found:
        yield not_applicable("frequency", "the system does not tell (a virtual machine)")
    elif "powersave" in found and not (root / "intel_pstate").exists():
        yield bad("frequency", f"governor {', '.join(found)}: held low", "sudo cpupower frequency-set -g schedutil")
    else:
        yield good("frequency", f"governor {', '.join(found)}")


CHECKS = (check_cores, check_flags, check_governor)
