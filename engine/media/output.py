"""What every writer takes and gives: the job, the report, and the contract of the chain's last step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from engine import chain_ends
from engine.media.device.border import Border
from engine.media.provenance import Provenance
from engine.settings import OutputSettings


@dataclass(slots=True, kw_only=True)
class WriteReport:
    """What was written.

    frames : pictures in the output, those of an earlier run included
    frames_kept : of these, finished by an earlier run
    seconds : length of the picture
    bytes : of the finished file
    notices : what could not be kept or was changed, one line each
    damaged_packets : of sound and subtitles
    """

    frames: int = 0
    frames_kept: int = 0
    seconds: Fraction = Fraction(0)
    bytes: int = 0
    notices: list[str] = field(default_factory=list[str])
    damaged_packets: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteJob:
    """What a writer needs to know beside the frames.

    settings : codec, quality, threads, ...
    source : the film, for its sound, subtitles and metadata; None for a pipe or pictures
    source_rate : pictures per second of the source, for its timecode
    provenance : what is done to the film
    threads : how the cores are divided among the stages; an interrupted run must go on with the same
    resume : go on with unfinished work, where there is any
    overwrite : replace an existing target, and without `resume` throw unfinished work away
    border : FFmpeg on the device that the chain runs on, where writers of films then take its frames; None: the chain
        runs on the processor
    """

    settings: OutputSettings = field(default_factory=OutputSettings)
    source: Path | None = None
    source_rate: Fraction | None = None
    provenance: Provenance | None = None
    threads: Mapping[str, int] = field(default_factory=dict[str, int])
    resume: bool = False
    overwrite: bool = False
    border: Border | None = None


class Writer(chain_ends.Writer, Protocol):
    """The end of the chain that `open_writer` gives; after `finish` or `abort` the writer is spent."""

    report: WriteReport

    @property
    def next_shot(self) -> int:
        """The first shot that is still to be written; known after `open`."""
        ...

    @property
    def can_resume(self) -> bool:
        """Whether an interrupted run leaves work with which a later one can go on; to be asked after `abort`."""
        ...
