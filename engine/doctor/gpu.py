"""NVIDIA's driver, its GPU, and the TensorRT libraries: each asked, and TensorRT made to build a tiny engine."""

import ctypes
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.backends.tensorrt.device import DRIVER, Gpu, current_gpu
from engine.backends.tensorrt.library import MODULES, TITLES, Library, find_library
from engine.backends.tensorrt.plans import PlanKey
from engine.backends.tensorrt.process import Limits, run_build
from engine.backends.tensorrt.targets import choose_targets
from engine.doctor.finding import Finding, bad, good, not_applicable
from engine.doctor.models import tiny_network
from engine.errors import ConfigError, FarshoreError, MissingExtraError

NVML = "libnvidia-ml.so.1"
BUILD_SECONDS = 120.0
HOT = 88
"""Degrees Celsius from which NVIDIA's consumer GPUs slow down."""

_UPDATE = "update NVIDIA's driver and start the machine again; nvidia-smi must work"


def check_driver(
    find: Callable[[], Gpu | None] = current_gpu, load: Callable[[str], Any] = ctypes.CDLL
) -> Iterator[Finding]:
    """Ask the driver for its GPU."""
    try:
        gpu = find()
    except FarshoreError as error:
        yield bad("GPU", str(error), _UPDATE)
        return
    if gpu is not None:
        major, minor = gpu.compute_capability
        yield good("GPU", f"{gpu.name}, compute capability {major}.{minor}, driver {gpu.driver}")
        return
    try:
        load(DRIVER)
    except OSError:
        yield not_applicable("GPU", f"no NVIDIA driver ({DRIVER}) on this machine")
    else:
        yield bad("GPU", "a driver is there and sees no GPU", _UPDATE)


def check_nvml(load: Callable[[str], Any] = ctypes.CDLL) -> Iterator[Finding]:
    """Ask NVIDIA's management library for the GPU's memory and temperature."""
    try:
        nvml = load(NVML)
    except OSError:
        yield not_applicable("GPU state", f"no {NVML} on this machine")
        return
    code = nvml.nvmlInit_v2()
    if code:
        yield bad("GPU state", f"{NVML} answers with error {code}", _UPDATE)
        return
    try:
        yield from _state(nvml)
    finally:
        nvml.nvmlShutdown()


def _state(nvml: Any) -> Iterator[Finding]:
    device, degrees, memory = ctypes.c_void_p(), ctypes.c_uint(), (ctypes.c_ulonglong * 3)()
    for call, *arguments in (
        (nvml.nvmlDeviceGetHandleByIndex_v2, 0, ctypes.byref(device)),
        (nvml.nvmlDeviceGetTemperature, device, 0, ctypes.byref(degrees)),
        (nvml.nvmlDeviceGetMemoryInfo, device, memory),
    ):
        code = call(*arguments)
        if code:
            yield bad("GPU state", f"{NVML} answers with error {code}", _UPDATE)
            return
    total, free, _ = memory
    text = f"{degrees.value} °C, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if degrees.value >= HOT:
        yield bad("GPU state", f"{text}; it slows down from {HOT} °C", "clean the fans, give it air")
    else:
        yield good("GPU state", text)


def check_tensorrt(find: Callable[[], Gpu | None] = current_gpu) -> Iterator[Finding]:
    """Let each flavour of TensorRT that is installed parse and build a tiny engine."""
    try:
        gpu = find()
    except FarshoreError:
        gpu = None  # check_driver tells
    for flavour in dict.fromkeys(MODULES.values()):
        subject = TITLES[flavour]
        try:
            library = find_library(flavour)
        except (MissingExtraError, ConfigError) as error:
            yield not_applicable(subject, _why_missing(error))
        except (ImportError, OSError) as error:
            yield bad(subject, f"installed, but does not load: {error}", f"pip install --force-reinstall {flavour}")
        else:
            yield _build(library, gpu, subject)


def _why_missing(error: Exception) -> str:
    """Return the error's words without the subject that stands before them already."""
    text = str(error).removeprefix("library tensorrt: ").removeprefix("package ")
    return text.removeprefix("'tensorrt_rtx_bindings' is ")


def _build(library: Library, gpu: Gpu | None, subject: str) -> Finding:
    if library.flavour == "tensorrt" and gpu is None:
        return not_applicable(
            subject, f"{library.version}; it builds on the GPU that it is for, and there is none here"
        )
    data, _, _ = tiny_network()
    try:
        targets = choose_targets(library, (), gpu)
    except FarshoreError as error:
        return not_applicable(subject, f"{library.version}; {error}")
    key = PlanKey(
        model="doctor",
        model_sha256=hashlib.sha256(data).hexdigest(),
        precision="fp32",
        profile={},
        library=library.flavour,
        version=library.version,
        targets=targets,
    )
    with tempfile.TemporaryDirectory(prefix="farshore-doctor-") as folder:
        unfinished = Path(folder) / "tiny.unfinished"
        limits = Limits(seconds=BUILD_SECONDS)
        try:
            run_build(library.name, data, key, unfinished, limits, lambda share, phase: None, lambda text: None)
        except FarshoreError as error:
            return bad(subject, f"{library.version}; builds nothing: {error}", "install it again; check the driver")
        size = unfinished.stat().st_size
    where = f"on {gpu.name}" if gpu is not None else "without a GPU"
    return good(
        subject, f"{library.version}; parses and builds for {targets} {where} (a tiny engine of {size // 1024} KB)"
    )


CHECKS = (check_driver, check_nvml, check_tensorrt)
