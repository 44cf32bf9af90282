"""What stands above the figures: what was measured, with what, on what."""

import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.quality.head import commit
from engine.backends.tensorrt.device import current_gpu
from engine.errors import NoDeviceError
from engine.job import farshore_version
from engine.thread_split import available_cores

_PACKAGES = ("onnxruntime", "numpy", "opencv-python-headless", "av")
_GPU_PACKAGES = (
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-cu12-bindings",
    "tensorrt-cu13-bindings",
    "tensorrt-rtx",
    "tensorrt-rtx-cu12-bindings",
    "tensorrt-rtx-cu13-bindings",
    "tensorrt-rtx-cu13-libs",
    "cuda-core",
    "cuda-bindings",
    "nvidia-cuda-nvrtc",
    "nvidia-cuda-nvrtc-cu12",
)
"""Named where they are installed; the same library goes by several names."""

_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq")


def head(roofs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return version, commit, date, machine, libraries and what the machine can do at best, as plain values."""
    return {
        "version": farshore_version(),
        "commit": commit(Path(__file__).parent),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": available_cores(),
            "cores_of_machine": os.cpu_count(),
            "governor": _line(_FREQUENCY / "scaling_governor"),
            "load": os.getloadavg()[0],
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "system": platform.platform(),
            "driver": _driver(),
        },
        "libraries": {"python": sys.version.split()[0], **{name: _version(name) for name in _PACKAGES}, **_for_gpus()},
        "roofs": roofs,
    }


def head_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the head as lines for people."""
    machine, libraries = found["machine"], found["libraries"]
    governor = machine["governor"] or "not told"
    driver = f", driver of its GPU: {machine['driver']}" if machine.get("driver") else ""  # older results say nothing
    return [
        f"farshore {found['version']}, commit {found['commit'] or 'unknown'}, {found['date']}",
        f"{machine['processor']}, {machine['cores']} of {machine['cores_of_machine']} cores, governor {governor}, "
        f"load {machine['load']:.1f} before, {machine['memory_bytes'] / 2**30:.1f} GiB, {machine['system']}{driver}",
        ", ".join(f"{name} {number or 'absent'}" for name, number in libraries.items()),
    ]


def _processor() -> str:
    lines = (_text(Path("/proc/cpuinfo")) or "").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.processor() or platform.machine()


def _driver() -> str | None:
    """Return the driver's CUDA version and its own, what it fails with, or None where there is no GPU or no driver."""
    try:
        gpu = current_gpu()
    except NoDeviceError as error:
        return str(error)
    return None if gpu is None else gpu.driver


def _for_gpus() -> dict[str, str]:
    versions = ((name, _version(name)) for name in _GPU_PACKAGES)
    return {name: number for name, number in versions if number is not None}


def _line(path: Path) -> str | None:
    text = _text(path)
    return None if text is None else text.strip()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
