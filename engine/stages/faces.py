"""Finds faces, follows them, and restores each with a face model."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from engine.backends.base import Backend
from engine.errors import FarshoreError
from engine.frame import Frame, release_all
from engine.model import Model
from engine.settings import FacesSettings
from engine.stages.base import Stage
from engine.stages.device.face_detect import LATE, DeviceFaceDetector
from engine.stages.device.face_restore import DeviceFaceRestorer
from engine.stages.face_detect import HostFaceDetector
from engine.stages.face_restore import HostFaceRestorer
from engine.stages.face_track import FaceTracker, Track
from engine.stages.place import HOST, DevicePlace, Place
from engine.types import FrameFlags, FrameSpec

PREPARED_FRAMES = 8
"""Buffers made at once on the host, for the frames that wait in the queue behind the stage."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A frame whose faces are not asked for yet.

    look : by which the detector knows it; None: it shows the picture before it again, or could not be looked at
    """

    frame: Frame
    look: int | None


class Faces(Stage):
    """Restores the faces of each frame; the rest of the picture, and a frame without faces, stays as it is.

    A picture that the film shows again (`FrameFlags.REPEATED`) leaves as the picture that was made of it.

    Parameters
    ----------
    restorer : of role `face`
    detector : of role `detect`
    backend : what both run on
    settings : which faces, and how far
    place : where it works; where the backend's sessions do. On a device frames leave `LATE` frames later, when what the
        detector says of them has come by itself

    Attributes
    ----------
    waits : how often the host had to wait for what the detector says: at a shot's end, and where frames come faster
        than they are looked at
    """

    name = "faces"

    def __init__(
        self, restorer: Model, detector: Model, backend: Backend, settings: FacesSettings, *, place: Place = HOST
    ) -> None:
        super().__init__()
        self._place, self.device = place, place.device
        self.look_ahead = 0 if self.device is None else LATE
        self._models, self._backend, self._settings = (restorer, detector), backend, settings
        self._tracker = FaceTracker(confidence=settings.confidence, smallest=settings.smallest, most=settings.most)
        self._waiting: deque[_Waiting] = deque()
        self._is_new_shot = True
        self._last: Frame | None = None
        self.waits = 0

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Make scratch, buffers and a session of each model on one thread."""
        self._place.open()
        self.stream = self._place.stream
        self._restorer, self._detector = self._open_models(incoming)
        self.pool = self._place.pool(incoming.pixels_shape, prepare=PREPARED_FRAMES)
        self.waits = 0
        return incoming

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame, its faces restored; on a device the one `LATE` frames before it."""
        shows_another = self._is_new_shot or FrameFlags.REPEATED not in frame.flags
        try:
            look = self._look(frame) if shows_another else None
        except BaseException:
            frame.release()
            raise
        self._waiting.append(_Waiting(frame, look))
        self._is_new_shot = False
        while len(self._waiting) > self.look_ahead:
            yield self._next()

    def flush(self, end: Fraction | None) -> Iterator[Frame]:
        """Yield the rest, once the host has waited for what is said of the last one."""
        looks = [waiting.look for waiting in self._waiting if waiting.look is not None]
        if looks:
            self.waits += self._detector.wait_for(looks[-1])
        while self._waiting:
            yield self._next()

    def reset(self) -> None:
        """Forget the shot."""
        self._drop_frames()
        self._tracker.reset()
        self._is_new_shot = True

    def close(self) -> None:
        """Give frames and sessions back."""
        self._drop_frames()
        self._detector.close()
        self._restorer.close()

    def measure(self, threads: int) -> float | None:
        """Time both models, on a frame with one face; on a device there are no threads to choose."""
        if isinstance(self._detector, HostFaceDetector) and isinstance(self._restorer, HostFaceRestorer):
            return self._detector.time(threads) + self._restorer.time(threads)
        return None

    def use_threads(self, threads: int) -> None:
        """Run both models on that many threads from now on."""
        self._detector.use_threads(threads)
        self._restorer.use_threads(threads)

    def _open_models(
        self, incoming: FrameSpec
    ) -> tuple[HostFaceRestorer, HostFaceDetector] | tuple[DeviceFaceRestorer, DeviceFaceDetector]:
        (restorer, detector), backend, shape = self._models, self._backend, incoming.pixels_shape
        least_score = self._tracker.least_score
        if isinstance(self._place, DevicePlace):
            operators = self._place.operators
            return (
                DeviceFaceRestorer(operators, restorer, backend, incoming),
                DeviceFaceDetector(operators, detector, backend, *shape, least_score=least_score),
            )
        return (
            HostFaceRestorer(restorer, backend, incoming),
            HostFaceDetector(detector, backend, *shape[1:], least_score=least_score),
        )

    def _look(self, frame: Frame) -> int | None:
        """Let the detector see a frame; None where it fails: the frame passes as it is."""
        try:
            return self._detector.look(frame.pixels)
        except FarshoreError as error:
            self.failures.count(error)
            return None

    def _next(self) -> Frame:
        """Make the first frame that waits, and let it go."""
        frame, look = self._waiting[0].frame, self._waiting[0].look
        if self._last is not None and FrameFlags.REPEATED in frame.flags:
            made = frame.showing(self._last)
        else:
            made = self._make(frame, look)
            self._forget()
            self._last = made.share()
        self._waiting.popleft()
        if made is not frame:
            frame.release()
        return made

    def _make(self, frame: Frame, look: int | None) -> Frame:
        """Return the frame with its faces restored, or itself where there are none or a model fails."""
        if look is None:
            return frame
        try:
            self.waits += self._detector.wait_for(look)
            tracks = self._tracker.update(self._detector.faces(look))
            return self._restore(frame, tracks) if tracks else frame
        except FarshoreError as error:
            self.failures.count(error)
            return frame

    def _restore(self, frame: Frame, tracks: list[Track]) -> Frame:
        with self.pool.lease().filling() as lease:
            self._restorer.begin(frame.pixels, lease.array)
            for track in tracks:
                strength = self._settings.strength * track.weight
                self._restorer.restore(frame.pixels, track.points, strength, lease.array)
            ready = self._place.written(lease)
            return frame.successor(pixels=lease.array, format=frame.format, leases=(lease,), ready=ready)

    def _forget(self) -> None:
        if self._last is not None:
            self._last.release()
            self._last = None

    def _drop_frames(self) -> None:
        frames = deque(waiting.frame for waiting in self._waiting)
        self._waiting.clear()
        if self._last is not None:
            frames.append(self._last)
            self._last = None
        release_all(frames)
