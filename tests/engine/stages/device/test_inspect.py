"""The inspect stage on a device finds what it finds on the processor, by numbers that come back late."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from engine.device.base import DeviceArray
from engine.device.operators import Operators
from engine.device.pool import DevicePool, as_planes, work_on
from engine.errors import DeviceError
from engine.frame import Frame
from engine.stages.base import Stage
from engine.stages.device.looks import LATE, DeviceLooks
from engine.stages.inspect import LOOK_AHEAD, Inspect
from engine.stages.looks import HostLooks
from engine.stages.place import DevicePlace
from engine.stages.repeats import Difference, RepeatJudge
from engine.types import FrameSpec, PixelFormat, Planes
from tests.engine.stages.test_inspect import padded, spec_at
from tests.support.device_chain import Keeper, Paced, Pictures, run_on_device, run_pipeline
from tests.support.quick_inspect import QuickDevice
from tests.support.scenes import scene
from tests.support.simulated_device import SimulatedDevice

STREAMS = 3
"""Of upload, stage and download: the host waits for each once, at the end."""

Judged = tuple[Difference, tuple[Difference, ...], bool]
"""By what a frame was judged to be a repeat: its difference, those ahead, whether one was expected."""


class Notes(Stage):
    """Writes down everything that the inspect stage says of frames."""

    name = "notes"

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[object, ...]] = []

    def open(self, incoming: FrameSpec) -> FrameSpec:
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        said = (frame.flags, frame.repeats, frame.hold_until, frame.duration)
        self.rows.append((frame.index, frame.pts, frame.time_base, frame.shot, *said))
        yield frame


@contextmanager
def judging() -> Generator[list[Judged]]:
    """Write down by what frames are judged."""
    log: list[Judged] = []
    judge = RepeatJudge.is_repeat

    def is_repeat(self: RepeatJudge, difference: Difference, ahead: Sequence[Difference], *, is_expected: bool) -> bool:
        log.append((difference, tuple(ahead), is_expected))
        return judge(self, difference, ahead, is_expected=is_expected)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RepeatJudge, "is_repeat", is_repeat)
        yield log


def flat(log: Sequence[Judged]) -> list[tuple[int, bool]]:
    return [(len(ahead), is_expected) for _, ahead, is_expected in log]


def numbers(log: Sequence[Judged]) -> np.ndarray:
    found = [one for difference, ahead, _ in log for one in (difference, *ahead)]
    return np.array([(one.mean, one.peak, one.steady_mean, one.steady_peak) for one in found])


def black_between() -> list[np.ndarray]:
    """Return a fade to black, black, and another scene."""
    fade = [scene(1, 2 * x, grain=0.01, grain_seed=x) * (1 - x / 14) for x in range(15)]
    return [*fade, *[np.zeros_like(fade[0])] * 6, *(scene(2, 2 * x, grain=0.01, grain_seed=x) for x in range(8))]


def flashes() -> list[np.ndarray]:
    """Return a scene that flashes, and a cut two frames behind a flash."""
    pictures = [scene(1, 2 * x, grain=0.01, grain_seed=x) for x in range(20)]
    for number in (5, 6, 16):
        pictures[number] = np.clip(pictures[number] * 0.1 + 0.88, 0, 1)
    return [*pictures, *(scene(3, 2 * x, grain=0.01, grain_seed=x) for x in range(2)), *[scene(2, 0)] * 6]


def title() -> list[np.ndarray]:
    """Return a still picture that begins to move, and one that ends still."""
    moving = [scene(1, 3.0 * x, grain=0.01, grain_seed=x) for x in range(1, 10)]
    return [*[scene(1, 0)] * 12, *moving, *[scene(2, 0)] * 9]


FILMS: dict[str, tuple[int, Callable[[], list[np.ndarray]]]] = {
    "cuts": (24, lambda: [scene(s, 2.0 * x, grain=0.02, grain_seed=x) for s in (1, 2, 3) for x in range(7)]),
    "cuts a frame apart": (24, lambda: [*[scene(1, 0)] * 5, scene(3, 0), *[scene(2, 0)] * 5]),
    "a fade, black, a cut": (24, black_between),
    "flashes": (24, flashes),
    "four of five": (30, lambda: padded(4, 5, 90)),
    "two of five": (60, lambda: padded(2, 5, 90)),
    "a title": (24, title),
    "a hold of seconds": (10, lambda: [scene(1, 0)] * 35),
    "a cadence, a hold, a cut": (
        30,
        lambda: [
            *padded(4, 5, 60),
            *[padded(4, 5, 60)[-1]] * 9,
            *padded(4, 5, 40, start=60),
            *padded(4, 5, 40, seed=2),
        ],
    ),
    "one frame": (24, lambda: [scene(1, 0)]),
    "as many as are waited for": (24, lambda: [scene(1, 2 * x) for x in range(LOOK_AHEAD + LATE + 1)]),
    "none": (24, list),
}


def both(
    spec: FrameSpec, pictures: list[np.ndarray], *, seed: int = 0, first_shot: int = 0
) -> tuple[Inspect, Inspect, Keeper, Keeper]:
    """Inspect a film on the processor and on a device, and see that they say the same, for the same reasons."""
    device = QuickDevice(seed=seed)
    on_host, notes = Inspect(first_shot), Notes()
    with judging() as host_log:
        host = run_pipeline(Pictures(spec, pictures, cuts=()), [on_host, notes])
    on_device, device_notes = Inspect(first_shot, place=DevicePlace(device)), Notes()
    with judging() as device_log:
        there = run_on_device(device, Pictures(spec, pictures, cuts=()), [on_device, device_notes])
    assert device_notes.rows == notes.rows
    assert on_device.cadence == on_host.cadence
    assert flat(device_log) == flat(host_log)
    if host_log:
        np.testing.assert_allclose(numbers(device_log), numbers(host_log), atol=1e-6)
    return on_host, on_device, host, there


@pytest.mark.parametrize("name", FILMS)
def test_shots_repeats_holds_and_times_are_the_same(name: str):
    rate, make = FILMS[name]
    spec = spec_at(rate)
    on_host, _, host, there = both(spec, make())
    assert len(host.shown) > 0 or name == "none"
    for first, second in zip(host.shown, there.shown, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)
    expected = {"cuts": (3, 0), "four of five": (1, 18), "two of five": (1, 54), "a title": (2, 11 + 8)}
    if name in expected:
        assert (on_host.shots, on_host.repeats_found) == expected[name]


class Later(Inspect):
    """Judges on the processor, by its numbers, as late as on a device."""

    def __init__(self) -> None:
        super().__init__()
        self._held_back += LATE

    def _open_looks(self, incoming: FrameSpec) -> HostLooks:
        return HostLooks(incoming.height, incoming.width, self._held_back)


@pytest.mark.parametrize("name", FILMS)
def test_by_the_same_numbers_the_same_is_found_to_the_last_bit_however_late(name: str):
    rate, make = FILMS[name]
    spec, pictures = spec_at(rate), make()
    found: list[tuple[list[tuple[object, ...]], list[Judged]]] = []
    for stage in (Inspect(), Later()):
        notes = Notes()
        with judging() as log:
            run_pipeline(Pictures(spec, pictures, cuts=()), [stage, notes])
        found.append((notes.rows, log))
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(3))
def test_of_a_coloured_film_green_is_looked_at_in_any_order_of_streams(seed: int):
    rate, make = FILMS["a title"]
    pictures = [np.stack([0 * picture, picture, 0.3 * picture]) for picture in make()]
    on_host, _, _, _ = both(spec_at(rate, PixelFormat.RGB), pictures, seed=seed)
    assert on_host.shots == 2


def test_finished_shots_are_passed_over():
    rate, make = FILMS["cuts"]
    _, _, host, _ = both(spec_at(rate), make(), first_shot=2)
    assert [shown.index for shown in host.shown] == list(range(14, 21))


def test_a_stage_can_be_opened_again_and_tells_anew():
    device = QuickDevice()
    stage, spec = Inspect(place=DevicePlace(device)), spec_at(24)
    for _ in range(2):
        run_on_device(device, Pictures(spec, FILMS["cuts"][1](), cuts=()), [stage])
        assert (stage.shots, stage.repeats_found) == (3, 0)


def test_at_the_films_pace_the_host_waits_for_frames_that_leave_and_for_the_films_end_alone():
    device, spec = QuickDevice(), spec_at(30)
    stage = Inspect(place=DevicePlace(device))
    keeper = run_on_device(device, Paced(device, 5, spec, padded(4, 5, 60)), [stage])
    assert stage.repeats_found == 12
    assert stage.waits == 1
    assert device.host_waits == len(keeper.shown) + keeper.upload_waits + stage.waits + STREAMS


def test_waits_are_counted_where_frames_come_faster_than_they_are_measured():
    device, spec = QuickDevice(), spec_at(30)
    stage = Inspect(place=DevicePlace(device))
    keeper = run_on_device(device, Paced(device, 0, spec, padded(4, 5, 30)), [stage])
    assert 1 < stage.waits < 30
    assert device.host_waits == len(keeper.shown) + keeper.upload_waits + stage.waits + STREAMS


class OnDevice:
    """Gives frames of a pool of the device to a stage on this thread."""

    def __init__(self, device: SimulatedDevice, spec: FrameSpec) -> None:
        self._device, self._spec, self.pool = device, spec, DevicePool(device, spec.pixels_shape, np.float32, prepare=9)

    def frame(self, picture: np.ndarray, index: int, stage: Stage) -> Frame:
        assert stage.stream is not None
        lease = self.pool.lease()
        pixels = np.ascontiguousarray(np.broadcast_to(picture, self._spec.pixels_shape), np.float32)
        self._device.upload(pixels, lease.planes, stage.stream)
        return Frame(
            pixels=lease.array,
            format=self._spec.format,
            pts=index,
            time_base=self._spec.time_base,
            index=index,
            duration=self._spec.time_base,
            leases=(lease,),
        )


@pytest.fixture
def on_this_thread() -> Iterator[None]:
    yield
    work_on(None)


@pytest.mark.usefixtures("on_this_thread")
def test_nothing_is_allocated_after_opening():
    device, spec = QuickDevice(), spec_at(30)
    stage, source = Inspect(keep_original=True, place=DevicePlace(device)), OnDevice(device, spec)
    stage.open(spec)
    work_on(stage.stream)
    before = device.allocations, device.page_locked
    for index, picture in enumerate(padded(4, 5, 40)):
        for frame in stage.push(source.frame(picture, index, stage)):
            frame.release()
    for frame in stage.flush(None):
        frame.release()
    assert (device.allocations, device.page_locked) == before
    stage.close()
    assert source.pool.on_loan == 0


@pytest.mark.usefixtures("on_this_thread")
@pytest.mark.parametrize("frames", [1, LOOK_AHEAD + LATE, 12])
def test_breaking_off_gives_every_buffer_back(frames: int):
    device, spec = QuickDevice(), spec_at(24)
    stage, source = Inspect(place=DevicePlace(device)), OnDevice(device, spec)
    stage.open(spec)
    work_on(stage.stream)
    for index in range(frames):
        for frame in stage.push(source.frame(scene(1, index), index, stage)):
            frame.release()
    stage.close()
    assert source.pool.on_loan == 0


@pytest.mark.usefixtures("on_this_thread")
def test_originals_stay_on_the_device_with_their_buffers():
    device, spec = QuickDevice(), spec_at(24)
    stage, source = Inspect(keep_original=True, place=DevicePlace(device)), OnDevice(device, spec)
    stage.open(spec)
    work_on(stage.stream)
    made = [
        frame
        for index in range(8)
        for frame in stage.push(source.frame(scene(1, index, grain=0.02, grain_seed=index), index, stage))
    ]
    assert made
    for frame in made:
        original: object = frame.original
        assert isinstance(original, DeviceArray)
        assert original is frame.pixels
        enhanced = frame.successor(pixels=frame.pixels, format=frame.format, leases=())
        frame.release()
        assert enhanced.original is original
        assert source.pool.on_loan > 0
        enhanced.release()
    stage.close()
    assert source.pool.on_loan == 0


def test_a_failing_device_ends_the_run_with_its_error_and_every_buffer_back():
    device, spec = QuickDevice(), spec_at(24)
    device.fail_on = ("inspect_spread", 40)
    reader = Pictures(spec, [scene(1, x) for x in range(40)], cuts=())
    with pytest.raises(DeviceError, match="inspect_spread failed"):
        run_on_device(device, reader, [Inspect(place=DevicePlace(device))])
    assert reader.pool.on_loan == 0


@pytest.mark.parametrize("seed", range(4))
def test_the_frame_kept_is_the_one_compared_with_however_late_it_was_chosen(seed: int):
    random, device = np.random.default_rng(seed), QuickDevice(seed=seed)
    here, there, upload = looks(device, 60, 81)
    kept = False
    for newest in range(40):
        picture = random.random((1, 60, 81), np.float32)
        assert here.see(picture) == there.see(upload(picture)) == newest
        judged = newest - LOOK_AHEAD - LATE
        if judged < 0:
            continue
        there.wait_for(judged + LOOK_AHEAD)
        if kept:
            see_close(there.since_kept(judged), here.since_kept(judged))
        if not kept or random.random() < 0.4:
            kept = True
            here.keep(judged)
            there.keep(judged)


@pytest.mark.parametrize(("height", "width"), [(33, 41), (61, 50)])
def test_pictures_smaller_than_those_compared_for_cuts_are_looked_at_as_on_the_processor(height: int, width: int):
    device = QuickDevice()
    here, there, upload = looks(device, height, width)
    small = [scene(1, 2 * x)[None, :height, :width] for x in range(4)]
    for picture in small:
        here.see(picture)
        there.see(upload(picture))
    there.wait_for(3)
    for first, second in ((0, 1), (1, 3), (0, 3)):
        assert there.likeness(first, second) == pytest.approx(here.likeness(first, second), abs=1e-5)


def test_the_sources_measure_what_the_processor_measures():
    device = SimulatedDevice()
    here, there, upload = looks(device, 481, 641)
    for number in range(4):
        grey = np.kron(scene(1 + number // 3, 3 * number, grain=0.02, grain_seed=number), np.ones((5, 5)))[:481, :641]
        picture = np.stack([grey * 0.5, grey, grey * 0.2]).astype(np.float32)
        here.see(picture)
        there.see(upload(picture))
        if number == 0:
            here.keep(0)
            there.keep(0)
    there.wait_for(3)
    for number in (1, 2, 3):
        see_close(there.change(number), here.change(number))
        see_close(there.since_kept(number), here.since_kept(number))
        for first in range(number):
            assert there.likeness(first, number) == pytest.approx(here.likeness(first, number), abs=2e-5)


def looks(
    device: SimulatedDevice, height: int, width: int
) -> tuple[HostLooks, DeviceLooks, Callable[[np.ndarray], Planes]]:
    """Return what looks at frames in both places, and what brings a picture to the device."""
    stream = device.stream()

    def upload(picture: np.ndarray) -> Planes:
        array = device.empty(picture.shape, np.float32)
        device.upload(np.ascontiguousarray(picture), array, stream)
        return as_planes(array)

    there = DeviceLooks(Operators(device, stream), height, width, LOOK_AHEAD)
    return HostLooks(height, width, LOOK_AHEAD + LATE), there, upload


def see_close(first: Difference, second: Difference) -> None:
    for name in ("mean", "peak", "steady_mean", "steady_peak"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), abs=1e-5)


def test_frames_held_are_told_to_the_chain():
    assert Inspect(place=DevicePlace(QuickDevice())).look_ahead == Inspect().look_ahead + LATE
