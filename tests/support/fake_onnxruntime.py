"""ONNX Runtime with a CUDA provider, on a simulated device.

Options, run options and errors are the real module's. Sessions compute with the real CPU provider on the simulated
device's memory, when the simulated stream comes there; everything that the real provider would wait for, waits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as real
import onnxruntime.capi.onnxruntime_pybind11_state as native_errors

from engine.device.base import DeviceArray
from tests.support.simulated_device import SimulatedDevice, host_view

STRICT = "session.disable_cpu_ep_fallback"
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
RUN_NS = 1_000_000


@dataclass(slots=True)
class FakeOnnxRuntime:
    """The module, as far as the CUDA backend uses it.

    device : on which it computes
    has_cuda : whether this build has the provider
    loads_cuda : whether the provider's libraries are there
    without_kernel : kinds of nodes that the provider cannot run
    run_error : raised by the next run
    sessions : what was opened, strictly or not
    """

    device: SimulatedDevice
    has_cuda: bool = True
    loads_cuda: bool = True
    without_kernel: frozenset[str] = frozenset()
    run_error: Exception | None = None
    sessions: list["FakeSession"] = field(default_factory=list)

    @property
    def __version__(self) -> str:
        return real.__version__

    SessionOptions = real.SessionOptions
    RunOptions = real.RunOptions

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU] if self.has_cuda else [CPU]

    def preload_dlls(self, cuda: bool = True, cudnn: bool = True, msvc: bool = True, directory: Any = None) -> None:
        print("Failed to load libcudnn.so.9")  # noqa: T201 - as the real one does

    def InferenceSession(  # noqa: N802
        self,
        path_or_bytes: bytes,
        sess_options: Any = None,
        providers: Sequence[str] | None = None,
        provider_options: Sequence[Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> "FakeSession":
        assert kwargs == {"enable_fallback": 0}, "else the library prints and falls back by itself"
        assert providers == [CUDA], "with the processor named, disabling the fall to it is a contradiction"
        assert provider_options is not None
        session = FakeSession(self, path_or_bytes, sess_options, provider_options[0])
        self.sessions.append(session)
        is_strict = sess_options.get_session_config_entry(STRICT) == "1"
        if is_strict and (not self.loads_cuda or session.elsewhere):
            raise native_errors.Fail(
                "[ONNXRuntimeError] : 1 : FAIL : This session contains graph nodes that are assigned to the default "
                "CPU EP, but fallback to CPU EP has been explicitly disabled by the user."
            )
        return session


class FakeSession:
    """An `InferenceSession` with the CUDA provider."""

    def __init__(self, library: FakeOnnxRuntime, data: bytes, options: Any, settings: Mapping[str, str]) -> None:
        self.library, self.settings, self.options = library, settings, options
        assert settings["has_user_compute_stream"] == "1"
        self.runs: list[bool] = []
        """For each run, whether its outputs' memory was given."""
        self.stream = int(settings["user_compute_stream"])
        self.device_id = int(settings["device_id"])
        assert self.stream in library.device._streams
        self.native = _plain(data)
        self.nodes = _placed(data, options)
        self.elsewhere = [node for node in self.nodes if node.op_type in library.without_kernel]

    def get_providers(self) -> list[str]:
        return [CUDA, CPU] if self.library.loads_cuda else [CPU]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        here = [node for node in self.nodes if node not in self.elsewhere]
        return [
            SimpleNamespace(ep_name=name, get_nodes=lambda nodes=nodes: nodes)
            for name, nodes in ((CUDA, here), (CPU, self.elsewhere))
            if nodes
        ]

    def io_binding(self) -> "FakeBinding":
        return FakeBinding(self)

    def run_with_iobinding(self, iobinding: "FakeBinding", run_options: Any = None) -> None:
        library = self.library
        if library.run_error is not None:
            raise library.run_error
        self.runs.append(not iobinding.unleased)
        iobinding.lease_missing()
        inputs, outputs, copies = dict(iobinding.inputs), dict(iobinding.outputs), dict(iobinding.copies)

        def run() -> None:
            names = [value.name for value in self.native.get_outputs()]
            results = self.native.run(names, {name: host_view(array) for name, array in inputs.items()} | copies)
            for name, result in zip(names, results, strict=True):
                host_view(outputs[name])[...] = result

        work = library.device.submit(self.stream, "session", run, RUN_NS)
        key = "disable_synchronize_execution_providers"
        is_asynchronous = run_options is not None and run_options.get_run_config_entry(key) == "1"
        if not is_asynchronous:
            library.device.wait_on_host(work)


class FakeBinding:
    """An `IOBinding`."""

    def __init__(self, session: FakeSession) -> None:
        self.session = session
        self.inputs: dict[str, DeviceArray] = {}
        self.copies: dict[str, Any] = {}
        self.outputs: dict[str, DeviceArray] = {}
        self.unleased: list[str] = []

    def bind_input(
        self, name: str, device_type: str, device_id: int, element_type: Any, shape: Sequence[int], buffer_ptr: int
    ) -> None:
        self._check(device_type, device_id)
        array = DeviceArray(buffer_ptr, tuple(shape), np.dtype(element_type), None)
        if self.session.elsewhere:  # the real one copies now to where nodes of the processor find it
            self.copies[name] = host_view(array).copy()
        self.inputs[name] = array

    def bind_output(
        self,
        name: str,
        device_type: str = "cpu",
        device_id: int = 0,
        element_type: Any = None,
        shape: Sequence[int] | None = None,
        buffer_ptr: int | None = None,
    ) -> None:
        self._check(device_type, device_id)
        if buffer_ptr is None:
            self.unleased.append(name)
        else:
            assert shape is not None
            self.outputs[name] = DeviceArray(buffer_ptr, tuple(shape), np.dtype(element_type), None)

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(shape=lambda array=array: list(array.shape)) for array in self.outputs.values()]

    def lease_missing(self) -> None:
        """Allocate the outputs that were bound without memory."""
        if self.unleased:
            blanks = {name: np.zeros(array.shape, array.dtype) for name, array in self.inputs.items()}
            for name, result in zip(self.unleased, self.session.native.run(self.unleased, blanks), strict=True):
                self.outputs[name] = self.session.library.device.empty(result.shape, result.dtype)
            self.unleased = []

    def _check(self, device_type: str, device_id: int) -> None:
        assert (device_type, device_id) == ("cuda", self.session.device_id)


def _plain(data: bytes) -> Any:
    options = real.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return real.InferenceSession(data, options, providers=[CPU])


def _placed(data: bytes, options: Any) -> list[Any]:
    """Return the nodes that are left once ONNX Runtime has folded the graph with the caller's options."""
    strict = options.get_session_config_entry(STRICT)
    options.log_severity_level = 4  # it warns of entries that are set twice
    options.intra_op_num_threads = 1
    options.add_session_config_entry(STRICT, "0")
    session = real.InferenceSession(data, options, providers=[CPU])
    options.add_session_config_entry(STRICT, strict)
    return [node for part in session.get_provider_graph_assignment_info() for node in part.get_nodes()]
