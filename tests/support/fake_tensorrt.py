"""A TensorRT that runs ONNX models on a simulated device, and offers no name that the real one lacks.

A plan's payload is the ONNX file itself. What the library would compute on the GPU, ONNX Runtime computes on the
simulated device's memory, when the simulated stream comes there. Every object stands behind a `Gate`, which lets
through the names of one version of the bindings alone and notes which were used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import onnxruntime as ort

from engine.device.base import DeviceArray
from tests.support.gate import Gate, inside
from tests.support.simulated_device import SimulatedDevice, host_view

RUN_NS = 1_000_000
SCRATCH_BYTES = 4096
_ELEMENTS = {"tensor(float)": ("FLOAT", np.float32), "tensor(float16)": ("HALF", np.float16)}


@dataclass(slots=True)
class Faults:
    """What goes wrong, and how often.

    plans : that are not taken
    runs : after so many, a run fails; None: none does
    words : said when something fails
    is_recordable : whether runs can be recorded
    has_runtime : whether the library starts
    kernels : whether kept kernels are taken
    inference : whether shapes of outputs can be worked out
    data_dependent : whether they are known only after a run
    """

    plans: int = 0
    runs: int | None = None
    words: str = "Error Code 1: Serialization (the version tag does not match)"
    is_recordable: bool = True
    has_runtime: bool = True
    kernels: bool = True
    inference: bool = True
    data_dependent: bool = False


@dataclass(slots=True)
class Calls:
    """What was asked of the library: names by class, and runs by how they were started."""

    used: set[tuple[str, str]] = field(default_factory=set)
    plain: int = 0
    recorded: int = 0
    compiled: int = 0
    auxiliary: list[list[int]] = field(default_factory=list)
    kernels_taken: list[bytes] = field(default_factory=list)


class FakeTensorRt:
    """The library's module.

    Parameters
    ----------
    device : on which it computes
    names : that its version has
    rtx : whether it is TensorRT for RTX, which compiles kernels when shapes are first met
    auxiliary : streams beside the main one that engines want
    """

    def __init__(self, device: SimulatedDevice, names: frozenset[str], *, rtx: bool, auxiliary: int = 2) -> None:
        self._hidden = (device, names)
        self.device, self.rtx, self.auxiliary = device, rtx, auxiliary
        self.faults, self.calls = Faults(), Calls()

    def __getattr__(self, name: str) -> Any:
        device, names = object.__getattribute__(self, "_hidden")
        if name.startswith("_") or name not in names:
            raise AttributeError(f"this version of the bindings has no {name}")
        self.calls.used.add(("", name))
        if name == "ILogger":
            return _Logger
        if name == "Runtime":
            return lambda logger: Gate(self, "Runtime", _Runtime(self, logger))
        if name == "DataType":
            return Gate(self, name, _DataType)
        return Gate(
            self, name, IntEnum(name, [full.split(".")[1] for full in sorted(names) if full.startswith(f"{name}.")])
        )

    def note(self, kind: str, name: str) -> None:
        _, names = self._hidden
        if f"{kind}.{name}" not in names:
            raise AttributeError(f"this version's {kind} has no {name}")
        self.calls.used.add((kind, name))

    def complain(self, logger: Any, words: str | None = None) -> None:
        logger.log(_Logger.ERROR, words or self.faults.words)


class _Logger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


_DataType = IntEnum("_DataType", ["FLOAT", "HALF", "BF16", "INT8", "INT32", "INT64", "BOOL", "UINT8", "FP8", "INT4"])


class _Runtime:
    def __init__(self, library: FakeTensorRt, logger: Any) -> None:
        if not library.faults.has_runtime:
            library.complain(logger, "CUDA initialization failure with error: 35")
            raise TypeError("factory function returned nullptr")
        self.library, self.logger = library, logger

    def deserialize_cuda_engine(self, payload: memoryview) -> Gate | None:
        self.logger.log(_Logger.INFO, f"Loaded engine size: {len(payload)}")
        if self.library.faults.plans:
            self.library.faults.plans -= 1
            self.library.complain(self.logger)
            return None
        return Gate(self.library, "ICudaEngine", _Engine(self, bytes(payload)))


class _Engine:
    def __init__(self, runtime: _Runtime, data: bytes) -> None:
        self.library, self.logger = runtime.library, runtime.logger
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.native = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.inputs = {value.name: value for value in self.native.get_inputs()}
        self.outputs = {value.name: value for value in self.native.get_outputs()}
        self.num_io_tensors = len(self.inputs) + len(self.outputs)
        self.num_aux_streams = self.library.auxiliary

    def get_tensor_name(self, index: int) -> str:
        return [*self.inputs, *self.outputs][index]

    def get_tensor_mode(self, name: str) -> int:
        modes = inside(self.library.TensorIOMode)
        return modes.INPUT if name in self.inputs else modes.OUTPUT

    def get_tensor_dtype(self, name: str) -> IntEnum:
        return _DataType[_ELEMENTS[self._value(name).type][0]]

    def dtype(self, name: str) -> Any:
        return np.dtype(_ELEMENTS[self._value(name).type][1])

    def create_runtime_config(self) -> Gate:
        return Gate(self.library, "IRuntimeConfig", _Config(self.library))

    def create_execution_context(self, options: Any) -> Gate:
        config = inside(options) if isinstance(options, Gate) else _Config(self.library, options)
        return Gate(self.library, "IExecutionContext", _Context(self, config))

    def _value(self, name: str) -> Any:
        return self.inputs.get(name) or self.outputs[name]


class _Config:
    def __init__(self, library: FakeTensorRt, strategy: Any = None) -> None:
        self.library, self.strategy = library, strategy
        self.dynamic_shapes_kernel_specialization_strategy: Any = None
        self.cache: _Cache | None = None

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self.strategy = strategy

    def create_runtime_cache(self) -> Gate:
        return Gate(self.library, "IRuntimeCache", _Cache(self.library))

    def set_runtime_cache(self, cache: Gate) -> bool:
        self.cache = inside(cache)
        return True


class _Cache:
    def __init__(self, library: FakeTensorRt) -> None:
        self.library = library
        self.kernels: set[bytes] = set()

    def deserialize(self, payload: bytes) -> bool:
        if self.library.faults.kernels:
            self.kernels = set(payload.split(b"|")) - {b""}
            self.library.calls.kernels_taken.append(payload)
        return self.library.faults.kernels

    def serialize(self) -> bytes:
        return b"|".join(sorted(self.kernels))


class _Context:
    def __init__(self, engine: _Engine, config: _Config) -> None:
        assert config.strategy.name == "USER_MANAGED"
        self.engine, self.library, self.config = engine, engine.library, config
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.memory: tuple[int, int] = (0, -1)
        self.has_run = False

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        declared = self.engine.inputs[name].shape
        fits = len(shape) == len(declared) and all(
            not isinstance(want, int) or want == got for want, got in zip(declared, shape, strict=True)
        )
        fits = fits and max(shape) <= 4096
        if not fits:
            self.library.complain(self.engine.logger, f"setInputShape: {name} is out of the profile's range")
        self.shapes[name] = shape
        return fits

    def infer_shapes(self) -> list[str]:
        if not self.library.faults.inference:
            self.library.complain(self.engine.logger, "Error Code 7: Internal Error (axis 2 does not divide)")
            raise RuntimeError("shape inference failed")
        missing = [name for name in self.engine.inputs if name not in self.shapes]
        if not missing:
            feeds = {name: np.zeros(shape, self.engine.dtype(name)) for name, shape in self.shapes.items()}
            results = self.engine.native.run(None, feeds)
            self.shapes |= {name: result.shape for name, result in zip(self.engine.outputs, results, strict=True)}
        return missing

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (1, -1) if self.library.faults.data_dependent else self.shapes[name]

    def update_device_memory_size_for_shapes(self) -> int:
        return SCRATCH_BYTES

    def set_device_memory(self, memory: int, size: int) -> None:
        self.memory = (memory, size)

    def set_aux_streams(self, streams: list[int]) -> None:
        self.library.calls.auxiliary.append(list(streams))

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self.addresses[name] = memory
        return memory != 0

    def is_stream_capturable(self, stream: int) -> bool:
        return self.library.faults.is_recordable

    def execute_async_v3(self, stream: int) -> bool:
        library = self.library
        is_recording = stream in library.device._recording
        wrong = None
        if stream == 0:
            wrong = "the default stream"
        elif self.memory[0] == 0 or self.memory[1] < SCRATCH_BYTES:
            wrong = "no device memory"
        elif is_recording and not (self.has_run and library.faults.is_recordable):
            wrong = "Cuda Runtime (operation not permitted when stream is capturing)"
        elif not is_recording and library.faults.runs is not None:
            wrong = library.faults.words if library.faults.runs == 0 else None
            library.faults.runs -= 1
        if wrong is not None:
            library.complain(self.engine.logger, wrong)
            return False
        library.calls.recorded += is_recording
        library.calls.plain += not is_recording
        self._compile()
        self.has_run = True
        inputs, outputs = self._views(self.engine.inputs), self._views(self.engine.outputs)
        library.device.submit(stream, "engine", lambda: self._compute(inputs, outputs), RUN_NS)
        return True

    def _compile(self) -> None:
        """Compile for these shapes, as TensorRT for RTX does at their first run."""
        if not self.library.rtx:
            return
        assert self.config.dynamic_shapes_kernel_specialization_strategy.name == "EAGER"
        assert self.config.cache is not None
        kernel = repr(sorted(self.shapes.items())).encode()
        if kernel not in self.config.cache.kernels:
            self.library.calls.compiled += 1
            self.config.cache.kernels.add(kernel)

    def _views(self, names: Mapping[str, Any]) -> dict[str, DeviceArray]:
        return {
            name: DeviceArray(self.addresses[name], self.shapes[name], self.engine.dtype(name), None) for name in names
        }

    def _compute(self, inputs: Mapping[str, DeviceArray], outputs: Mapping[str, DeviceArray]) -> None:
        host_view(DeviceArray(self.memory[0], (SCRATCH_BYTES,), np.dtype(np.uint8), None))[:] = 0
        results = self.engine.native.run(None, {name: host_view(array) for name, array in inputs.items()})
        for array, result in zip(outputs.values(), results, strict=True):
            host_view(array)[...] = result
