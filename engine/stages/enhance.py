"""Takes grain, dust, scratches, flicker and blur away, and enlarges, with a model that sees a few frames at once."""

import logging
import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from engine.backends.base import Array, Backend, Profile
from engine.errors import ConfigError, FarshoreError
from engine.frame import Frame
from engine.model import Model
from engine.pool import Lease
from engine.settings import EnhanceSettings
from engine.stages.base import Stage
from engine.stages.device.tiles import DeviceTiles
from engine.stages.enhancer_tensors import enhancer_tensors
from engine.stages.place import HOST, DevicePlace, Place
from engine.stages.sessions import Sessions
from engine.stages.states import States
from engine.stages.tile_plan import TilePlan, memory_needed, model_reach, plan_tiles
from engine.stages.tiles import Tiles
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
        self._inputs = {**self._tensors.inputs, **self._states.inputs}
        self._outputs = {**self._tensors.outputs, **self._states.outputs}
        picture, multiple = self._tensors.picture_size, self._tensors.multiple
        available = None if self.device is None else self.device.memory()[0]
        plan = plan_tiles(model, reach, picture, multiple, self._settings.tile, available=available)
        self._tiles = None if plan is None else self._place_tiles(plan)
        if plan is not None:
            needed = None if reach is None else memory_needed(reach, picture)
            self._tell(plan, needed)
        self._sessions = Sessions(
            model, self._backend, Profile({name: array.shape for name, array in self._run_inputs.items()})
        )
        self._states.check(self._sessions.current.output_shapes)
        scale = self._upscale
        self._spec = replace(incoming, width=incoming.width * scale, height=incoming.height * scale)
        self.pool = self._place.pool(self._spec.pixels_shape, prepare=PREPARED_FRAMES)
        return self._spec

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
        self._sessions.close()

    def measure(self, threads: int) -> float | None:
        """Time the model; on a device there are no threads to choose."""
        if self.device is not None:
            return None
        seconds = self._sessions.time(threads, self._run_inputs, self._run_outputs)
        self._states.clear()
        return seconds * (1 if self._tiles is None else self._tiles.plan.count)

    def use_threads(self, threads: int) -> None:
        """Run the model on that many threads from now on."""
        self._sessions.use(threads)

    @property
    def _run_inputs(self) -> Mapping[str, Array]:
        """What one run of the model takes: the whole picture, or one tile."""
        return self._inputs if self._tiles is None else self._tiles.inputs

    @property
    def _run_outputs(self) -> Mapping[str, Array]:
        """What one run of the model makes."""
        return self._outputs if self._tiles is None else self._tiles.outputs

    def _place_tiles(self, plan: TilePlan) -> Tiles | DeviceTiles:
        if isinstance(self._place, DevicePlace):
            return DeviceTiles(self._place.operators, plan, self._inputs, self._outputs)
        return Tiles(plan, self._inputs, self._outputs)

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
            made = self._same_picture(frame, self._last)
        else:
            made = self._make(frame)
            self._behind -= 1
            if self._last is not None:
                self._last.release()
            self._last = made.share()
        self._waiting.popleft().release()
        return made

    def _make(self, frame: Frame) -> Frame:
        self._tensors.aim()
        self._inputs.update(self._tensors.inputs)
        self._inputs.update(self._states.inputs)
        self._outputs.update(self._states.outputs)
        try:
            if self._tiles is None:
                self._sessions.current.enqueue(self._inputs, self._outputs, self.stream)
            else:
                self._tiles.run(self._sessions.current, self._inputs, self._outputs)
        except FarshoreError as error:
            self.failures.count(error)
            return self._pass_through(frame)
        self._states.advance()
        with self.pool.lease().filling() as lease:
            self._tensors.finish(frame.pixels, lease.array)
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

    @staticmethod
    def _same_picture(frame: Frame, picture: Frame) -> Frame:
        """Return `frame` with the pixels of `picture`."""
        for lease in picture.leases:
            lease.retain()
        return frame.successor(pixels=picture.pixels, format=picture.format, leases=picture.leases, ready=picture.ready)

    def _drop_frames(self) -> None:
        while self._waiting:
            self._waiting.popleft().release()
        if self._last is not None:
            self._last.release()
            self._last = None
