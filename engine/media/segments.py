"""Segments: runs of whole shots, each coded by an encoder of its own into a file that is whole or not there.

A segment holds exact times and can be played even when it is cut off. Its times count from the film's start
(`FrameSpec.start`) after adding `SegmentRecord.first_pts`: inside the file they may be moved, because some muxers move
them; only their differences count.
"""

import contextlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.error import FFmpegError

from engine.errors import InternalError
from engine.file_hash import file_sha256
from engine.media.codecs import Encoding
from engine.media.durable import WatchedFile, partial, publish
from engine.media.packets import AnyPacket, unit_of

TAIL_FRAMES = 4
"""Frames whose times a record keeps: one more than any encoder here codes ahead of showing."""

_FRAGMENTS = {
    "movflags": "empty_moov+default_base_moof",
    "frag_duration": "1000000",
    "flush_packets": "1",
    "use_editlist": "0",
}
_MUXER_OPTIONS: dict[str, dict[str, str]] = {"mp4": _FRAGMENTS, "mov": _FRAGMENTS, "nut": {"flush_packets": "1"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """What is known of a finished segment.

    file : name inside the work folder
    first_shot, next_shot : the shots it holds, [first_shot, next_shot)
    frames : how many
    first_pts : of its first frame, in units of the encoding's time base, from the film's start
    tail_pts : of its last frames, in order, at most `TAIL_FRAMES`
    end_pts : when its last frame ends
    bytes, sha256 : of the file
    """

    file: str
    first_shot: int
    next_shot: int
    frames: int
    first_pts: int
    tail_pts: tuple[int, ...]
    end_pts: int
    bytes: int
    sha256: str

    @property
    def last_pts(self) -> int:
        """Time of the last frame."""
        return self.tail_pts[-1]


class SegmentFile:
    """A segment being written. `finish` makes it durable under its name, `discard` leaves nothing.

    Parameters
    ----------
    path : of the finished segment
    encoding : of its pictures
    first_shot : number of its first shot
    """

    def __init__(self, path: Path, encoding: Encoding, first_shot: int) -> None:
        self.path = path
        self.first_shot = first_shot
        self.frames = 0
        self.first_pts = 0
        self._tail: deque[int] = deque(maxlen=TAIL_FRAMES)
        self._encoding = encoding
        self._muxer_start: int | None = None
        muxer = encoding.video_codec.segment_format
        options = dict(_MUXER_OPTIONS[muxer])
        if muxer != "nut":
            options["video_track_timescale"] = str(encoding.time_base.denominator)
        self._file = WatchedFile(partial(path))
        self._container = av.open(self._file, "w", format=muxer, container_options=options)
        self._stream = encoding.open_stream(self._container)

    def add(self, picture: av.VideoFrame) -> None:
        """Code one picture; its buffer may be used again once the encoder has let go of it."""
        pts = picture.pts
        assert pts is not None
        if not self.frames:
            self.first_pts = pts
        self._tail.append(pts)
        self.frames += 1
        self._mux(self._stream.encode(picture))

    def finish(self, next_shot: int, end_pts: int) -> SegmentRecord:
        """Code what the encoder still holds, flush the file to the disk, give it its name."""
        self._mux(self._stream.encode(None))
        self._container.close()
        self._file.close()
        publish(partial(self.path), self.path)
        return SegmentRecord(
            file=self.path.name,
            first_shot=self.first_shot,
            next_shot=next_shot,
            frames=self.frames,
            first_pts=self.first_pts,
            tail_pts=tuple(self._tail),
            end_pts=end_pts,
            bytes=self.path.stat().st_size,
            sha256=file_sha256(self.path),
        )

    def discard(self) -> None:
        """Close and remove the unfinished file."""
        close_quietly(self._container, self._file)
        partial(self.path).unlink(missing_ok=True)

    def _mux(self, packets: list[AnyPacket]) -> None:
        for packet in packets:
            assert packet.pts is not None
            if packet.dts is None:
                packet.dts = packet.pts
            if self._muxer_start is None:
                self._muxer_start = packet.dts  # from here on nothing is negative: muxers would move or refuse it
            packet.pts -= self._muxer_start
            packet.dts -= self._muxer_start
            self._container.mux(packet)
            self._file.check()


class SegmentReader:
    """The coded frames of one finished segment, to be joined to others without decoding."""

    def __init__(self, folder: Path, record: SegmentRecord, encoding: Encoding) -> None:
        self._record = record
        self._encoding = encoding
        self._container = av.open(str(folder / record.file))
        self.stream = self._container.streams.video[0]

    def packets(self) -> Iterator[AnyPacket]:
        """Yield the packets in coded order; `pts` in the encoding's time base from the film's start, no `dts`."""
        first: Fraction | None = None
        count = 0
        for packet in self._container.demux(self.stream):
            if not packet.size:
                continue
            assert packet.pts is not None
            time = packet.pts * unit_of(packet)
            first = time if first is None else first  # every segment begins with a key frame, which is shown first
            units = (time - first) / self._encoding.time_base + self._record.first_pts
            if units.denominator != 1:
                raise InternalError(f"segment {self._record.file}: a time of {units} units is not whole")
            packet.time_base = self._encoding.time_base
            packet.pts, packet.dts = units.numerator, None
            count += 1
            yield packet
        if count != self._record.frames:
            raise InternalError(f"segment {self._record.file}: got {count} frames; wanted {self._record.frames}")

    def close(self) -> None:
        """Close the file."""
        self._container.close()


def close_quietly(container: OutputContainer, file: WatchedFile) -> None:
    """Close a container and its file, which are to be thrown away: what they have to say no longer matters."""
    for each in (container, file):
        with contextlib.suppress(OSError, FFmpegError):
            each.close()
