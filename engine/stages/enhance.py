"""Takes grain, dust, scratches, flicker and blur away, and enlarges, with a model that sees a few frames at once."""

import logging
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from engine.backends.base import Backend
from engine.device.lanes import LaneChoice
from engine.errors import ConfigError, FarshoreError
from engine.frame import Frame, release_all
from engine.model import Model
from engine.pool import Lease
from engine.settings import EnhanceSettings
from engine.stages.base import Stage
from engine.stages.device.tensors import DeviceTensors
from engine.stages.enhance_lane import EnhanceLane
from engine.stages.enhancer_tensors import enhancer_tensors
from engine.stages.place import HOST, DevicePlace, Place
from engine.stages.states import States
from engine.stages.tile_plan import TilePlan, memory_needed, model_reach, plan_tiles
from engine.types import FrameFlags, FrameSpec

log = logging.getLogger(__name__)

PREPARED_FRAMES = 8
"""Buffers made at once on the host, for the frames that wait in the queue behind the stage."""


class Enhance(Stage):
    """Restores each frame from a window of its neighbours.

    A picture that the film shows again (`FrameFlags.REPEATED`) is not looked at again: it leaves as the picture that
    was made of it, and never stands in the window as its own neighbour.

    Parameters
    ----------
    model : of role `enhance`
    backend : what it runs on
    settings : strength, scale and tiles
    place : where it works; where the backend's sessions do

    Raises
    ------
    ConfigError
        The model enlarges by less than the settings ask for.
    """

    name = "enhance"

    def __init__(self, model: Model, backend: Backend, settings: EnhanceSettings, *, place: Place = HOST) -> None:
        super().__init__()
        self._place, self.device = place, place.device
        self._upscale = settings.upscale or model.card.scale
        if model.card.scale < self._upscale:
            raise ConfigError(
                f"upscale: got {self._upscale}; model {model.card.name} enlarges by {model.card.scale}; choose another "
                "model or a smaller factor"
            )
        self._model, self._backend, self._settings = model, backend, settings
        self._past, self._future = model.card.window
        self.look_ahead = self._future
        self._waiting: deque[Frame] = deque()
        self._behind = -1  # pictures in the window behind the first one that waits
        self._is_new_shot = True
        self._last: Frame | None = None

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make windows, scratch, buffers and a session on one thread; decide about tiles.

        Raises
        ------
        ConfigError
            The model cannot be run on tiles of the size that was asked for.
        EngineError, ModelError
            The model does not fit its role or the backend.
        """
        self._place.open()
        self.stream = self._place.stream
        model, strength = self._model, self._settings.strength
        takes_strength = "strength" in model.inputs
        reach = model_reach(model)
        self._tensors = enhancer_tensors(
            model,
            incoming,
            1.0 if takes_strength else strength,
            upscale=self._upscale,
            multiple=math.lcm(model.card.size_multiple, reach.grid if reach is not None else 1),
            place=self._place,
        )
        self._states = States(model, self._tensors.picture_size, self._place)
        if takes_strength:
            self._tensors.inputs["strength"] = self._place.constant(np.full(1, strength, np.float32))
        picture, multiple = self._tensors.picture_size, self._tensors.multiple
        available = None if self.device is None else self.device.memory()[0]
        plan = plan_tiles(model, reach, picture, multiple, self._settings.tile, available=available)
        if plan is not None:
            needed = None if reach is None else memory_needed(reach, picture)
            self._tell(plan, needed)
        first = EnhanceLane(model, self._backend, self._tensors, self._states, plan, self._place)
        self._lanes = [first]
        self._states.check(first.sessions.current.output_shapes)
        scale = self._upscale
        self._spec = replace(incoming, width=incoming.width * scale, height=incoming.height * scale)
        self.pool = self._place.pool(self._spec.pixels_shape, prepare=PREPARED_FRAMES)
        if isinstance(self._place, DevicePlace) and isinstance(self._tensors, DeviceTensors):
            self._choose_lanes(self._place, self._tensors, plan)
        return self._spec

    @property
    def tile_plan(self) -> TilePlan | None:
        """How pictures are cut, None where they are not; known once the stage is open."""
        tiles = self._lanes[0].tiles
        return None if tiles is None else tiles.plan

    @property
    def may_have_two_lanes(self) -> bool:
        """Whether no run of the model needs what the run before it made."""
        card = self._model.card
        return not card.states and card.past == "film"

    def turn(self) -> None:
        """Let the next frame go to the next lane."""
        self._place.turn()
        self.stream = self._place.stream

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frames whose windows are complete."""
        self._waiting.append(frame)
        if self._is_new_shot or FrameFlags.REPEATED not in frame.flags:
            self._tensors.append(frame.pixels)
            self._behind += 1
            for _ in range(self._past if self._is_new_shot else 0):
                self._tensors.repeat()
            self._is_new_shot = False
        while self._waiting and (self._behind >= self._future or self._repeats_last(self._waiting[0])):
            yield self._next()

    def flush(self, end: Fraction | None) -> Iterator[Frame]:
        """Yield the rest; the last frame stands for those that do not come."""
        while self._waiting:
            while self._behind < self._future:
                self._tensors.repeat()
                self._behind += 1
            yield self._next()

    def reset(self) -> None:
        """Forget the shot."""
        self._drop_frames()
        self._tensors.clear()
        self._states.clear()
        self._behind = -1
        self._is_new_shot = True

    def close(self) -> None:
        """Give frames and sessions back."""
        self._drop_frames()
        for lane in self._lanes:
            lane.close()

    def measure(self, threads: int) -> float | None:
        """Time the model; on a device there are no threads to choose."""
        if self.device is not None:
            return None
        seconds = self._lanes[0].seconds(threads)
        self._states.clear()
        return seconds

    def use_threads(self, threads: int) -> None:
        """Run the model on that many threads from now on."""
        for lane in self._lanes:
            lane.sessions.use(threads)

    def _choose_lanes(self, place: DevicePlace, tensors: DeviceTensors, plan: TilePlan | None) -> None:
        """Open a second lane where it pays."""
        if not self.may_have_two_lanes:
            self.lane_choice = LaneChoice(lanes=1, why="each run needs what the one before it made")
            return

        def another() -> EnhanceLane:
            return EnhanceLane(self._model, self._backend, tensors.beside(), self._states, plan, place)

        self._lanes, self.lane_choice = place.widen(self.name, self._lanes[0], another)
        self.streams = place.streams

    def _tell(self, plan: TilePlan, needed: int | None) -> None:
        """Log how pictures are cut; as a warning where nobody asked for it and it changes the picture."""
        was_asked = self._settings.tile is not None
        reason = "" if was_asked or needed is None else f"; the whole picture would take about {needed / 1e6:.0f} MB"
        level = logging.INFO if plan.is_exact or was_asked else logging.WARNING
        log.log(level, "model %s: %s%s", self._model.card.name, plan, reason)

    def _repeats_last(self, frame: Frame) -> bool:
        return FrameFlags.REPEATED in frame.flags and self._last is not None

    def _next(self) -> Frame:
        """Make the first frame that waits, and let it go."""
        frame = self._waiting[0]
        if self._last is not None and FrameFlags.REPEATED in frame.flags:
            made = frame.showing(self._last)
        else:
            made = self._make(frame)
            self._behind -= 1
            if self._last is not None:
                self._last.release()
            self._last = made.share()
        self._waiting.popleft().release()
        return made

    def _make(self, frame: Frame) -> Frame:
        lane = self._lanes[self._place.lane]
        lane.tensors.aim()
        self._place.part()
        try:
            lane.run(self.stream)
        except FarshoreError as error:
            self.failures.count(error)
            return self._pass_through(frame)
        self._states.advance()
        with self.pool.lease().filling() as lease:
            lane.tensors.finish(frame.pixels, lease.array)
            return self._made(frame, lease)

    def _pass_through(self, frame: Frame) -> Frame:
        """Return the frame as it came, in the size that was promised."""
        if self._upscale == 1:
            return frame.share()
        with self.pool.lease().filling() as lease:
            self._tensors.pass_through(frame.pixels, lease.array)
            return self._made(frame, lease)

    def _made(self, frame: Frame, lease: Lease) -> Frame:
        """Return `frame` with the picture that was written into a buffer."""
        ready = self._place.written(lease)
        return frame.successor(pixels=lease.array, format=frame.format, leases=(lease,), ready=ready)

    def _drop_frames(self) -> None:
        if self._last is not None:
            self._waiting.append(self._last)
            self._last = None
        release_all(self._waiting)
