"""Pick the writer for a target."""

from collections.abc import Mapping
from pathlib import Path

from engine.media.codecs import codec_name
from engine.media.device.border import Border
from engine.media.device.encoding import choose_encoder
from engine.media.journal import peek
from engine.media.output import WriteJob, Writer, WriteReport
from engine.media.segmented_writer import SegmentedWriter, work_folder
from engine.media.sequence_writer import SequenceWriter, is_sequence, sequence_work_folder
from engine.media.y4m import Y4MWriter
from engine.settings import OutputSettings

__all__ = [
    "WriteJob",
    "WriteReport",
    "Writer",
    "open_writer",
    "recorded_threads",
    "takes_device_frames",
    "unfinished_work",
]

STDOUT = "-"


def open_writer(target: Path | str, job: WriteJob) -> Writer:
    """Return the writer for a target, checked but not opened.

    Parameters
    ----------
    target : a film file; a folder, or a pattern such as `out/%06d.png`, for pictures; "-" for Y4M on stdout
    job : the rest

    Raises
    ------
    ConfigError
        The target exists, unfinished work lies beside it, or its kind cannot hold what is asked for.
    EncodeError
        The folder is missing or cannot be written, or the encoder is missing.
    """
    if str(target) == STDOUT:
        return Y4MWriter.to_stdout(job)
    if is_sequence(target):
        return SequenceWriter(Path(target), job)
    return SegmentedWriter(Path(target), job)


def takes_device_frames(target: Path | str, settings: OutputSettings, border: Border | None) -> bool:
    """Return whether the writer for a target wants frames that lie on the device; the chain is to end there.

    Writers of films do, whoever encodes; those of pictures and pipes work on the host.

    Parameters
    ----------
    target, settings : as for `open_writer`
    border : FFmpeg on the device that the chain runs on; None: it runs on the processor

    Raises
    ------
    ConfigError, EncodeError
        The device's encoder is asked for and cannot be had for this target.
    """
    is_film = str(target) != STDOUT and not is_sequence(target)
    codec = codec_name(Path(target), settings) if is_film else None
    choose_encoder(settings, border, codec)
    return is_film and border is not None


def unfinished_work(target: Path | str) -> Path | None:
    """Return the folder where an interrupted run for a target left its work; None where there is none."""
    if str(target) == STDOUT:
        return None
    folder = sequence_work_folder(Path(target)) if is_sequence(target) else work_folder(Path(target))
    return folder if folder.is_dir() else None


def recorded_threads(target: Path | str) -> Mapping[str, int] | None:
    """Return how an interrupted run divided the cores, to go on with the same; None where there is none."""
    folder = unfinished_work(target)
    head = peek(folder) if folder is not None else None
    return None if head is None else head.threads
