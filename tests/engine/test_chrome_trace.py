import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.backends.base import Profile
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.watched import WatchedBackend
from engine.chrome_trace import check_trace_path, chrome_events, write_chrome_trace
from engine.errors import ConfigError
from engine.frame import Frame
from engine.pipeline import Pipeline
from engine.trace import Ring, Trace
from engine.types import FrameSpec
from tests.support.chrome_trace import FoundTrace, check_trace
from tests.support.frames import Collector, Delay, ListReader
from tests.support.tiny_models import mean_enhancer


class Computes(Delay):
    """Runs a model once for each frame that comes in."""

    def __init__(self, folder: Path, trace: Trace) -> None:
        super().__init__("enhance", look_ahead=1)
        self._model, self._backend = mean_enhancer(folder), WatchedBackend(OnnxRuntimeBackend(), trace)

    def open(self, incoming: FrameSpec) -> FrameSpec:
        shape = (1, 1, incoming.height, incoming.width)
        self._session = self._backend.open(self._model, Profile({"luma": shape}), 1)
        return super().open(incoming)

    def push(self, frame: Frame) -> Iterator[Frame]:
        picture = frame.pixels[None]
        self._session.enqueue({"luma": picture}, {"luma_out": picture.copy()})
        yield from super().push(frame)


def traced(tmp_path: Path, frames: int = 40, queue_frames: int = 3) -> Trace:
    trace = Trace()
    stages = [Delay("inspect", 3), Computes(tmp_path, trace), Delay("colorize", 0)]
    reader = ListReader(frames, cuts=(0, 11, 25))
    pipeline = Pipeline(reader, stages, Collector(), queue_frames=queue_frames, trace=trace)
    pipeline.open()
    pipeline.run(interval=0.01)
    return trace


def found(trace: Trace) -> FoundTrace:
    return check_trace({"traceEvents": chrome_events(trace)})


def test_a_trace_is_consistent_and_complete(tmp_path: Path) -> None:
    seen = found(traced(tmp_path))
    assert seen.lanes == ["decode", "inspect", "enhance", "colorize", "encode"]
    assert seen.frames_out == dict.fromkeys(seen.lanes[:-1], 40)
    assert seen.models == {"enhance": 40}
    assert seen.arrows == dict.fromkeys(zip(seen.lanes, seen.lanes[1:], strict=False), 40)
    assert list(seen.depths) == [
        f"queue {a} → {b}, at most 3" for a, b in zip(seen.lanes, seen.lanes[1:], strict=False)
    ]
    assert max(seen.depths.values()) >= 1


def test_of_a_long_run_the_latest_part_is_kept_and_its_arrows_are_whole(tmp_path: Path) -> None:
    trace = traced(tmp_path)
    for rings in (trace.slices, trace.runs):
        for lane, ring in rings.items():
            rings[lane] = short = Ring(ring.rows().shape[1], capacity=16)
            for row in ring.rows().tolist():
                short.add(*row)
    events = [event for event in chrome_events(trace) if event["ph"] != "C"]
    seen = check_trace({"traceEvents": events})
    assert 5 < min(seen.arrows.values()) <= max(seen.arrows.values()) <= 16


def test_the_program_that_checks_finds_what_is_wrong(tmp_path: Path) -> None:
    def spoiled(**changes: object) -> dict[str, object]:
        events = chrome_events(traced(tmp_path, frames=6))
        kind = changes.pop("ph")
        place = next(number for number, event in enumerate(events) if event["ph"] == kind)
        events[place] |= changes
        return {"traceEvents": events}

    for changes, said in (
        ({"ph": "f", "id": 7_000_000}, "whole"),
        ({"ph": "C", "args": {"frames": 9}}, "to 9"),
        ({"ph": "C", "args": {"frames": -1}}, "-1 to"),
        ({"ph": "X", "dur": 10_000_000.0}, "work within work|overlap"),
        ({"ph": "s", "ts": 10_000_000.0}, "ends on nothing"),
    ):
        with pytest.raises(AssertionError, match=said):
            check_trace(spoiled(**changes))


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = traced(tmp_path, frames=4)
    path = tmp_path / "trace.json"
    write_chrome_trace(path, trace, title="film.mp4")
    events = json.loads(path.read_text())["traceEvents"]
    assert events[0]["args"] == {"name": "film.mp4"}

    def broken(*arguments: object) -> None:
        raise OSError("the disk broke")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="broke"):
        write_chrome_trace(tmp_path / "other.json", trace)
    assert sorted(file.name for file in tmp_path.glob("*.json*")) == ["trace.json"]


def test_a_folder_that_is_missing_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        check_trace_path(tmp_path / "none" / "trace.json")
