"""The chain's own CUDA kernels: compiled here, and run where there is a GPU."""

from collections.abc import Callable, Iterator

import numpy as np

from engine.backends.tensorrt.device import Gpu, current_gpu
from engine.device.base import Device
from engine.device.cuda import open_device
from engine.device.operators import Operators, view
from engine.doctor.finding import Finding, bad, good, not_applicable
from engine.errors import FarshoreError
from kernels.compiler import CompileError, compile_source

SUBJECT = "CUDA kernels"
USUAL_ARCHITECTURE = "sm_86"
"""What is compiled for where there is no GPU to ask."""

SIZE = (48, 64)


def check_kernels(
    find: Callable[[], Gpu | None] = current_gpu, open_gpu: Callable[[], Device] = open_device
) -> Iterator[Finding]:
    """Compile a source; with a GPU, let a kernel halve a picture there and look at the result."""
    try:
        gpu = find()
    except FarshoreError:
        gpu = None  # check_driver tells
    architecture = USUAL_ARCHITECTURE if gpu is None else "sm_{}{}".format(*gpu.compute_capability)
    try:
        compile_source("resize", "float32", architecture)
    except CompileError as error:
        if isinstance(error.__cause__, ImportError):
            yield not_applicable(SUBJECT, "cuda-core is not installed; extras gpu, rtx and jetson bring it")
        else:
            yield bad(SUBJECT, f"NVRTC compiles nothing for {architecture}: {_first(error)}", "install the extra again")
        return
    if gpu is None:
        yield good(SUBJECT, f"NVRTC compiles for {architecture}; there is no GPU here to run them on")
        return
    try:
        device = open_gpu()
        right = _halves(device)
    except FarshoreError as error:
        yield bad(SUBJECT, str(error), "update NVIDIA's driver; nvidia-smi must work")
        return
    if right:
        yield good(SUBJECT, f"compiled for {architecture} and run on {device.name}, with the right result")
    else:
        yield bad(SUBJECT, f"{device.name} computes something wrong", "run make gpu-check and report what it says")


def _halves(device: Device) -> bool:
    """Return whether a kernel gives the mean of 2x2 pixels."""
    operators = Operators(device, device.stream())
    picture = np.random.default_rng(1).random((1, *SIZE), np.float32)
    half = device.empty((1, SIZE[0] // 2, SIZE[1] // 2), np.float32)
    operators.resize("resize_area", view(operators.constant(picture)), view(half))
    result = np.empty(half.shape, np.float32)
    device.download(half, result, operators.stream)
    operators.stream.synchronize()
    blocks = picture.reshape(1, SIZE[0] // 2, 2, SIZE[1] // 2, 2)
    return bool(np.allclose(result, blocks.mean((2, 4)), atol=1e-5))


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


CHECKS = (check_kernels,)
