"""Finds faces, follows them, and restores each with a face model."""

from collections.abc import Iterator

import numpy as np

from engine.backends.base import Backend
from engine.errors import FarshoreError
from engine.frame import Frame
from engine.model import Model
from engine.pool import BufferPool
from engine.settings import FacesSettings
from engine.stages.base import Stage
from engine.stages.face_detect import FaceDetector
from engine.stages.face_restore import FaceRestorer
from engine.stages.face_track import FaceTracker, Track
from engine.types import FrameFlags, FrameSpec

PREPARED_FRAMES = 8
"""Buffers made at once, for the frames that wait in the queue behind the stage."""


class Faces(Stage):
    """Restores the faces of each frame; the rest of the picture, and a frame without faces, stays as it is.

    A picture that the film shows again (`FrameFlags.REPEATED`) leaves as the picture that was made of it.

    Parameters
    ----------
    restorer : of role `face`
    detector : of role `detect`
    backend : what both run on
    settings : which faces, and how far
    """

    name = "faces"

    def __init__(self, restorer: Model, detector: Model, backend: Backend, settings: FacesSettings) -> None:
        super().__init__()
        self._models, self._backend, self._settings = (restorer, detector), backend, settings
        self._tracker = FaceTracker(confidence=settings.confidence, smallest=settings.smallest, most=settings.most)
        self._last: Frame | None = None

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make scratch, buffers and a session of each model on one thread."""
        restorer, detector = self._models
        self._restorer = FaceRestorer(restorer, self._backend, incoming)
        self._detector = FaceDetector(
            detector, self._backend, incoming.height, incoming.width, least_score=self._tracker.least_score
        )
        self.pool = BufferPool(incoming.pixels_shape, prepare=PREPARED_FRAMES)
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame, its faces restored."""
        if self._last is not None and FrameFlags.REPEATED in frame.flags:
            yield self._same_picture(frame, self._last)
            return
        try:
            made = self._make(frame)
        except BaseException:
            frame.release()
            raise
        self._forget()
        self._last = made.share()
        yield made

    def reset(self) -> None:
        """Forget the shot."""
        self._forget()
        self._tracker.reset()

    def close(self) -> None:
        """Give frames and sessions back."""
        self._forget()
        self._detector.close()
        self._restorer.close()

    def measure(self, threads: int) -> float | None:
        """Time both models, on a frame with one face."""
        return self._detector.time(threads) + self._restorer.time(threads)

    def use_threads(self, threads: int) -> None:
        """Run both models on that many threads from now on."""
        self._detector.use_threads(threads)
        self._restorer.use_threads(threads)

    def _make(self, frame: Frame) -> Frame:
        """Return the frame with its faces restored, or itself where there are none or a model fails."""
        try:
            tracks = self._tracker.update(self._detector.find(frame.pixels))
            return self._restore(frame, tracks) if tracks else frame
        except FarshoreError as error:
            self.failures.count(error)
            return frame

    def _restore(self, frame: Frame, tracks: list[Track]) -> Frame:
        with self.pool.lease().filling() as lease:
            np.copyto(lease.array, frame.pixels)
            self._restorer.begin()
            for track in tracks:
                strength = self._settings.strength * track.weight
                self._restorer.restore(frame.pixels, track.points, strength, lease.array)
        made = frame.successor(pixels=lease.array, format=frame.format, leases=(lease,))
        frame.release()
        return made

    @staticmethod
    def _same_picture(frame: Frame, picture: Frame) -> Frame:
        """Return `frame`, which is given up, with the pixels of `picture`."""
        for lease in picture.leases:
            lease.retain()
        made = frame.successor(pixels=picture.pixels, format=picture.format, leases=picture.leases)
        frame.release()
        return made

    def _forget(self) -> None:
        if self._last is not None:
            self._last.release()
            self._last = None
