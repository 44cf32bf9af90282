"""Python, the system, and the packages that farshore needs or can use."""

import importlib
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata

from engine.doctor.finding import Finding, bad, good, not_applicable

OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 28)
"""Of which the wheels that farshore depends on are made."""

NEEDED = {"numpy": "numpy", "av": "av", "opencv-python-headless": "cv2", "typer": "typer", "rich": "rich"}
"""Package → module that it brings."""

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "cpu": ("onnxruntime",),
    "rtx": ("onnxruntime", "tensorrt-rtx-cu13-libs", "tensorrt-rtx-cu13-bindings"),
    "calib": ("onnx", "onnxruntime"),
    "export": ("onnx", "onnxscript", "torch", "safetensors"),
}

RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Iterator[Finding]:
    """Look whether Python is new enough."""
    text, oldest = ".".join(map(str, version)), ".".join(map(str, OLDEST_PYTHON))
    if version[:2] < OLDEST_PYTHON:
        yield bad("Python", f"{text}; farshore needs {oldest}", f"make an environment with Python {oldest} or newer")
    else:
        yield good("Python", f"{text}, {platform.machine()}, {sys.executable}")


def check_system(system: str = platform.system(), libc: tuple[str, str] | None = None) -> Iterator[Finding]:
    """Look whether this is a Linux whose C library the wheels run on."""
    if system != "Linux":
        yield bad("system", f"{system}; farshore is made for Linux", "use Linux, or a container of it")
        return
    yield good("system", f"{_distribution()}, kernel {platform.release()}")
    name, version = libc if libc is not None else platform.libc_ver()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if name != "glibc":
        yield bad("C library", f"{name or 'not glibc'}; the wheels are made for glibc", "use Debian, Ubuntu or alike")
    elif numbers < OLDEST_GLIBC:
        yield bad(
            "C library", f"glibc {version}; the wheels need 2.28", "use a newer system: Debian 10, Ubuntu 20.04 on"
        )
    else:
        yield good("C library", f"glibc {version}")


def check_packages(installed: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Look whether what farshore needs can be imported."""
    found = installed_packages() if installed is None else installed
    yield good("farshore", found.get("farshore", "from a checkout that was never installed"))
    for package, module in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            reason = str(error).splitlines()[0] if str(error) else "cannot be imported"
            yield bad(package, reason, f"pip install --force-reinstall '{package}'")
        else:
            yield good(package, found.get(package, "there, installed by another name"))


def check_runtimes(installed: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Look for one ONNX Runtime: the two packages write over each other's files."""
    found = installed_packages() if installed is None else installed
    there = [name for name in RUNTIMES if name in found]
    if not there:
        yield bad("ONNX Runtime", "not installed; no model can run", "pip install 'farshore[cpu]'")
    elif len(there) > 1:
        yield bad(
            "ONNX Runtime",
            f"{' and '.join(f'{name} {found[name]}' for name in there)} are both installed and overwrite each other",
            "pip uninstall -y onnxruntime onnxruntime-gpu, then install one of them",
        )
    else:
        yield good("ONNX Runtime", f"{there[0]} {found[there[0]]}")


def check_extras(installed: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Say which extras are there; none of them has to be, but parts of one are no use."""
    found = installed_packages() if installed is None else installed
    for extra, packages in EXTRAS.items():
        subject, missing = f"extra {extra}", [package for package in packages if not _is_there(package, found)]
        if not missing:
            yield good(subject, ", ".join(f"{package} {_version(package, found)}" for package in packages))
        else:
            yield not_applicable(
                subject, f"{', '.join(missing)} not installed; pip install 'farshore[{extra}]' if wanted"
            )


def installed_packages() -> dict[str, str]:
    """Return the installed distributions, names as package registries write them, and their versions."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return found


def _is_there(package: str, found: Mapping[str, str]) -> bool:
    return package in found or (package == "onnxruntime" and "onnxruntime-gpu" in found)


def _version(package: str, found: Mapping[str, str]) -> str:
    return found.get(package) or found["onnxruntime-gpu"]


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


CHECKS = (check_python, check_system, check_packages, check_runtimes, check_extras)
