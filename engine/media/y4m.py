"""Y4M (YUV4MPEG2) on a binary stream, for the next program in a pipe. It holds pictures alone: no sound, no metadata.

References
----------
YUV4MPEG2 as MJPEG Tools, FFmpeg and x264 read it: a header line, then FRAME and the planes of each picture.
"""

import sys
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from engine.device.base import Device, Stream
from engine.errors import ConfigError, TimestampError
from engine.frame import Frame
from engine.media.codecs import VIDEO_CODECS, encoding_for
from engine.media.durable import writing
from engine.media.output import WriteJob, WriteReport
from engine.media.pictures import PictureRing, rows_of
from engine.types import FrameSpec, Range

_CENTER = 2
_COLOR_TAGS = {"yuv420p": {False: "420mpeg2", True: "420jpeg"}, "yuv420p10le": {False: "420p10", True: "420p10"}}
_RAW = VIDEO_CODECS["av1"]
"""4:2:0 of any size, 8 or 10 bit: the same pictures that the AV1 encoder takes."""
_FRAME = b"FRAME\n"


class Y4MWriter:
    """Writes pictures to a stream as they come.

    Y4M has a rate and no times: where the chain leaves a frame of the rate's grid out, the one before it is repeated.

    Parameters
    ----------
    stream : binary, blocking; stays open
    job : bit depth and provenance
    name : of the stream, for errors
    """

    device: Device | None = None
    stream: Stream | None = None

    def __init__(self, stream: BinaryIO, job: WriteJob, *, name: str = "Y4M stream") -> None:
        if job.settings.codec is not None:
            raise ConfigError(f"codec: got {job.settings.codec} for stdout; Y4M is uncoded; leave --codec out")
        self.report = WriteReport()
        self._stream, self._job, self._name = stream, job, name
        if job.source is not None:
            self.report.notices.append("stdout: Y4M holds pictures alone; sound, subtitles and metadata are not kept")

    @classmethod
    def to_stdout(cls, job: WriteJob) -> "Y4MWriter":
        """Return a writer to standard output."""
        sys.stdout.flush()
        return cls(open(1, "wb", buffering=0, closefd=False), job, name="stdout")

    @property
    def next_shot(self) -> int:
        """Always the first: a stream cannot be resumed."""
        return 0

    @property
    def can_resume(self) -> bool:
        """Never."""
        return False

    def open(self, spec: FrameSpec) -> None:
        """Write the header.

        Raises
        ------
        ConfigError
            The rate varies.
        """
        if spec.rate is None:
            raise ConfigError("stdout: the film's rate varies and Y4M has one rate; give one, such as --interpolate 24")
        self._spec, self._rate = spec, spec.rate
        coded = encoding_for(_RAW, self._job.settings, spec).picture
        self._pictures = PictureRing(coded, spec)
        is_deep = coded.pix_fmt == "yuv420p10le"
        tag = _COLOR_TAGS[coded.pix_fmt][coded.color.chroma_location == _CENTER]
        extra = " XYSCSS=420P10" if is_deep else ""
        span = "FULL" if coded.color.range is Range.FULL else "LIMITED"
        aspect = spec.sample_aspect
        header = (
            f"YUV4MPEG2 W{spec.width} H{spec.height} F{self._rate.numerator}:{self._rate.denominator} Ip "
            f"A{aspect.numerator}:{aspect.denominator} C{tag}{extra} XCOLORRANGE={span}\n"
        )
        samples = spec.width * spec.height + 2 * ((spec.width + 1) // 2) * ((spec.height + 1) // 2)
        self._sample_bytes = 2 if is_deep else 1
        self._buffer = np.empty(len(_FRAME) + samples * self._sample_bytes, np.uint8)
        self._buffer[: len(_FRAME)] = np.frombuffer(_FRAME, np.uint8)
        self._written = 0
        self._send(header.encode())

    def write(self, frame: Frame) -> None:
        """Write a frame and release it."""
        try:
            place = (frame.time - self._spec.start) * self._rate
            if place.denominator != 1 or place < self._written:
                raise TimestampError(
                    f"frame {frame.index}: got time {frame.time} s; wanted the next multiple of {1 / self._rate} s "
                    f"from {self._spec.start} s"
                )
            for _ in range(place.numerator - self._written if self._written else 0):
                self._send(self._buffer.data)  # still the frame before
            self._fill(frame)
            self._send(self._buffer.data)
            self._written = place.numerator + 1
            self.report.frames += 1
        finally:
            frame.release()

    def finish(self) -> None:
        """Note what was written; whoever gave the stream closes it."""
        self.report.seconds = Fraction(self._written) / self._rate
        if self._job.provenance is not None:
            self.report.notices.append(self._job.provenance.sentence())

    def abort(self) -> None:
        """Stop; the stream ends after the last whole picture."""

    def _fill(self, frame: Frame) -> None:
        place = len(_FRAME)
        for plane in self._pictures.fill(frame).planes:
            width = plane.width * self._sample_bytes
            target = self._buffer[place : place + width * plane.height].reshape(plane.height, width)
            np.copyto(target, rows_of(plane)[: plane.height, :width])
            place += width * plane.height

    def _send(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        with writing(self._name):
            while view:
                sent = self._stream.write(view)
                view = view[sent:]
