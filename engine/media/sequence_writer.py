"""Pictures in numbered files: PNG, TIFF, DPX, JPEG.

Each file is whole or not there. Shots are noted in a journal as they are finished, so that an interrupted run goes on
with the right number: a shot's manifest (the names and sizes of its files) takes the place of a film's segment.
"""

import contextlib
import logging
import os
import re
from fnmatch import fnmatch
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from engine.device.base import Device, Stream
from engine.errors import ConfigError, DecodeError, EncodeError
from engine.file_hash import file_sha256
from engine.frame import Frame
from engine.media.codecs import coded_time_base
from engine.media.color import output_color
from engine.media.durable import flush_file, partial, publish, writing
from engine.media.journal import Journal, JournalHead, journal_head
from engine.media.layout import LAYOUTS
from engine.media.opening import find_pictures
from engine.media.output import WriteJob, WriteReport
from engine.media.picture_files import PICTURE_FORMATS, PictureFormat
from engine.media.pictures import CodedPicture, PictureRing
from engine.media.provenance import write_sidecar
from engine.media.segments import SegmentRecord
from engine.types import FrameSpec, PixelFormat

log = logging.getLogger(__name__)

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

    device: Device | None = None
    stream: Stream | None = None

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
        self._shot: int | None = None
        self._lines: list[str] = []
        self._pts = self._first_pts = 0
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
        self._journal = self._take_up(head) if resumes else Journal.create(self._work, head)
        self.report.frames = self.report.frames_kept = sum(r.frames for r in self._journal.segments)

    def write(self, frame: Frame) -> None:
        """Write a frame and release it."""
        try:
            path = self._path(_FIRST_NUMBER + self.report.frames)
            if self._shot is not None and frame.shot != self._shot:
                self._finish_shot(frame.shot)
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
        """Note the last shot, write what was done beside the pictures, remove the journal.

        Where an older sequence was overwritten, its pictures with higher numbers are removed too.
        """
        assert self._journal is not None
        if not self.report.frames:
            raise EncodeError(f"{self._pattern}: not a single frame came; nothing is written")
        if self._shot is not None:
            self._finish_shot(self._shot + 1)
        self.report.seconds = self.report.frames / (self._spec.rate or Fraction(24))
        if self._job.provenance is not None:
            write_sidecar(self._pattern, self._job.provenance)
        if self._job.overwrite:
            self._remove_above(_FIRST_NUMBER + self.report.frames - 1)
        self._journal.remove()
        self._journal = None

    def abort(self) -> None:
        """Stop; finished shots are noted for `--resume`. Pictures of the unfinished one are removed."""
        if self._journal is None:
            return
        for path in self._unfinished_files():
            with contextlib.suppress(OSError):  # the error that led here is the one to tell
                path.unlink(missing_ok=True)
        self._shot, self._lines = None, []
        if self._journal.segments:
            self._journal.close()
        else:
            self._journal.remove()
            self._journal = None

    def _take_up(self, head: JournalHead) -> Journal:
        """Go on with the journal; from the first shot on that lacks a picture, everything is made again."""
        journal = Journal.open(self._work, head)
        for record in journal.segments:
            manifest = self._work / record.file
            spoiled = self._spoiled_picture(manifest)
            if spoiled is not None:
                log.warning("%s: is missing or damaged; its shot and what follows is made again", spoiled)
                with writing(manifest):
                    manifest.unlink()  # a segment without its file is dropped, with all behind it
                journal.close()
                return Journal.open(self._work, head)
        return journal

    def _spoiled_picture(self, manifest: Path) -> Path | None:
        """Return the first picture of a finished shot that is gone or of another size."""
        for line in manifest.read_text(encoding="utf-8").splitlines():
            size, path = int(line.split(" ", 1)[0]), self._folder / _name_in(line)
            if not path.is_file() or path.stat().st_size != size:
                return path
        return None

    def _unfinished_files(self) -> list[Path]:
        """Return the files of the shot that is not noted yet, the one just being written included."""
        paths = [self._folder / _name_in(line) for line in self._lines]
        with contextlib.suppress(ConfigError):  # one picture's name has no second
            paths.append(partial(self._path(_FIRST_NUMBER + self.report.frames)))
        return paths

    def _remove_above(self, last: int) -> None:
        with writing(self._folder):
            for path in list(self._folder.iterdir()):
                number = self._number_of(path.name)
                if number is not None and number > last:
                    path.unlink()

    def _finish_shot(self, next_shot: int) -> None:
        """Write the shot's manifest and note it: from here on a later run begins behind the shot."""
        assert self._journal is not None
        assert self._shot is not None
        path = self._work / f"{len(self._journal.segments):06d}.txt"
        with writing(path):
            for line in self._lines:
                flush_file(self._folder / _name_in(line))
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

    def _number_of(self, name: str) -> int | None:
        """Return which picture bears this name; None where it is not of the pattern. The inverse of `_path`."""
        place = _PATTERN.search(self._pattern.name)
        if place is None:
            return _FIRST_NUMBER if name == self._pattern.name else None
        before, after = self._pattern.name[: place.start()], self._pattern.name[place.end() :]
        digits = re.fullmatch(f"{re.escape(before)}([0-9]+){re.escape(after)}", name)
        number = int(digits[1]) if digits is not None else None
        return number if number is not None and self._path(number).name == name else None

    def _would_replace_source(self) -> bool:
        """Whether a picture to be written could take the place of the film's own, or be taken for one of them."""
        source = self._job.source
        if source is None:
            return False
        try:
            pictures = find_pictures(source) or ()
        except DecodeError:  # a URL: no pictures of ours
            return False
        folder = self._folder.resolve()
        paths = {path for p in pictures for path in (p.path, p.path.resolve() if p.path.is_symlink() else p.path)}
        shared = {parent for parent in {path.parent for path in paths} if parent.resolve() == folder}
        if any(path.parent in shared and self._number_of(path.name) is not None for path in paths):
            return True
        if source.is_dir():
            return source.resolve() == folder
        if source.exists() or source.parent.resolve() != folder:
            return False
        is_same_pattern = _without_width(source.name) == _without_width(self._pattern.name)
        return is_same_pattern or fnmatch(self._path(_FIRST_NUMBER).name, source.name)

    def _check_target(self) -> None:
        if self._would_replace_source():
            raise ConfigError(
                f"{self._pattern}: would write among the pictures of the film itself ({self._job.source}); "
                "choose another folder for the restored ones"
            )
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


def _without_width(pattern: str) -> str:
    return re.sub(r"%\d*d", "%d", pattern)


def _name_in(line: str) -> str:
    """Return the file's name in a line of a manifest."""
    return line.split(" ", 1)[1].rstrip("\n")


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
