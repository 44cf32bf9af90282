"""Shows the film at another rate: frames of the film where its times fall on the grid, synthesized ones between."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from engine.backends.base import Backend
from engine.errors import ConfigError, FarshoreError
from engine.frame import Frame, Motion, Neighbour, release_all
from engine.model import Model
from engine.pool import BufferPool, Lease
from engine.settings import InterpolateSettings
from engine.stages.base import Stage
from engine.stages.device.motion_field import DeviceMotionField
from engine.stages.motion_check import Verdict
from engine.stages.motion_field import MotionField
from engine.stages.place import HOST, DevicePlace, Place
from engine.stages.retime import Grid
from engine.types import FrameFlags, FrameSpec

PREPARED_FRAMES = 8
"""Buffers made at once on the host, for the frames that wait in the queue behind the stage."""

UNEVEN = Fraction(5, 4)
"""How many times as long as another an interval may be for motion in the one to say anything of the other."""

ASSUMED_RATE = Fraction(24)
"""Frames per second for which the model's work is estimated where the film's own rate varies."""


class Interpolate(Stage):
    """Re-times the film.

    Without rate and factor the film's own times are kept, and repeats that were taken out are shown again. With
    either, every shot is shown on one grid that begins at the film's start; where no model was given, each grid time
    shows the picture that the film shows then.

    Parameters
    ----------
    model : of role `interpolate`, or None
    backend : what it runs on
    settings : rate or factor, or neither; scale at which motion is looked for
    true_rate : pictures per second that a padded film truly has, where that is known beforehand; `factor` multiplies
        it. None: `factor` multiplies the rate in the film's own header
    place : where it works; where the backend's sessions do
    """

    name = "interpolate"

    def __init__(
        self,
        model: Model | None,
        backend: Backend,
        settings: InterpolateSettings,
        *,
        true_rate: Fraction | None = None,
        place: Place = HOST,
    ) -> None:
        super().__init__()
        self._place, self.device = place, place.device
        self._model, self._backend, self._settings = model, backend, settings
        self._true_rate = true_rate
        self._field: MotionField | DeviceMotionField | None = None
        self._fields: Sequence[MotionField | DeviceMotionField] = ()
        self._grid: Grid | None = None
        self._held: deque[Frame] = deque()
        self._interval: Fraction | None = None
        self._is_new_shot = True
        self._shown_index = -1
        self._verdicts: Counter[Verdict] = Counter()

    @property
    def verdicts(self) -> Counter[Verdict]:
        """How many synthesized pictures followed the model's motion, were cross-faded, or held.

        A device's numbers come a little late; they are whole once its stream has come to the end.
        """
        return sum((field.verdicts for field in self._fields), self._verdicts)

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Lay the grid; make scratch, buffers and a session on one thread."""
        rate = self._wanted_rate(incoming)
        self._place.open()
        self.stream = self._place.stream
        self.pool = BufferPool(incoming.pixels_shape)
        self.motion_pool = BufferPool((5, 1, 1))
        if rate is None:
            return incoming
        self._grid = Grid(incoming.start, rate, incoming.rate)
        self._source_rate = incoming.rate or ASSUMED_RATE
        self.look_ahead = 1
        if self._model is not None:
            self._field = _motion_field(self._model, self._backend, incoming, self._settings.scale, self._place)
            self.look_ahead = 1 + self._field.look_ahead
            self.pool = self._place.pool(incoming.pixels_shape, prepare=PREPARED_FRAMES)
            self.motion_pool = self._place.pool(self._field.shape, prepare=PREPARED_FRAMES)
            self._fields = [self._field]
            if self.may_have_two_lanes and isinstance(self._place, DevicePlace):
                assert isinstance(self._field, DeviceMotionField)
                self._fields, self.lane_choice = self._place.widen(self.name, self._field, self._field.beside)
                self._field.settle(self.lane_choice.lanes)
                self.streams = self._place.streams
        return replace(incoming, rate=rate, time_base=self._grid.time_base)

    def _wanted_rate(self, incoming: FrameSpec) -> Fraction | None:
        if self._settings.factor is None:
            return self._settings.rate
        rate = self._true_rate or incoming.rate
        if rate is None:
            raise ConfigError(
                f"interpolate: got a factor of {self._settings.factor}, but the film's own rate varies; give a rate, "
                "such as 48"
            )
        return rate * self._settings.factor

    @property
    def may_have_two_lanes(self) -> bool:
        """Whether there is a model, none of whose runs needs what the run before it made."""
        return self._field is not None and self._model is not None and not self._model.card.states

    def turn(self) -> None:
        """Let the next pair of frames go to the next lane."""
        self._place.turn()
        self.stream, self._field = self._place.stream, self._fields[self._place.lane]

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the pictures between two frames before this one and at it, or this one and its repeats."""
        if self._grid is None:
            yield from self._own_times(frame)
            return
        before = self._held[-1] if self._held else None
        self._held.append(frame)
        if self._field is not None:
            self._field.see(frame.pixels, is_even=self._is_even(before, frame))
            self._place.part()
        if len(self._held) > self.look_ahead:
            yield from self._next_pair(self._grid)

    def flush(self, end: Fraction | None) -> Iterator[Frame]:
        """Yield the rest, and the shot's last picture, held until `end`."""
        if self._grid is None or not self._held:
            return
        self._place.join()  # several pairs may follow in this lane
        while len(self._held) > 1:
            if self._field is not None:
                self._field.finish()
            yield from self._next_pair(self._grid)
        last = self._held[0]
        if end is None:
            end = last.time + (last.duration or 1 / self._grid.rate)
        for number in range(self._grid.first_at(last.time), self._grid.first_at(end)):
            yield self._shown(self._grid, last, number)

    def reset(self) -> None:
        """Forget the shot."""
        release_all(self._held)
        if self._field is not None:
            self._field.clear()
        self._interval = None
        self._is_new_shot = True
        self._shown_index = -1

    def _next_pair(self, grid: Grid) -> Iterator[Frame]:
        """Yield the pictures between the first two frames held, and let the first go."""
        try:
            yield from self._between(grid, self._held[0], self._held[1])
        finally:
            if self._held:  # else a failure has given them back already
                self._held.popleft().release()

    def _is_even(self, before: Frame | None, frame: Frame) -> bool:
        """Return whether things move for as long before a frame as they did before the one before it."""
        last, self._interval = self._interval, None
        if before is None or before.hold_until is not None or FrameFlags.REPEATED in frame.flags:
            return False
        self._interval = interval = frame.time - before.time
        return last is not None and last <= interval * UNEVEN and interval <= last * UNEVEN

    def close(self) -> None:
        """Give frames and sessions back."""
        self.reset()
        for field in self._fields:
            self._verdicts += field.verdicts
            field.close()
        self._field, self._fields = None, ()
        self._grid = None

    def measure(self, threads: int) -> float | None:
        """Time the model, for as many runs as there are synthesized pictures per source frame; None on a device."""
        if not isinstance(self._field, MotionField) or self._grid is None:
            return None
        return self._field.measure(threads) * float(self._runs_per_frame)

    def use_threads(self, threads: int) -> None:
        """Run the model on that many threads from now on."""
        for field in self._fields:
            field.use_threads(threads)

    @property
    def _runs_per_frame(self) -> Fraction:
        """Synthesized pictures per source frame where grid and film begin together."""
        assert self._grid is not None
        ratio = self._grid.rate / self._source_rate
        return Fraction(ratio.numerator - 1, ratio.denominator)

    def _own_times(self, frame: Frame) -> Iterator[Frame]:
        """Yield a frame at its own time and at its repeats'."""
        self._held.append(frame)
        times = (frame.pts, *frame.repeats)
        for number, pts in enumerate(times):
            shown = frame.share()
            shown.pts, shown.repeats, shown.hold_until = pts, (), None
            if number > 0:
                shown.flags = (frame.flags & ~FrameFlags.SCENE_CUT) | FrameFlags.REPEATED
                shown.spans = []
            if number + 1 < len(times):
                shown.duration = (times[number + 1] - pts) * frame.time_base
            elif frame.duration is not None:
                shown.duration = frame.time + frame.duration - shown.time
            yield shown
        self._held.popleft().release()

    def _between(self, grid: Grid, first: Frame, second: Frame) -> Iterator[Frame]:
        """Yield the pictures at grid times from `first` on and before `second`."""
        begin = first.time if first.hold_until is None else max(first.time, first.hold_until)
        stands_still = FrameFlags.REPEATED in second.flags
        for number in range(grid.first_at(first.time), grid.first_at(second.time)):
            if self._field is None or stands_still or grid.is_at(number, begin):
                yield self._shown(grid, first, number)
            else:
                timestep = self._field.nearest(float((grid.time(number) - begin) / (second.time - begin)))
                if timestep in (0.0, 1.0):
                    yield self._shown(grid, second if timestep else first, number)
                else:
                    yield self._synthesized(grid, self._field, first, second, number, timestep)

    def _shown(self, grid: Grid, frame: Frame, number: int) -> Frame:
        """Return a frame of the film at a grid time."""
        shown = frame.share()
        if self._shown_index == frame.index:
            shown.flags |= FrameFlags.REPEATED
            shown.spans = []
        self._shown_index = frame.index
        return self._at(grid, shown, number)

    def _at(self, grid: Grid, frame: Frame, number: int) -> Frame:
        """Move a new frame to a grid time."""
        frame.pts, frame.time_base, frame.duration = grid.pts(number), grid.time_base, 1 / grid.rate
        frame.repeats, frame.hold_until = (), None
        frame.flags &= ~FrameFlags.SCENE_CUT
        if self._is_new_shot:
            frame.flags |= FrameFlags.SCENE_CUT
            self._is_new_shot = False
        return frame

    def _synthesized(
        self,
        grid: Grid,
        field: MotionField | DeviceMotionField,
        first: Frame,
        second: Frame,
        number: int,
        timestep: float,
    ) -> Frame:
        """Return the picture between two frames, or the nearer one where there is none to be had."""
        with self.motion_pool.lease().filling() as motion_lease:
            verdict = self._find(field, timestep, motion_lease)
            made = None if verdict is Verdict.HOLD else self._written(field, first, second, motion_lease, timestep)
        if made is None:
            motion_lease.release()
            return self._shown(grid, first if timestep < 0.5 else second, number)
        return self._at(grid, made, number)

    def _find(self, field: MotionField | DeviceMotionField, timestep: float, motion: Lease) -> Verdict | None:
        """Fill `motion`; a picture for which that fails is held."""
        try:
            return field.find(timestep, motion.array)
        except FarshoreError as error:
            self.failures.count(error)
            return Verdict.HOLD

    def _written(
        self, field: MotionField | DeviceMotionField, first: Frame, second: Frame, motion_lease: Lease, timestep: float
    ) -> Frame:
        """Return the picture made along a motion, with it; `motion_lease` is taken over."""
        flow, mask = field.parts(motion_lease.array)
        with self.pool.lease().filling() as lease:
            field.write(first.pixels, second.pixels, motion_lease.array, lease.array)
            ready = self._place.written(lease)
        motion = Motion(
            flow=flow,
            mask=mask,
            timestep=timestep,
            cell=field.cell,
            lease=motion_lease,
            first=_neighbour(first),
            second=_neighbour(second),
        )
        made = first.successor(pixels=lease.array, format=first.format, leases=(lease,), motion=motion, ready=ready)
        made.flags = FrameFlags.SYNTHESIZED
        made.spans = []
        return made


def _motion_field(
    model: Model, backend: Backend, spec: FrameSpec, scale: float | None, place: Place
) -> MotionField | DeviceMotionField:
    if isinstance(place, DevicePlace):
        return DeviceMotionField(place.operators, model, backend, spec, scale=scale, lanes=place.most_lanes)
    return MotionField(model, backend, spec, scale=scale)


def _neighbour(frame: Frame) -> Neighbour:
    for lease in frame.leases:
        lease.retain()
    return Neighbour(pixels=frame.pixels, index=frame.index, leases=frame.leases)
