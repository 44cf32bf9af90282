"""ONNX Runtime on the processor, the embedded default."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from engine.backends.base import Array, Backend, Profile, Session, check_profile
from engine.errors import (
    BindingError,
    BuildError,
    DeviceError,
    DeviceMemoryError,
    EngineError,
    FarshoreError,
    MissingExtraError,
)
from engine.model import Model

ERRORS: dict[str, type[FarshoreError]] = {
    "DeviceReset": DeviceError,
    "EPFail": EngineError,
    "EngineError": EngineError,
    "Fail": EngineError,
    "InvalidArgument": BindingError,
    "InvalidGraph": BuildError,
    "InvalidProtobuf": BuildError,
    "ModelLoadCanceled": BuildError,
    "ModelLoaded": BuildError,
    "ModelRequiresCompilation": BuildError,
    "NoModel": BuildError,
    "NoSuchFile": BuildError,
    "NotFound": BuildError,
    "NotImplemented": BuildError,
    "RuntimeException": EngineError,
}
"""ONNX Runtime's exception classes, by name, and ours for them."""


class OnnxRuntimeBackend(Backend):
    """Runs models with ONNX Runtime's CPU execution provider.

    Its worker threads sleep rather than spin while they wait: other stages need the cores.
    """

    name = "onnxruntime"

    def __init__(self) -> None:
        self._ort = import_library("cpu")

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Make a session; the shapes of outputs are found by running it once on zeros."""
        check_profile(model, profile)
        for tensors in (model.inputs, model.outputs):
            for name, tensor in tensors.items():
                if tensor.dtype != "tensor(float)":
                    raise BuildError(
                        f"model {model.card.name}: tensor {name!r} is {tensor.dtype}; wanted tensor(float); export it "
                        "again with float32 inputs and outputs"
                    )
        ort = self._ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            native = ort.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
            zeros = {name: np.zeros(shape, np.float32) for name, shape in profile.shapes.items()}
            results = native.run(None, zeros)
        except Exception as error:  # the library's errors share no base; all are mapped here, none is kept back
            raise translate(error, f"model {model.card.name}", BuildError) from error
        shapes = {name: tuple(result.shape) for name, result in zip(model.outputs, results, strict=True)}
        return OnnxRuntimeSession(native, model, profile, shapes)


class OnnxRuntimeSession(Session):
    """A session of ONNX Runtime whose inputs and outputs are the caller's own arrays."""

    def __init__(self, native: Any, model: Model, profile: Profile, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(model, profile, shapes)
        self._native: Any = native
        self._binding: Any = native.io_binding()

    def close(self) -> None:
        """Give back ONNX Runtime's memory and threads."""
        self._binding = None
        self._native = None

    def _enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any) -> None:
        binding = self._binding
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, np.float32, array.shape, _address(array))
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, _address(array))
        try:
            self._native.run_with_iobinding(binding)
        except Exception as error:  # as in `open`
            raise translate(error, f"model {self.model.card.name}", EngineError) from error


def _address(array: Array) -> int:
    """Return where an array's first number lies.

    Not by `array.ctypes`: it looks itself up under a new string each time, and the interpreter's cache of methods keeps
    up to 4096 of them.
    """
    return array.__array_interface__["data"][0]


def translate(error: Exception, subject: str, otherwise: type[FarshoreError]) -> FarshoreError:
    """Return our error for one of ONNX Runtime's; its first line of text is kept."""
    text = str(error).strip().splitlines()
    message = f"{subject}: ONNX Runtime: {text[0] if text else type(error).__name__}"
    if isinstance(error, MemoryError) or "bad_alloc" in message:
        return DeviceMemoryError(f"{message}; use a smaller picture or fewer stages")
    return ERRORS.get(type(error).__name__, otherwise)(message)


def import_library(extra: str) -> ModuleType:
    """Return ONNX Runtime; where it is missing, name the extra that brings it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", extra) from error
    return onnxruntime
