"""Write a film file: segments first, joined at the end, under the final name only when whole.

What lies on the disk at any moment, and what happens to it when a run ends in whatever way, is in
`engine/media/README.md`, section "Film out".
"""

import logging
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError

from engine.device.base import Device, Stream
from engine.errors import ConfigError, EncodeError, TimestampError
from engine.frame import Frame
from engine.media.codecs import Encoding, choose_codec, encoding_for
from engine.media.device.encoding import choose_encoder, open_device_encoder
from engine.media.device.pictures import Pictures, brought_down
from engine.media.durable import partial, publish, writing
from engine.media.journal import Journal, journal_head
from engine.media.mux import Film, join
from engine.media.output import WriteJob, WriteReport
from engine.media.picture_files import PICTURE_FORMATS
from engine.media.pictures import PictureRing, coded_time
from engine.media.provenance import write_sidecar
from engine.media.segments import SegmentFile
from engine.types import FrameSpec

log = logging.getLogger(__name__)

MIN_SEGMENT_SECONDS = 1
"""A segment ends at the first cut after so much film: a film of flash cuts does not become thousands of files."""

_JOINED = "final"


def work_folder(target: Path) -> Path:
    """Return where the unfinished work for a target lies."""
    return target.with_name(target.name + ".part")


class SegmentedWriter:
    """Writes a film file.

    Whole shots are coded into segments inside `<target>.part/`, each durable before it is noted in the journal; an
    encoder starts anew in each. `finish` joins them with the source's other tracks, without coding anew, and renames.

    Parameters
    ----------
    target : the film file
    job : see `WriteJob`

    Attributes
    ----------
    device, stream : that codes, and in which frames are taken; see `engine.chain_ends.Writer`. Known after `open`
    """

    def __init__(self, target: Path, job: WriteJob) -> None:
        self.target = target
        self.report = WriteReport()
        self.device: Device | None = None
        self.stream: Stream | None = None
        self._job = job
        self._film_source = _film_file(job.source)
        self._work = work_folder(target)
        self._codec, self._container = choose_codec(target, job.settings)
        self._encoder = choose_encoder(job.settings, job.border, self._codec.name)
        _check_folder(target)
        _check_unfinished(target, self._work, job)
        self._journal: Journal | None = None
        self._segment: SegmentFile | None = None
        self._last_pts: int | None = None
        self._end_pts = 0

    @property
    def next_shot(self) -> int:
        """The first shot that is still to be written; known after `open`."""
        return self._journal.next_shot if self._journal is not None else 0

    @property
    def can_resume(self) -> bool:
        """Whether finished segments are kept for a later run."""
        return self._journal is not None and bool(self._journal.segments)

    def open(self, spec: FrameSpec) -> None:
        """Make or take up the work folder and prepare the pictures' buffers."""
        self._spec = spec
        self._encoding, self._pictures = self._open_encoder(spec)
        self.stream = self._pictures.stream
        if self._job.border is not None and self._encoding.is_on_device:
            self.device = self._job.border.device
        coded = self._encoding.picture
        if (coded.width, coded.height) != (spec.width, spec.height):
            self.report.notices.append(
                f"picture: {spec.width}x{spec.height} becomes {coded.width}x{coded.height}, since "
                f"{self._codec.name} wants even sizes; the last column or row is repeated"
            )
        self._shortest = MIN_SEGMENT_SECONDS / self._encoding.time_base
        head = journal_head(self._job, {"encoding": self._encoding, "frames": spec})
        resumes = self._job.resume and self._work.is_dir()
        self._journal = (Journal.open if resumes else Journal.create)(self._work, head)
        for record in self._journal.segments:
            self.report.frames += record.frames
            self._last_pts = record.last_pts
        self.report.frames_kept = self.report.frames

    def write(self, frame: Frame) -> None:
        """Code a frame and release it."""
        try:
            with writing(self.target):
                self._write(frame)
        finally:
            frame.release()

    def finish(self) -> None:
        """Finish the last segment, join all, give the film its name and remove the work folder."""
        assert self._journal is not None
        with writing(self.target):
            if self._segment is not None:
                self._close_segment(self._segment, self._last_shot + 1, self._end_pts)
            joined = partial(self._work / _JOINED)
            muxed = join(joined, self._container, self._film(self._journal), self._film_source)
            self.report.notices += muxed.notices
            self.report.damaged_packets = muxed.damaged_packets
            self.report.bytes = joined.stat().st_size
            records = self._journal.segments
            self.report.seconds = (records[-1].end_pts - records[0].first_pts) * self._encoding.time_base
            if self._job.provenance is not None and self._container.provenance_key is None:
                beside = write_sidecar(self.target, self._job.provenance)
                self.report.notices.append(f"{self._container.name} files cannot say what was done: see {beside.name}")
            publish(joined, self.target)
        self._journal.remove()
        self._journal = None

    def abort(self) -> None:
        """Throw the unfinished segment away; finished ones are kept for `--resume`, or nothing if there are none."""
        if self._segment is not None:
            self._segment.discard()
            self._segment = None
        if self._journal is None:
            return
        if self._journal.segments:
            self._journal.close()
        else:
            self._journal.remove()
            self._journal = None

    def _open_encoder(self, spec: FrameSpec) -> tuple[Encoding, Pictures]:
        """Take the device's encoder where it is to be had, else the processor's, and say why."""
        border, notice = self._job.border, self._encoder.notice
        if self._encoder.border is not None:
            opened = open_device_encoder(self._encoder, self._job.settings, spec, self.target)
            if not isinstance(opened, str):
                return opened
            notice = opened
        if notice is not None:
            self.report.notices.append(notice)
        encoding = encoding_for(self._codec, self._job.settings, spec)
        if border is None:
            return encoding, PictureRing(encoding.picture, spec, threads=encoding.threads)
        return encoding, brought_down(border.device, encoding.picture, spec, threads=encoding.threads)

    def _write(self, frame: Frame) -> None:
        time_base = self._encoding.time_base
        picture = self._pictures.fill(frame)
        pts = picture.pts
        assert pts is not None
        if self._last_pts is not None and pts <= self._last_pts:
            raise TimestampError(
                f"frame {frame.index}: got time {frame.time} s, not later than the frame before it; "
                "times must increase at every point of the chain"
            )
        is_cut = self._segment is not None and frame.shot != self._last_shot
        if self._segment is not None and is_cut and pts - self._segment.first_pts >= self._shortest:
            self._close_segment(self._segment, frame.shot, pts)
        if self._segment is None:
            self._segment = self._open_segment(frame.shot)
        self._segment.add(picture)
        self._end_pts = pts + self._duration_of(frame, pts, time_base)
        self._last_pts, self._last_shot = pts, frame.shot
        self.report.frames += 1

    def _duration_of(self, frame: Frame, pts: int, time_base: Fraction) -> int:
        """Return how long a frame is shown if none follows it."""
        if self._spec.rate is not None:
            return coded_time(1 / self._spec.rate, time_base)
        if frame.duration is not None and frame.duration > 0:
            return max(1, round(frame.duration / time_base))
        return pts - self._last_pts if self._last_pts is not None else max(1, round(self._encoding.step / time_base))

    def _open_segment(self, shot: int) -> SegmentFile:
        assert self._journal is not None
        name = f"{len(self._journal.segments):06d}.{self._encoding.video_codec.segment_format}"
        return SegmentFile(self._work / name, self._encoding, shot)

    def _close_segment(self, segment: SegmentFile, next_shot: int, end_pts: int) -> None:
        assert self._journal is not None
        self._journal.append(segment.finish(next_shot, end_pts))
        self._segment = None

    def _film(self, journal: Journal) -> Film:
        provenance = self._job.provenance
        source = _source_metadata(self._film_source)
        return Film(
            folder=self._work,
            segments=journal.segments,
            encoding=self._encoding,
            start=self._spec.start,
            metadata=source if provenance is None else provenance.metadata(source, self._container.provenance_key),
            source_rate=self._job.source_rate,
        )


def _check_folder(target: Path) -> None:
    folder = target.parent
    if not folder.is_dir():
        raise EncodeError(f"{target}: cannot be written: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EncodeError(f"{target}: cannot be written: no permission to write in {folder}; choose another folder")


def _check_unfinished(target: Path, work: Path, job: WriteJob) -> None:
    if target.is_dir():
        raise ConfigError(f"{target}: is a folder; name a film file inside it")
    if target.exists() and job.source is not None and job.source.exists() and target.samefile(job.source):
        raise ConfigError(f"{target}: is the film itself; choose another name for the restored one")
    if target.exists() and not job.overwrite:
        raise ConfigError(f"{target}: exists already; give --overwrite to replace it, or choose another name")
    if work.exists() and not (job.resume or job.overwrite):
        raise ConfigError(
            f"{target}: unfinished work of an earlier run lies in {work.name}; "
            "give --resume to go on with it, or --overwrite to start anew"
        )


def _film_file(source: Path | None) -> Path | None:
    """Return the source where it is a file that may hold other tracks; pictures do not."""
    is_film = source is not None and source.is_file() and source.suffix.lower() not in PICTURE_FORMATS
    return source if is_film else None


def _source_metadata(source: Path | None) -> Mapping[str, str]:
    if source is None:
        return {}
    try:
        with av.open(str(source), metadata_errors="replace") as container:
            return dict(container.metadata)
    except (OSError, FFmpegError):
        log.warning("%s: its metadata cannot be read again and is not carried over", source)
        return {}
