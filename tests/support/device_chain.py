"""Runs stages in a real pipeline, on the host or on a device, over pictures that a test gives."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import engine.pipeline as pipeline_module
from engine.device.base import Device, Stream
from engine.frame import Frame
from engine.pipeline import Pipeline
from engine.pool import BufferPool
from engine.run_report import RunReport
from engine.stages.base import Stage
from engine.stages.download import Download
from engine.stages.upload import Upload
from engine.types import FrameFlags, FrameSpec
from tests.support.simulated_device import SimulatedDevice
from tests.support.virtual_queue import VirtualQueue

Picture = npt.NDArray[np.float32]

MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A frame as the writer got it."""

    index: int
    time: Fraction
    flags: FrameFlags
    pixels: Picture
    chroma: Picture | None


class Pictures:
    """A reader of given pictures; frame numbers in `cuts` begin a shot, those in `repeated` repeat the one before."""

    def __init__(
        self, spec: FrameSpec, pictures: Sequence[Picture], cuts: Sequence[int] = (0,), repeated: Sequence[int] = ()
    ) -> None:
        self.spec, self._pictures, self._cuts, self._repeated = spec, pictures, cuts, repeated
        self.pool = BufferPool(spec.pixels_shape, prepare=4)

    def frames(self) -> Iterator[Frame]:
        shot = -1
        for index, picture in enumerate(self._pictures):
            shot += index in self._cuts
            flags = FrameFlags.SCENE_CUT if index in self._cuts else FrameFlags.NONE
            if index in self._repeated:
                flags |= FrameFlags.REPEATED
            lease = self.pool.lease()
            np.copyto(lease.array, picture)
            yield Frame(
                pixels=lease.array,
                format=self.spec.format,
                pts=index,
                time_base=self.spec.time_base,
                index=index,
                shot=max(shot, 0),
                flags=flags,
                duration=self.spec.time_base,
                leases=(lease,),
            )

    def close(self) -> None:
        pass


class Paced(Pictures):
    """A reader that gives a picture every few virtual milliseconds."""

    def __init__(
        self,
        device: SimulatedDevice,
        ms: int,
        spec: FrameSpec,
        pictures: Sequence[Picture],
        cuts: Sequence[int] = (),
        repeated: Sequence[int] = (),
    ) -> None:
        super().__init__(spec, pictures, cuts, repeated)
        self._device, self._interval = device, ms * MS

    def frames(self) -> Iterator[Frame]:
        for number, frame in enumerate(super().frames()):
            self._device.reach(number * self._interval)
            yield frame


class Keeper:
    """A writer that keeps copies; the run's report; and how often the chain's upload, if any, waited for a slot."""

    device: Device | None = None
    stream: Stream | None = None
    report: RunReport

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.upload_waits = 0

    def open(self, spec: FrameSpec) -> None:
        self.spec = spec

    def write(self, frame: Frame) -> None:
        chroma = None if frame.chroma is None else frame.chroma.copy()
        self.shown.append(
            Shown(index=frame.index, time=frame.time, flags=frame.flags, pixels=frame.pixels.copy(), chroma=chroma)
        )
        frame.release()

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


def run_pipeline(reader: Pictures, stages: Sequence[Stage]) -> Keeper:
    """Run stages; see that every buffer of the reader and of the stages comes back."""
    keeper = Keeper()
    pipeline = Pipeline(reader, stages, keeper, cores=1)
    pipeline.open()
    keeper.report = pipeline.run(interval=0.01)
    pools = [reader.pool, *(pool for stage in stages for pool in vars(stage).values() if isinstance(pool, BufferPool))]
    assert [pool.on_loan for pool in pools] == [0] * len(pools)
    return keeper


def moving(spec: FrameSpec, count: int, speed: float = 1.5, grain: float = 0.02) -> list[np.ndarray]:
    """Return pictures of something soft that moves to the right under grain."""
    rng = np.random.default_rng(1)
    planes, height, width = spec.pixels_shape
    noise = rng.random((height + 32, width + 96, planes), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 4).reshape(height + 32, width + 96, planes)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    pictures = []
    for number in range(count):
        matrix = np.array([[1, 0, number * speed - 64], [0, 1, -16]], np.float32)
        moved = cv2.warpAffine(soft, matrix, (width, height), flags=cv2.INTER_CUBIC).reshape(height, width, planes)
        grainy = moved + rng.normal(size=moved.shape).astype(np.float32) * grain
        pictures.append(np.ascontiguousarray(grainy.transpose(2, 0, 1)).clip(0, 1))
    return pictures


@contextmanager
def virtual_queues(device: SimulatedDevice) -> Iterator[None]:
    """Let pipelines have queues that keep the threads' virtual clocks."""

    class Queue(VirtualQueue):
        pass

    Queue.device = device
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_module, "FrameQueue", Queue)
        yield


def run_on_device(device: SimulatedDevice, reader: Pictures, stages: Sequence[Stage]) -> Keeper:
    """Run stages of a device between an upload and a download, with virtual clocks."""
    with virtual_queues(device):
        upload = Upload(device)
        keeper = run_pipeline(reader, [upload, *stages, Download(device)])
    keeper.upload_waits = upload.waits
    return keeper
