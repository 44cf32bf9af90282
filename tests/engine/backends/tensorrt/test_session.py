"""Sessions over the fake library on the simulated device, beside the processor's backend."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from engine.backends.base import Profile
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.tensorrt.graphs import MOST
from engine.backends.tensorrt.library import Flavour
from engine.device.base import Graph, Stream
from engine.errors import BindingError, BuildError, DeviceError, DeviceMemoryError, EngineError
from engine.model import Model, builtin_models
from engine.stages.place import DevicePlace
from engine.stages.states import States
from tests.engine.backends.tensorrt.fakes import Bench, leases, make_bench, on_device, read
from tests.engine.backends.test_null import small_profile
from tests.support.onnx_files import save_halver
from tests.support.tiny_models import counting_enhancer

FLOATING = [name for name in sorted(builtin_models()) if "-int8" not in name]
SHAPE = (1, 1, 8, 12)


@pytest.fixture(params=["tensorrt", "rtx"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    flavour: Flavour = request.param
    return make_bench(tmp_path / "plans", flavour, monkeypatch)


@pytest.fixture(scope="module")
def halver(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model.load(save_halver(tmp_path_factory.mktemp("models") / "m.onnx"))


@pytest.mark.parametrize("name", FLOATING)
def test_a_built_in_model_gives_what_it_gives_on_the_processor(bench: Bench, name: str) -> None:
    model = Model.load(builtin_models()[name])
    profile = small_profile(model)
    ours = bench.backend().open(model, profile, 1)
    theirs = OnnxRuntimeBackend().open(model, profile, 1)
    assert ours.output_shapes == theirs.output_shapes
    rng, stream = np.random.default_rng(4), bench.device.stream()
    inputs = {name: bench.device.empty(shape, np.float32) for name, shape in profile.shapes.items()}
    outputs = leases(ours)
    wanted = {name: np.empty(shape, np.float32) for name, shape in theirs.output_shapes.items()}
    for _ in range(4):
        values = {name: rng.random(shape, np.float32) for name, shape in profile.shapes.items()}
        for name, value in values.items():
            bench.device.upload(value, inputs[name], stream)
        ours.enqueue(inputs, outputs, stream)
        theirs.enqueue(values, wanted)
        stream.synchronize()
        for name, array in read(outputs).items():
            np.testing.assert_array_equal(array, wanted[name])
    assert bench.device.graph_launches == 3, "the first run is plain, the second is recorded and launched"
    assert bench.library.calls.plain == 2, "one when it opened, one with new addresses"


def states_on(bench: Bench, model: Model, picture: tuple[int, int]) -> tuple[States, Stream]:
    """Return a model's states on the device, as a stage has them, and the stage's stream."""
    place = DevicePlace(bench.device)
    place.open()
    states = States(model, picture, place)
    assert place.stream is not None
    return states, place.stream


def test_states_change_places_without_a_copy_and_come_to_two_graphs(bench: Bench, tmp_path: Path) -> None:
    model = counting_enhancer(tmp_path)
    shapes = {"luma": SHAPE, "count_in": SHAPE}
    ours, theirs = bench.open(model, shapes), OnnxRuntimeBackend().open(model, Profile(shapes), 1)
    (states, stream), host_states = states_on(bench, model, SHAPE[2:]), States(model, SHAPE[2:])
    luma, out = on_device(bench.device, np.full(SHAPE, 0.25, np.float32), stream), leases(ours)["luma_out"]
    host_out = np.empty(SHAPE, np.float32)
    allocations = bench.device.allocations
    for shot in range(4):
        states.clear()
        host_states.clear()
        for _ in range(5 + shot):
            ours.enqueue({"luma": luma, **states.inputs}, {"luma_out": out, **states.outputs}, stream)
            theirs.enqueue(
                {"luma": np.full(SHAPE, 0.25, np.float32), **host_states.inputs},
                {"luma_out": host_out, **host_states.outputs},
            )
            states.advance()
            host_states.advance()
            stream.synchronize()
            np.testing.assert_array_equal(read({"out": out})["out"], host_out)
    assert bench.library.calls.recorded == 1 + 2, "one to see whether it records, then odd and even frames"
    assert bench.device.allocations == allocations
    assert not [part for part in bench.device.slices if part.name == "copy"]


def test_the_colorizers_states_are_those_of_the_processor(bench: Bench) -> None:
    model = Model.load(builtin_models()["film-colorize"])
    profile = small_profile(model)
    ours, theirs = bench.backend().open(model, profile, 1), OnnxRuntimeBackend().open(model, profile, 1)
    rng, picture = np.random.default_rng(5), profile.shapes["luma"][2:]
    (states, stream), host_states = states_on(bench, model, picture), States(model, picture)
    own = {name: shape for name, shape in profile.shapes.items() if name not in states.inputs}
    outputs = {name: array for name, array in leases(ours).items() if name not in states.outputs}
    wanted = {name: np.empty(shape, np.float32) for name, shape in ours.output_shapes.items() if name in outputs}
    for _ in range(6):
        values = {name: rng.random(shape, np.float32) for name, shape in own.items()}
        given = {name: on_device(bench.device, value, stream) for name, value in values.items()}
        ours.enqueue({**given, **states.inputs}, {**outputs, **states.outputs}, stream)
        theirs.enqueue({**values, **host_states.inputs}, {**wanted, **host_states.outputs})
        stream.synchronize()
        for name, array in read({**outputs, **states.outputs}).items():
            np.testing.assert_array_equal(array, {**wanted, **host_states.outputs}[name])
        states.advance()
        host_states.advance()


@pytest.mark.parametrize(("buffers", "recorded"), [(3, 3), (MOST, MOST), (MOST + 1, 0)])
def test_as_many_buffers_are_as_many_graphs_until_they_are_too_many(
    bench: Bench, halver: Model, buffers: int, recorded: int
) -> None:
    session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
    pool = [leases(session) for _ in range(buffers)]
    luma, before = bench.device.empty(SHAPE, np.float32), bench.library.calls.recorded
    for frame in range(3 * buffers):
        bench.device.upload(np.full(SHAPE, frame, np.float32), luma, stream)
        session.enqueue({"luma": luma}, pool[frame % buffers], stream)
        stream.synchronize()
        assert np.all(read(pool[frame % buffers])["luma_out"] == frame / 2)
    assert bench.library.calls.recorded - before == recorded


def test_nothing_waits_and_nothing_is_allocated_once_it_is_warm(bench: Bench, halver: Model) -> None:
    session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
    luma, out, ready = bench.device.empty(SHAPE, np.float32), leases(session), bench.device.event()
    frames = [np.full(SHAPE, value, np.float32) for value in range(20)]
    results = [np.empty(SHAPE, np.float32) for _ in frames]
    before = (bench.device.allocations, bench.device.page_locked, bench.device.host_waits)
    for frame, result in zip(frames, results, strict=True):
        bench.device.upload(frame, luma, stream)
        session.enqueue({"luma": luma}, out, stream)
        bench.device.download(out["luma_out"], result, stream)
        stream.record(ready)
    assert (bench.device.allocations, bench.device.page_locked, bench.device.host_waits) == before
    ready.synchronize()
    assert [float(result.min()) for result in results] == [value / 2 for value in range(20)]


def test_runs_on_two_streams_follow_one_another(bench: Bench, halver: Model) -> None:
    session, streams = bench.open(halver, {"luma": SHAPE}), [bench.device.stream() for _ in range(2)]
    luma = on_device(bench.device, np.ones(SHAPE, np.float32), streams[0])
    streams[0].synchronize()
    bench.device.slices.clear()
    outs = [leases(session) for _ in range(6)]
    for frame, out in enumerate(outs):
        session.enqueue({"luma": luma}, out, streams[frame % 2])
    for stream in streams:
        stream.synchronize()
    runs = [part for part in bench.device.slices if part.name == "engine"]
    assert {part.stream for part in runs} == {stream.handle for stream in streams}
    assert all(later.start_ns >= earlier.end_ns for earlier, later in zip(runs, runs[1:], strict=False))


def test_a_neighbours_work_on_a_shared_stream_stays_out_of_the_graph(
    bench: Bench, halver: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stages in two threads share one stream; the second gives work while the first's session records."""
    backend, shared = bench.backend(), bench.device.stream()
    ours, theirs = (backend.open(halver, Profile({"luma": SHAPE}), 1) for _ in range(2))
    luma, our_out, their_out = bench.device.empty(SHAPE, np.float32), leases(ours), leases(theirs)
    record = bench.device.record_graph
    failures: list[BaseException] = []

    def neighbour() -> None:
        try:
            theirs.enqueue({"luma": luma}, their_out, shared)
        except BaseException as error:
            failures.append(error)

    def record_beside_the_neighbour(stream: Stream, work: Callable[[], None]) -> Graph:
        def both() -> None:
            work()
            thread = threading.Thread(target=neighbour)
            thread.start()
            thread.join()

        return record(stream, both)

    bench.device.upload(np.full(SHAPE, 2, np.float32), luma, shared)
    ours.enqueue({"luma": luma}, our_out, shared)
    with monkeypatch.context() as while_recording:
        while_recording.setattr(bench.device, "record_graph", record_beside_the_neighbour)
        ours.enqueue({"luma": luma}, our_out, shared)
    shared.synchronize()
    assert not failures
    assert np.all(read(their_out)["luma_out"] == 1)
    bench.device.slices.clear()
    bench.device.upload(np.full(SHAPE, 6, np.float32), luma, shared)
    ours.enqueue({"luma": luma}, our_out, shared)
    shared.synchronize()
    assert [part.name for part in bench.device.slices] == ["upload", "engine"], "the graph holds one run"
    assert np.all(read(our_out)["luma_out"] == 3)
    assert np.all(read(their_out)["luma_out"] == 1)


def test_runs_on_a_stream_that_cannot_be_recorded_are_graphs_too(
    bench: Bench, halver: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream, record = bench.device.stream(), bench.device.record_graph

    def record_others(which: Stream, work: Callable[[], None]) -> Graph:
        if which.handle == stream.handle:
            raise DeviceError("graph: the default stream cannot be captured")
        return record(which, work)

    monkeypatch.setattr(bench.device, "record_graph", record_others)
    session = bench.open(halver, {"luma": SHAPE})
    luma, out = on_device(bench.device, np.ones(SHAPE, np.float32), stream), leases(session)
    with caplog.at_level(logging.WARNING, "engine"):
        for _ in range(3):
            session.enqueue({"luma": luma}, out, stream)
    stream.synchronize()
    assert bench.device.graph_launches == 2
    assert {part.stream for part in bench.device.slices[-2:]} == {stream.handle}
    assert np.all(read(out)["luma_out"] == 0.5)
    assert not caplog.messages


def test_another_thread_makes_the_device_current_and_no_event(
    bench: Bench, halver: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
    luma, out = on_device(bench.device, np.ones(SHAPE, np.float32), stream), leases(session)
    entered: list[int] = []
    made: list[int] = []
    monkeypatch.setattr(bench.device, "enter", lambda: entered.append(threading.get_ident()))
    monkeypatch.setattr(bench.device, "event", lambda **_: made.append(0))
    for _ in range(3):
        thread = threading.Thread(target=session.enqueue, args=({"luma": luma}, out, stream))
        thread.start()
        thread.join()
        assert entered[-1] == thread.ident
    stream.synchronize()
    assert len(entered) == 3
    assert not made
    assert np.all(read(out)["luma_out"] == 0.5)


def test_the_engine_gets_the_streams_that_it_wants(bench: Bench, halver: Model) -> None:
    session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
    session.enqueue({"luma": bench.device.empty(SHAPE, np.float32)}, leases(session), stream)
    for handles in bench.library.calls.auxiliary:
        assert len(set(handles)) == 2
        assert not {0, stream.handle} & set(handles)


def test_half_precision_tensors_are_declared_and_computed(bench: Bench, tmp_path: Path) -> None:
    model = Model.load(save_halver(tmp_path / "m.onnx", dtype=TensorProto.FLOAT16))
    session, stream = bench.open(model, {"luma": SHAPE}), bench.device.stream()
    assert session.dtypes == {"luma": np.float16, "luma_out": np.float16}
    luma, out = on_device(bench.device, np.ones(SHAPE, np.float16), stream), leases(session)
    session.enqueue({"luma": luma}, out, stream)
    stream.synchronize()
    assert read(out)["luma_out"].dtype == np.float16
    assert np.all(read(out)["luma_out"] == 0.5)


def test_what_does_not_fit_is_refused_before_anything_runs(bench: Bench, halver: Model) -> None:
    session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
    good, out = bench.device.empty(SHAPE, np.float32), leases(session)
    plain = bench.library.calls.plain
    for inputs, outputs, words in (
        ({"luma": bench.device.empty((1, 1, 8, 8), np.float32)}, out, r"wanted \(1, 1, 8, 12\)"),
        ({"luma": bench.device.empty(SHAPE, np.float16)}, out, "must be float32"),
        ({"luma": np.zeros(SHAPE, np.float32)}, out, "must lie in the memory of simulated"),
        ({"lumma": good}, out, r"wanted \['luma'\]"),
        ({"luma": good}, {}, r"wanted \['luma_out'\]"),
    ):
        with pytest.raises(BindingError, match=words):
            session.enqueue(inputs, outputs, stream)
    with pytest.raises(BindingError, match="got no stream"):
        session.enqueue({"luma": good}, out)
    assert bench.library.calls.plain == plain


def test_a_host_session_refuses_the_devices_arrays(bench: Bench, halver: Model) -> None:
    session = OnnxRuntimeBackend().open(halver, Profile({"luma": SHAPE}), 1)
    with pytest.raises(BindingError, match="must lie in host memory"):
        session.enqueue({"luma": bench.device.empty(SHAPE, np.float32)}, {"luma_out": np.empty(SHAPE, np.float32)})


@pytest.mark.parametrize(
    ("words", "kind", "cure"),
    [
        ("Error Code 3: API Usage Error", EngineError, "TensorRT .* cannot run it: Error Code 3: API Usage Error"),
        ("Cuda Runtime (out of memory)", DeviceMemoryError, "use a smaller picture"),
        ("Cuda Runtime (an illegal memory access was encountered)", DeviceError, "check the GPU"),
    ],
)
def test_a_failing_run_is_our_error_with_the_librarys_words(
    bench: Bench, halver: Model, words: str, kind: type[Exception], cure: str
) -> None:
    session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
    bench.library.faults.runs, bench.library.faults.words = 0, words
    with pytest.raises(kind, match=cure) as caught:
        session.enqueue({"luma": bench.device.empty(SHAPE, np.float32)}, leases(session), stream)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_an_error_that_did_no_harm_does_not_explain_a_later_one(bench: Bench, halver: Model) -> None:
    backend = bench.backend()
    session, stream = backend.open(halver, Profile({"luma": SHAPE}), 1), bench.device.stream()
    for _ in range(5):
        backend._journal.native.log(bench.library.ILogger.ERROR, "an old trouble")
    bench.library.faults.runs, bench.library.faults.words = 0, "a new one"
    with pytest.raises(EngineError, match="cannot run it: a new one$"):
        session.enqueue({"luma": bench.device.empty(SHAPE, np.float32)}, leases(session), stream)


def test_sizes_outside_the_plan_are_refused_when_it_opens(bench: Bench, halver: Model) -> None:
    with pytest.raises(
        BuildError, match=r"cannot take 'luma' of shape \(1, 1, 8, 5000\): .* out of the profile's range"
    ):
        bench.open(halver, {"luma": (1, 1, 8, 5000)})


def test_outputs_whose_shapes_cannot_be_told_are_refused_when_it_opens(bench: Bench, halver: Model) -> None:
    bench.library.faults.data_dependent = True
    with pytest.raises(BuildError, match="the shapes of 'luma_out' are known only when it has run"):
        bench.open(halver, {"luma": SHAPE})
    bench.library.faults.inference = False
    with pytest.raises(BuildError, match="cannot tell the shapes of its outputs: Error Code 7"):
        bench.open(halver, {"luma": SHAPE})


def test_where_nothing_can_be_recorded_it_is_said_once_and_runs_are_plain(
    bench: Bench, halver: Model, caplog: pytest.LogCaptureFixture
) -> None:
    bench.library.faults.is_recordable = False
    with caplog.at_level(logging.WARNING, "engine"):
        session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
        luma, out = on_device(bench.device, np.ones(SHAPE, np.float32), stream), leases(session)
        for _ in range(5):
            session.enqueue({"luma": luma}, out, stream)
        stream.synchronize()
    said = [text for text in caplog.messages if "cannot be recorded as CUDA graphs" in text]
    assert len(said) == 1
    assert np.all(read(out)["luma_out"] == 0.5)
    assert bench.device.graph_launches == 0
    assert bench.library.calls.plain == 1 + 5


def test_a_recording_that_fails_later_leaves_the_frame_done_and_is_said_once(
    bench: Bench, halver: Model, caplog: pytest.LogCaptureFixture
) -> None:
    session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
    bench.library.faults.is_recordable = False
    luma, out = on_device(bench.device, np.ones(SHAPE, np.float32), stream), leases(session)
    with caplog.at_level(logging.WARNING, "engine"):
        for _ in range(4):
            session.enqueue({"luma": luma}, out, stream)
    stream.synchronize()
    assert np.all(read(out)["luma_out"] == 0.5)
    assert len([text for text in caplog.messages if "cannot be recorded" in text]) == 1


def test_a_closed_session_is_done_and_says_so(bench: Bench, halver: Model) -> None:
    session, stream = bench.open(halver, {"luma": SHAPE}), bench.device.stream()
    luma, out = on_device(bench.device, np.ones(SHAPE, np.float32), stream), leases(session)
    session.enqueue({"luma": luma}, out, stream)
    session.close()
    assert np.all(read(out)["luma_out"] == 0.5), "what was given has been finished"
    session.close()
    with pytest.raises(EngineError, match="its session is closed"):
        session.enqueue({"luma": luma}, out, stream)
