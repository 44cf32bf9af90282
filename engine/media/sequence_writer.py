"""Pictures in numbered files: PNG, TIFF, DPX, JPEG.

Each file is whole or not there. Shots are noted in a journal as they are finished, so that an interrupted run goes on
with the right number: a shot's manifest (the names and sizes of its files) takes the place of a film's segment.
"""

import os
import re
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from engine.errors import ConfigError, EncodeError
from engine.frame import Frame
from engine.media.codecs import coded_time_base
from engine.media.color import output_color
from engine.media.durable import flush_file, partial, publish, writing
from engine.media.journal import Journal, journal_head
from engine.media.layout import LAYOUTS
from engine.media.output import WriteJob, WriteReport
from engine.media.picture_files import PICTURE_FORMATS, PictureFormat
from engine.media.pictures import CodedPicture, PictureRing
from engine.media.provenance import write_sidecar
from engine.media.segments import SegmentRecord, file_sha256
from engine.types import FrameSpec, PixelFormat

_PATTERN = re.compile(r"%(0\d+)?d")
_DEFAULT_NAME = "%06d.png"
_FIRST_NUMBER = 1
_WORK_FOLDER = "farshore.part"


def is_sequence(target: Path | str) -> bool:
    """Whether a target means pictures: a pattern, a picture's extension, a folder, or a name that ends with a slash."""
    path = Path(target)
    return (
        path.suffix.lower() in PICTURE_FORMATS
        or _PATTERN.search(path.name) is not None
        or path.is_dir()
        or str(target).endswith(os.sep)
    )


def sequence_work_folder(target: Path) -> Path:
    """Return where the unfinished work for a target lies."""
    return _pattern_of(target).parent / _WORK_FOLDER


class SequenceWriter:
    """Writes each frame into a picture file of its own.

    Parameters
    ----------
    target : a pattern such as `out/%06d.tif` (numbers begin at 1), a folder (`%06d.png` inside it), or one picture's
        name, for a film of one frame
    job : see `WriteJob`; of the settings the bit depth counts, deeper than 8 meaning 16
    """

    def __init__(self, target: Path, job: WriteJob) -> None:
        self._pattern = _pattern_of(target)
        self._folder = self._pattern.parent
        self._format = PICTURE_FORMATS.get(self._pattern.suffix.lower())
        if self._format is None:
            known = " ".join(PICTURE_FORMATS)
            raise ConfigError(f"{target}: got the extension {self._pattern.suffix!r}; wanted one of {known}")
        if job.settings.codec is not None:
            raise ConfigError(f"codec: got {job.settings.codec} for pictures; their extension says it; leave it out")
        self._job = job
        self._work = sequence_work_folder(target)
        self.report = WriteReport()
        self._journal: Journal | None = None
        self._check_target()

    @property
    def next_shot(self) -> int:
        """The first shot that is still to be written; known after `open`."""
        return self._journal.next_shot if self._journal is not None else 0

    @property
    def can_resume(self) -> bool:
        """Whether finished shots are noted for a later run."""
        return self._journal is not None and bool(self._journal.segments)

    def open(self, spec: FrameSpec) -> None:
        """Make the folder, or take it up where an earlier run left it."""
        assert self._format is not None
        depth = self._job.settings.bit_depth or spec.bit_depth
        pix_fmt = self._format.pix_fmts[spec.format is PixelFormat.GRAY, depth > 8]
        layout = LAYOUTS[pix_fmt]
        color = output_color(spec.color, family=layout.family, is_full_range=True, height=spec.height)
        coded = CodedPicture(
            pix_fmt=pix_fmt, width=spec.width, height=spec.height, color=color, time_base=coded_time_base(spec)
        )
        self._spec = spec
        self._pictures = PictureRing(coded, spec)
        self._encoder = _open_encoder(self._format, coded, spec)
        self._say_what_is_lost(spec)
        with writing(self._folder):
            self._folder.mkdir(exist_ok=True)
        head = journal_head(self._job, {"pictures": coded, "frames": spec, "pattern": self._pattern.name})
        resumes = self._job.resume and self._work.is_dir()
        self._journal = (Journal.open if resumes else Journal.create)(self._work, head)
        self.report.frames = self.report.frames_kept = sum(r.frames for r in self._journal.segments)
        self._shot: int | None = None
        self._lines: list[str] = []
        self._pts = self._first_pts = 0

    def write(self, frame: Frame) -> None:
        """Write a frame and release it."""
        try:
            if frame.ready is not None:
                frame.ready.synchronize()
            if self._shot is not None and frame.shot != self._shot:
                self._finish_shot(frame.shot)
            path = self._path(_FIRST_NUMBER + self.report.frames)
            picture = self._pictures.fill(frame)
            assert picture.pts is not None
            if self._shot is None:
                self._shot, self._first_pts = frame.shot, picture.pts
            self._pts = picture.pts
            with writing(path):
                data = b"".join(bytes(packet) for packet in self._encoder.encode(picture))
                partial(path).write_bytes(data)
                partial(path).replace(path)
            self._lines.append(f"{len(data)} {path.name}\n")
            self.report.frames += 1
            self.report.bytes += len(data)
        finally:
            frame.release()

    def finish(self) -> None:
        """Note the last shot, write what was done beside the pictures, remove the journal."""
        assert self._journal is not None
        if not self.report.frames:
            raise EncodeError(f"{self._pattern}: not a single frame came; nothing is written")
        if self._shot is not None:
            self._finish_shot(self._shot + 1)
        self.report.seconds = self.report.frames / (self._spec.rate or Fraction(24))
        if self._job.provenance is not None:
            write_sidecar(self._pattern, self._job.provenance)
        self._journal.remove()
        self._journal = None

    def abort(self) -> None:
        """Stop; finished shots are noted for `--resume`. Pictures of the unfinished one stay: each is whole."""
        if self._journal is None:
            return
        if self._journal.segments:
            self._journal.close()
        else:
            self._journal.remove()
            self._journal = None

    def _finish_shot(self, next_shot: int) -> None:
        """Write the shot's manifest and note it: from here on a later run begins behind the shot."""
        assert self._journal is not None
        assert self._shot is not None
        path = self._work / f"{len(self._journal.segments):06d}.txt"
        with writing(path):
            for line in self._lines:
                flush_file(self._folder / line.split(" ", 1)[1].rstrip("\n"))
            partial(path).write_text("".join(self._lines), encoding="utf-8")
            publish(partial(path), path)
        record = SegmentRecord(
            file=path.name,
            first_shot=self._shot,
            next_shot=next_shot,
            frames=len(self._lines),
            first_pts=self._first_pts,
            tail_pts=(self._pts,),
            end_pts=self._pts,
            bytes=path.stat().st_size,
            sha256=file_sha256(path),
        )
        self._journal.append(record)
        self._shot, self._lines = None, []

    def _path(self, number: int) -> Path:
        name = self._pattern.name
        if _PATTERN.search(name):
            return self._pattern.with_name(_PATTERN.sub(lambda m: f"{number:{m[1] or ''}d}", name, count=1))
        if number > _FIRST_NUMBER:
            raise ConfigError(
                f"{self._pattern}: names one picture, but the film has more; "
                f"give a pattern such as {self._pattern.stem}-%06d{self._pattern.suffix}"
            )
        return self._pattern

    def _check_target(self) -> None:
        if not self._folder.is_dir() and not self._folder.parent.is_dir():
            raise EncodeError(f"{self._folder}: cannot be made: no folder {self._folder.parent}; make that first")
        if self._work.exists() and not (self._job.resume or self._job.overwrite):
            raise ConfigError(
                f"{self._folder}: unfinished work of an earlier run lies in {self._work.name}; "
                "give --resume to go on with it, or --overwrite to start anew"
            )
        is_resumed = self._job.resume and self._work.exists()
        existing = self._path(_FIRST_NUMBER)
        if existing.exists() and not (self._job.overwrite or is_resumed):
            raise ConfigError(f"{existing}: exists already; give --overwrite to replace it, or choose another folder")

    def _say_what_is_lost(self, spec: FrameSpec) -> None:
        if self._job.source is not None:
            self.report.notices.append("pictures hold no sound, subtitles or chapters; take them from the film")
        if spec.rate is None:
            self.report.notices.append("pictures hold no times, and this film's rate varies")


def _pattern_of(target: Path) -> Path:
    is_folder = target.is_dir() or (not target.suffix and not _PATTERN.search(target.name))
    return target / _DEFAULT_NAME if is_folder else target


def _open_encoder(kind: PictureFormat, coded: CodedPicture, spec: FrameSpec) -> VideoCodecContext:
    context = av.CodecContext.create(kind.encoder, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = coded.width, coded.height
    context.pix_fmt = kind.coded.get(coded.pix_fmt, coded.pix_fmt)
    context.time_base, context.framerate = coded.time_base, spec.rate or Fraction(24)
    context.sample_aspect_ratio = spec.sample_aspect
    context.options = dict(kind.options)
    context.thread_count = 1  # one picture in, one packet out
    return context
