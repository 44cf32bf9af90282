"""Runs of an engine on a stream: plain the first time, recorded the second, replayed from then on."""

import logging
from collections.abc import Mapping
from typing import Any

from engine.backends.base import Profile, Session
from engine.backends.tensorrt.graphs import Addresses, Graphs
from engine.backends.tensorrt.journal import Journal
from engine.backends.tensorrt.library import Flavour
from engine.backends.tensorrt.runtime import Context
from engine.device.base import Device, DeviceArray, Graph, Stream
from engine.errors import DeviceError, EngineError
from engine.model import Model

_log = logging.getLogger(__name__)


class TensorRtSession(Session):
    """An engine with fixed shapes, whose addresses are the caller's from run to run.

    A run with addresses that came before is recorded as a CUDA graph and costs one launch from then on; states that
    change places are therefore two graphs and no copy. When the constructor returns it has run once and was waited for.

    Recording is done on a stream of the session's own, which carries nothing else: whatever comes to a stream while it
    is recorded lands in the graph, from whichever thread, and the default stream cannot be recorded at all.

    Parameters
    ----------
    model, profile : what runs
    context : the engine, made ready
    device : where it runs
    journal : of the library
    flavour : of the library
    """

    def __init__(
        self, model: Model, profile: Profile, context: Context, device: Device, journal: Journal, flavour: Flavour
    ) -> None:
        super().__init__(model, profile, context.output_shapes, device=device, dtypes=context.dtypes)
        self._context: Context | None = context
        self._gpu, self._journal = device, journal
        self._graphs = Graphs()
        self._bound: Addresses = ()
        self._names = (*self.input_shapes, *self.output_shapes)
        self._last: Stream | None = None
        self._order = device.event()
        self._recorder = device.stream()
        self._records = True
        self._warm_up(context, flavour)

    def close(self) -> None:
        """Wait for what still runs, keep compiled kernels on disk, and let go of the GPU's memory."""
        context, self._context = self._context, None
        if context is None:
            return
        self._gpu.enter()
        try:
            if self._last is not None:
                self._last.synchronize()
            if context.kernels is not None:
                context.kernels.save()
        finally:
            self._graphs.clear()
            self._last = None

    def _enqueue(self, inputs: Mapping[str, DeviceArray], outputs: Mapping[str, DeviceArray], cuda_stream: Any) -> None:
        stream: Stream = cuda_stream
        self._follow(stream)
        addresses = (
            *[inputs[name].pointer for name in self.input_shapes],
            *[outputs[name].pointer for name in self.output_shapes],
        )
        graph = self._graphs.find(addresses)
        if graph is None and self._records and self._graphs.meet(addresses):
            graph = self._record(addresses)
        if graph is None:
            self._run(addresses, stream)
        else:
            graph.launch(stream)

    def _follow(self, stream: Stream) -> None:
        """Let a run on another stream than the last one's begin after it: they share scratch memory."""
        self._gpu.enter()  # the thread may be another than the last run's
        if self._last is not None and self._last.handle != stream.handle:
            self._last.record(self._order)
            self._order.wait(stream)
        self._last = stream

    def _record(self, addresses: Addresses) -> Graph | None:
        try:
            graph = self._gpu.record_graph(self._recorder, lambda: self._run(addresses, self._recorder))
        except (DeviceError, EngineError) as error:
            self._give_up_recording(str(error))
            return None
        self._graphs.keep(addresses, graph)
        return graph

    def _run(self, addresses: Addresses, stream: Stream) -> None:
        context = self._opened()
        native, subject = context.native, f"model {self.model.card.name}"
        self._journal.forget()
        if addresses != self._bound:
            for name, address in zip(self._names, addresses, strict=True):
                if not native.set_tensor_address(name, address):
                    raise self._journal.failure(subject, f"take the address of {name!r}", EngineError)
            self._bound = addresses
        if context.auxiliary:
            native.set_aux_streams([auxiliary.handle for auxiliary in context.auxiliary])
        if not native.execute_async_v3(stream.handle):
            raise self._journal.failure(subject, "run it", EngineError)

    def _warm_up(self, context: Context, flavour: Flavour) -> None:
        """Run once on zeros and wait, so that the library does now what it does once; then see whether it records."""
        stream = self._recorder
        shapes = (*self.input_shapes.items(), *self.output_shapes.items())
        arrays = [self._gpu.empty(shape, self.dtypes[name]) for name, shape in shapes]
        for array in arrays[: len(self.input_shapes)]:
            self._gpu.clear(array, stream)
        addresses = tuple(array.pointer for array in arrays)
        self._run(addresses, stream)
        stream.synchronize()
        if context.kernels is not None:
            context.kernels.save()
        if flavour == "rtx" and not context.native.is_stream_capturable(stream.handle):
            self._give_up_recording("the library says that it cannot")
            return
        try:
            self._gpu.record_graph(stream, lambda: self._run(addresses, stream))
        except (DeviceError, EngineError) as error:
            self._give_up_recording(str(error))

    def _give_up_recording(self, reason: str) -> None:
        self._records = False
        self._graphs.clear()
        _log.warning(
            "model %s: its runs cannot be recorded as CUDA graphs (%s); they are started kernel by kernel",
            self.model.card.name,
            reason,
        )

    def _opened(self) -> Context:
        if self._context is None:
            raise EngineError(f"model {self.model.card.name}: its session is closed; open another")
        return self._context
