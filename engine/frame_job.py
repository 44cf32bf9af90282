"""Restores pictures that another program hands over, one by one, and gives it the restored ones: no files."""

import atexit
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.array_ends import ArrayEnds, DeviceArrays, HostArrays
from engine.backends.base import Backend
from engine.chain import build_chain, open_backend
from engine.device.base import Device, DeviceArray, Stream
from engine.errors import ConfigError, FrameError
from engine.exchange import Exchange, Turn
from engine.frame import Frame
from engine.media.color import unspecified_matrix
from engine.pipeline import Pipeline
from engine.run_report import RunReport
from engine.settings import Settings, exact_rate
from engine.types import ColorSpace, FrameFlags, FrameSpec, Matrix, PixelFormat, Range
from engine.work_clock import waiting

_NOTHING = object()
_FORMATS = {1: PixelFormat.GRAY, 3: PixelFormat.RGB}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredFrame:
    """A picture as the chain made it.

    array : float32 (1 or 3, H, W) in [0, 1], luma or R'G'B'. On a device a `DeviceArray`, which has
        `__cuda_array_interface__`; on the host a NumPy array. The same memory every time: it shows this picture until
        the next one is asked for, so copy what is to be kept
    index : number of the picture that was handed in, from 0; of a made one, of that before it
    time : seconds since the first picture, exact
    is_made : interpolated between two pictures
    is_cut : the first picture of a shot
    """

    array: DeviceArray | npt.NDArray[np.float32]
    index: int
    time: Fraction
    is_made: bool
    is_cut: bool


class FrameJob:
    """Restores pictures that a program has as arrays: NumPy's, or on a GPU those of PyTorch, CuPy, Numba and PyCUDA.

    On a GPU nothing passes through the host, and nothing waits for the device: arrays are copied in, and restored ones
    out, in the order of the program's own stream. What was handed in may be changed or freed, in that stream's order,
    as soon as the next picture is asked for.

    Parameters
    ----------
    settings : of the restoration; `input`, and what concerns files in `output`, are not used
    rate : pictures per second, exact
    stream : on a GPU the stream in which the program makes its arrays and uses the restored ones: whatever has
        `__cuda_stream__` (PyTorch, CuPy, cuda-core), PyCUDA's and Numba's streams, or a handle; None: the default
        stream
    backend : that runs the models; None: what the settings name. Jobs that share one share its GPU

    Attributes
    ----------
    device : the GPU; None on the host
    report : of the last run that came to its end; None before

    Raises
    ------
    NoDeviceError, MissingExtraError
        The GPU that the settings name cannot be had.
    DeviceError
        Another context than the GPU's primary one is current in this thread.
    ConfigError
        The rate is none, or a stream was named for a backend of the host.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        rate: Fraction | int,
        stream: object | None = None,
        backend: Backend | None = None,
    ) -> None:
        self.settings, self.rate = settings or Settings(), exact_rate(Fraction(rate))
        if self.rate <= 0:
            raise ConfigError(f"rate: got {rate}; wanted pictures per second, more than 0")
        self._backend = backend or open_backend(self.settings.runtime)
        self.device: Device | None = self._backend.device
        self.report: RunReport | None = None
        if self.device is None and stream is not None:
            raise ConfigError(
                f"stream: got one with backend {self._backend.name}, which works on the host; leave it out, or choose "
                "the backend tensorrt or cuda"
            )
        self._stream = stream

    def run(self, arrays: Iterable[object]) -> Iterator[RestoredFrame]:
        """Restore pictures in order; may be called again for other pictures.

        Parameters
        ----------
        arrays : float32 (1 or 3, H, W) in [0, 1], luma or R'G'B', all of one shape; on a GPU in C order. They are asked
            for on the caller's thread, as many ahead as the chain takes. Luma is coloured unless `colorize` says never,
            R'G'B' only where it says always

        Yields
        ------
        RestoredFrame
            Whoever needs no more closes the generator, which ends the run.

        Raises
        ------
        FrameError
            An array is not float32 (1 or 3, H, W), or not of the first one's shape.
        BindingError
            An array does not lie where the chain works, or not in C order.
        FarshoreError
            A model or the device failed.
        """
        pictures = iter(arrays)
        ends: ArrayEnds[Any] = HostArrays() if self.device is None else DeviceArrays(self.device, self._stream)
        first = next(pictures, _NOTHING)
        if first is _NOTHING:
            return
        array = ends.look_at(first)
        yield from self._run(ends, _spec_of(array, self.rate), _looked_at(ends, array, pictures))

    def _run(
        self, ends: ArrayEnds[Any], spec: FrameSpec, pictures: Iterator[Any]
    ) -> Generator[RestoredFrame, None, None]:
        settings, exchange, is_there = self.settings, Exchange(), self.device is not None
        mode = settings.colorize.mode
        chain = build_chain(
            settings,
            colorize=mode == "always" or (mode == "auto" and spec.format is PixelFormat.GRAY),
            backend=self._backend,
            starts_on_device=is_there,
            ends_on_device=is_there,
        )
        queue_frames = settings.runtime.queue_frames
        pipeline = Pipeline(
            _Reader(exchange, spec),
            chain.stages,
            _Writer(exchange, ends),
            queue_frames=queue_frames,
            cores=settings.runtime.threads,
            ends=(exchange,),
        )
        ends.open(spec, chain.frames_of_reader + 1)  # and the one that waits to be taken in
        pipeline.open()
        run = _Run(pipeline, exchange, self.device)
        try:
            yield from _exchanged(ends, spec, pictures, exchange)
        finally:
            run.end()
            ends.close()
        self.report = run.report()


class _Run:
    """A pipeline on threads of its own."""

    def __init__(self, pipeline: Pipeline, exchange: Exchange, device: Device | None) -> None:
        self._pipeline, self._exchange, self._device = pipeline, exchange, device
        self._report: RunReport | None = None
        self._error: BaseException | None = None
        # Python waits at its end for threads that are none's servants, before it closes generators: for ever, for a run
        # that its program left. The chain's threads are like the one that starts them.
        self._thread = threading.Thread(target=self._work, name="frame-job", daemon=True)
        atexit.register(self.end)
        self._thread.start()

    def end(self) -> None:
        """Stop the run unless it has ended by itself, and wait for its threads."""
        atexit.unregister(self.end)
        if not self._exchange.is_closed:
            self._pipeline.stop()
        if threading.current_thread() not in (self._thread, *self._pipeline.threads):
            self._thread.join()  # else a generator that nobody held was closed in the midst of the chain's own work

    def report(self) -> RunReport:
        """Return the report of a run that has ended, or raise what ended it."""
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report

    def _work(self) -> None:
        try:
            if self._device is not None:
                self._device.enter()
            self._report = self._pipeline.run()
        except BaseException as error:  # the chain's edge: kept, and raised in the program's thread
            self._error = error
        finally:
            self._exchange.close()


class _Reader:
    """The chain's reader: frames that the program's thread hands in."""

    def __init__(self, exchange: Exchange, spec: FrameSpec) -> None:
        self._exchange, self.spec = exchange, spec

    def frames(self) -> Iterator[Frame]:
        while True:
            with waiting():  # for the program, which is no work of the chain's
                frame = self._exchange.get()
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        pass


class _Writer:
    """The chain's writer: hands frames to the program's thread, and gives a device no work."""

    device: Device | None = None

    def __init__(self, exchange: Exchange, ends: ArrayEnds[Any]) -> None:
        self._exchange, self._ends = exchange, ends
        self.stream: Stream | None = ends.stream

    def open(self, spec: FrameSpec) -> None:
        self._ends.open_out(spec)

    def write(self, frame: Frame) -> None:
        with waiting():
            self._exchange.put(frame)

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


def _exchanged(
    ends: ArrayEnds[Any], spec: FrameSpec, pictures: Iterator[Any], exchange: Exchange
) -> Iterator[RestoredFrame]:
    """Hand pictures in and yield what comes out, whichever can be done, until the chain has ended."""
    count = 0
    while (turn := exchange.turn()) is not Turn.LEAVE:
        if isinstance(turn, Frame):
            yield _restored(ends, turn)
            continue
        array = next(pictures, None)
        if array is None:
            exchange.end()
            continue
        _check(array, spec, count)
        exchange.give(_taken(ends, array, spec, count))
        count += 1


def _looked_at(ends: ArrayEnds[Any], first: Any, others: Iterator[object]) -> Iterator[Any]:
    yield first
    yield from map(ends.look_at, others)


def _taken(ends: ArrayEnds[Any], array: Any, spec: FrameSpec, index: int) -> Frame:
    began = time.perf_counter_ns()
    lease, ready = ends.take(array)
    return Frame(
        pixels=lease.array,
        format=spec.format,
        pts=index,
        time_base=spec.time_base,
        index=index,
        duration=spec.time_base,
        ready=ready,
        first_ns=began,
        leases=(lease,),
    )


def _restored(ends: ArrayEnds[Any], frame: Frame) -> RestoredFrame:
    index, time_, flags = frame.index, frame.time, frame.flags
    return RestoredFrame(
        array=ends.hand_out(frame),
        index=index,
        time=time_,
        is_made=FrameFlags.SYNTHESIZED in flags,
        is_cut=FrameFlags.SCENE_CUT in flags,
    )


def _spec_of(array: Any, rate: Fraction) -> FrameSpec:
    """Return what frames of such arrays are like."""
    if array.dtype != np.float32 or len(array.shape) != 3 or array.shape[0] not in _FORMATS or 0 in array.shape:
        raise FrameError(f"frame 0: got {_told(array)}; wanted float32 (1 or 3, H, W), luma or R'G'B' in [0, 1]")
    planes, height, width = (int(length) for length in array.shape)
    luma = ColorSpace(matrix=unspecified_matrix(height), range=Range.FULL)
    color = luma if planes == 1 else ColorSpace(matrix=Matrix.RGB, range=Range.FULL)
    return FrameSpec(format=_FORMATS[planes], width=width, height=height, rate=rate, time_base=1 / rate, color=color)


def _check(array: Any, spec: FrameSpec, index: int) -> None:
    if array.dtype != np.float32 or tuple(array.shape) != spec.pixels_shape:
        raise FrameError(f"frame {index}: got {_told(array)}; wanted float32 {spec.pixels_shape}, as the first")


def _told(array: Any) -> str:
    return f"{array.dtype} {tuple(array.shape)}"
