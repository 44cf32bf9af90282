"""ONNX Runtime on a GPU: its CUDA execution provider, with tensors that stay on the device."""

import contextlib
import io
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backends.base import Backend, Profile, Session, check_profile
from engine.backends.dimensions import open_sizes
from engine.backends.onnxruntime import import_library, translate
from engine.device.base import Device, DeviceArray, Stream
from engine.errors import BuildError, ConfigError, DeviceError, DeviceMemoryError, EngineError, FarshoreError
from engine.model import Model

PROVIDER = "CUDAExecutionProvider"

STRICT = "session.disable_cpu_ep_fallback"
RECORD = "session.record_ep_graph_assignment_info"
NO_WAIT = "disable_synchronize_execution_providers"
"""Names in ONNX Runtime's configuration, of sessions (the first two) and of runs."""

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
"""ONNX Runtime's element types that tensors of a session may have."""

_MOST_NODES = 8
"""Nodes named in one message."""

_log = logging.getLogger(__name__)


class CudaBackend(Backend):
    """Runs models with ONNX Runtime's CUDA execution provider.

    Every node must run on the GPU: ONNX Runtime moves what it has no CUDA kernel for to the processor without a word,
    and each such node costs two copies and a wait per frame.

    Parameters
    ----------
    device : the GPU
    may_fall_back : nodes without a CUDA kernel may run on the processor; they are listed when a model opens

    Raises
    ------
    MissingExtraError, ConfigError
        ONNX Runtime is not installed, or has no CUDA provider.
    """

    name = "cuda"
    int8_form = None

    def __init__(self, device: Device, *, may_fall_back: bool = False) -> None:
        self.device = device
        self._device, self._may_fall_back = device, may_fall_back
        self._ort = import_library("gpu")
        if PROVIDER not in self._ort.get_available_providers():
            raise ConfigError(
                f"backend cuda: ONNX Runtime {self._ort.__version__} here has no CUDA provider; run: pip uninstall "
                "onnxruntime, then pip install 'farshore[gpu]' (the two packages cannot stand beside each other)"
            )
        self._preload()

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Make a session; it has run when it returns, which finds the outputs' shapes and the best algorithms."""
        check_profile(model, profile)
        dtypes = _dtypes(model)
        stream = self._device.stream()
        try:
            native = self._native(model, profile, stream, strict=not self._may_fall_back)
        except Exception as error:  # the library's errors share no base; all are mapped here, none is kept back
            raise self._reason(model, profile, stream, error) from error
        self._check_provider(model, native)
        nodes = _nodes_elsewhere(native) if self._may_fall_back else []
        if nodes:
            _log.warning("model %s: %d nodes run on the processor: %s", model.card.name, len(nodes), _listed(nodes))
        run_options = None if nodes else self._run_options()
        return CudaSession(native, model, profile, self._device, stream, dtypes, run_options)

    def _native(self, model: Model, profile: Profile, stream: Stream, *, strict: bool) -> Any:
        options = self._ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1  # nodes run on the GPU: a pool of threads would spin for nothing
        options.enable_mem_pattern = False  # a pattern is planned by one run and allocated by the next: within the flow
        options.add_session_config_entry(STRICT, "1" if strict else "0")
        options.add_session_config_entry(RECORD, "1")
        # With every size known the nodes that work out sizes are folded away; they are liked on the processor.
        for name, size in open_sizes(model.data, profile.shapes).items():
            options.add_free_dimension_override_by_name(name, size)
        settings = {
            "device_id": str(self._device.ordinal),
            "has_user_compute_stream": "1",
            "user_compute_stream": str(stream.handle),
            "arena_extend_strategy": "kSameAsRequested",  # else by powers of two, beside the chain's own buffers
        }
        return self._ort.InferenceSession(
            model.data, options, providers=[PROVIDER], provider_options=[settings], enable_fallback=0
        )

    def _run_options(self) -> Any:
        options = self._ort.RunOptions()
        options.add_run_config_entry(NO_WAIT, "1")
        return options

    def _reason(self, model: Model, profile: Profile, stream: Stream, error: Exception) -> FarshoreError:
        """Return our error for a session that could not be made; where nodes would fall back, it names them."""
        if "CPU EP" not in str(error):
            return _translate(error, model, BuildError)
        try:
            native = self._native(model, profile, stream, strict=False)
        except Exception as second:  # as in `open`
            return _translate(second, model, BuildError)
        self._check_provider(model, native)
        return BuildError(
            f"model {model.card.name}: ONNX Runtime has no CUDA kernel for {_listed(_nodes_elsewhere(native))}; wanted "
            "every node on the GPU; use --backend tensorrt, or allow the processor for these"
        )

    def _check_provider(self, model: Model, native: Any) -> None:
        if PROVIDER not in native.get_providers():
            raise DeviceError(
                f"model {model.card.name}: ONNX Runtime's CUDA provider does not load, there is "
                f"{', '.join(native.get_providers())} alone; mostly cuDNN 9 or CUDA's libraries are missing: run pip "
                "install 'onnxruntime-gpu[cuda,cudnn]', and check the driver with nvidia-smi"
            )

    def _preload(self) -> None:
        """Load CUDA's libraries from wheels, where they are; what is printed about others is for the log alone."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self._ort.preload_dlls()
        for line in said.getvalue().splitlines():
            _log.debug("ONNX Runtime: %s", line)


class CudaSession(Session):
    """A session of ONNX Runtime on a stream of its own, which the caller's stream goes before and behind.

    ONNX Runtime is bound to one stream for good when a session is made; events tie it to whatever stream a run is for.

    Parameters
    ----------
    native : ONNX Runtime's session
    model, profile, device : what runs where
    stream : with which `native` was made
    dtypes : of every input and output
    run_options : by which a run does not wait; None where nodes run on the processor. Then ONNX Runtime copies inputs
        when they are bound, in no stream's order, so that the host must wait before and after
    """

    def __init__(
        self,
        native: Any,
        model: Model,
        profile: Profile,
        device: Device,
        stream: Stream,
        dtypes: Mapping[str, np.dtype[Any]],
        run_options: Any,
    ) -> None:
        self._native: Any = native
        self._binding: Any = native.io_binding()
        self._run_options: Any = run_options
        self._gpu, self._stream = device, stream
        self._before, self._behind = device.event(), device.event()
        shapes = self._first_run(model, profile, dtypes)
        super().__init__(model, profile, shapes, device=device, dtypes=dtypes)

    def close(self) -> None:
        """Wait for what still runs, and give back ONNX Runtime's memory."""
        self._stream.synchronize()
        self._binding = None
        self._native = None

    def _enqueue(self, inputs: Mapping[str, DeviceArray], outputs: Mapping[str, DeviceArray], cuda_stream: Any) -> None:
        caller: Stream = cuda_stream
        if self._run_options is None:
            caller.synchronize()
        caller.record(self._before)
        self._before.wait(self._stream)
        self._run(inputs, outputs, self.model)
        self._stream.record(self._behind)
        self._behind.wait(caller)

    def _run(self, inputs: Mapping[str, DeviceArray], outputs: Mapping[str, DeviceArray], model: Model) -> None:
        binding, ordinal = self._binding, self._gpu.ordinal
        try:
            for name, array in inputs.items():
                binding.bind_input(name, "cuda", ordinal, array.dtype.type, array.shape, array.pointer)
            for name, array in outputs.items():
                binding.bind_output(name, "cuda", ordinal, array.dtype.type, array.shape, array.pointer)
            self._native.run_with_iobinding(binding, self._run_options)
        except Exception as error:  # the library's errors share no base
            raise _translate(error, model, EngineError) from error

    def _first_run(
        self, model: Model, profile: Profile, dtypes: Mapping[str, np.dtype[Any]]
    ) -> dict[str, tuple[int, ...]]:
        """Run on zeros, wait, and return the outputs' shapes; ONNX Runtime allocates the outputs this once.

        Then once more into memory of ours, as every run will be: what that allocates of its own is there from then on.
        """
        binding, ordinal = self._native.io_binding(), self._gpu.ordinal
        arrays = {name: self._gpu.empty(shape, dtypes[name]) for name, shape in profile.shapes.items()}
        for name, array in arrays.items():
            self._gpu.clear(array, self._stream)
            binding.bind_input(name, "cuda", ordinal, array.dtype.type, array.shape, array.pointer)
        for name in model.outputs:
            binding.bind_output(name, "cuda", ordinal)
        try:
            self._native.run_with_iobinding(binding)
            shapes = [tuple(value.shape()) for value in binding.get_outputs()]
        except Exception as error:  # as in `_enqueue`
            raise _translate(error, model, BuildError) from error
        self._stream.synchronize()
        outputs = dict(zip(model.outputs, shapes, strict=True))
        made = {name: self._gpu.empty(shape, dtypes[name]) for name, shape in outputs.items()}
        self._run(arrays, made, model)
        self._stream.synchronize()
        return outputs


def _dtypes(model: Model) -> dict[str, np.dtype[Any]]:
    dtypes: dict[str, np.dtype[Any]] = {}
    for name, tensor in (*model.inputs.items(), *model.outputs.items()):
        if tensor.dtype not in _DTYPES:
            raise BuildError(
                f"model {model.card.name}: tensor {name!r} is {tensor.dtype}; wanted one of {', '.join(_DTYPES)}; "
                "export it with other inputs and outputs"
            )
        dtypes[name] = np.dtype(_DTYPES[tensor.dtype])
    return dtypes


def _nodes_elsewhere(native: Any) -> list[str]:
    """Return the nodes that do not run on the GPU, as ``Resize node_resize_3``."""
    return [
        f"{node.op_type} {node.name}"
        for part in native.get_provider_graph_assignment_info()
        if part.ep_name != PROVIDER
        for node in part.get_nodes()
    ]


def _listed(nodes: list[str]) -> str:
    more = len(nodes) - _MOST_NODES
    return ", ".join(nodes[:_MOST_NODES]) + (f" and {more} more" if more > 0 else "")


def _translate(error: Exception, model: Model, otherwise: type[FarshoreError]) -> FarshoreError:
    """Return our error for one of ONNX Runtime's that came from a GPU."""
    ours = translate(error, f"model {model.card.name}", otherwise)
    words = str(error).lower()
    if isinstance(ours, DeviceMemoryError) or "out of memory" in words or "failed to allocate memory" in words:
        return DeviceMemoryError(f"{ours}; use a smaller picture, fewer stages or another GPU")
    if "no kernel image" in words:
        return DeviceError(f"{ours}; ONNX Runtime was not built for this GPU: use --backend tensorrt")
    if "cuda failure" in words or "cuda error" in words:
        return DeviceError(f"{ours}; check the GPU and its driver with nvidia-smi")
    return ours
