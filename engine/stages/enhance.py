"""Takes grain, dust, scratches, flicker and blur away with a model that sees a few frames at once."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from engine.backends.base import Backend, Profile
from engine.errors import ConfigError, FarshoreError
from engine.frame import Frame
from engine.model import Model
from engine.pool import BufferPool
from engine.settings import EnhanceSettings
from engine.stages.base import Stage
from engine.stages.picture_tensors import picture_tensors, resize_planes
from engine.stages.sessions import Sessions
from engine.stages.states import States
from engine.types import FrameFlags, FrameSpec

PREPARED_FRAMES = 8
"""Buffers made at once, for the frames that wait in the queue behind the stage."""


class Enhance(Stage):
    """Restores each frame from a window of its neighbours.

    A picture that the film shows again (`FrameFlags.REPEATED`) is not looked at again: it leaves as the picture that
    was made of it, and never stands in the window as its own neighbour.

    Parameters
    ----------
    model : of role `enhance`
    backend : what it runs on
    settings : strength and scale

    Raises
    ------
    ConfigError
        The model enlarges by another factor than the settings ask for.
    """

    name = "enhance"

    def __init__(self, model: Model, backend: Backend, settings: EnhanceSettings) -> None:
        super().__init__()
        if model.card.scale != settings.upscale:
            raise ConfigError(
                f"upscale: got {settings.upscale}; model {model.card.name} enlarges by {model.card.scale}; choose "
                "another model or another factor"
            )
        self._model, self._backend, self._settings = model, backend, settings
        self._past, self._future = model.card.window
        self.look_ahead = self._future
        self._waiting: deque[Frame] = deque()
        self._behind = -1  # pictures in the window behind the first one that waits
        self._is_new_shot = True
        self._last: Frame | None = None

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make windows, scratch, buffers and a session on one thread."""
        model, strength = self._model, self._settings.strength
        takes_strength = "strength" in model.inputs
        self._tensors = picture_tensors(model, incoming, 1.0 if takes_strength else strength)
        self._states = States(model, self._tensors.picture_size)
        if takes_strength:
            self._tensors.inputs["strength"] = np.full(1, strength, np.float32)
        self._inputs = {**self._tensors.inputs, **self._states.inputs}
        self._outputs = {**self._tensors.outputs, **self._states.outputs}
        self._sessions = Sessions(
            model, self._backend, Profile({name: array.shape for name, array in self._inputs.items()})
        )
        self._states.check(self._sessions.current.output_shapes)
        scale = model.card.scale
        self._spec = replace(incoming, width=incoming.width * scale, height=incoming.height * scale)
        self.pool = BufferPool(self._spec.pixels_shape, prepare=PREPARED_FRAMES)
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
        """Time the model."""
        seconds = self._sessions.time(threads, self._inputs, self._outputs)
        self._states.clear()
        return seconds

    def use_threads(self, threads: int) -> None:
        """Run the model on that many threads from now on."""
        self._sessions.use(threads)

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
            self._sessions.current.enqueue(self._inputs, self._outputs)
        except FarshoreError as error:
            self.failures.count(error)
            return self._pass_through(frame)
        self._states.advance()
        lease = self.pool.lease()
        self._tensors.finish(frame.pixels, lease.array)
        return frame.successor(pixels=lease.array, format=frame.format, leases=(lease,))

    def _pass_through(self, frame: Frame) -> Frame:
        """Return the frame as it came, in the size that was promised."""
        if self._settings.upscale == 1:
            return frame.share()
        lease = self.pool.lease()
        resize_planes(frame.pixels, lease.array)
        return frame.successor(pixels=lease.array, format=frame.format, leases=(lease,))

    @staticmethod
    def _same_picture(frame: Frame, picture: Frame) -> Frame:
        """Return `frame` with the pixels of `picture`."""
        for lease in picture.leases:
            lease.retain()
        return frame.successor(pixels=picture.pixels, format=picture.format, leases=picture.leases)

    def _drop_frames(self) -> None:
        while self._waiting:
            self._waiting.popleft().release()
        if self._last is not None:
            self._last.release()
            self._last = None
