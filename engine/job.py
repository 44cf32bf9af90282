"""One film, from file to file: opens reader, chain and writer as the settings ask, and says what was done."""

import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

from engine.backends.watched import WatchedBackend
from engine.chain import Chain, build_chain, open_backend
from engine.chrome_trace import check_trace_path, write_chrome_trace
from engine.errors import ConfigError, InternalError
from engine.file_hash import named_sha256
from engine.media.device.border import Border, border_of
from engine.media.losses import Losses
from engine.media.probe import FilmInfo
from engine.media.provenance import ModelMark, Provenance, plain
from engine.media.provenance import read as read_provenance
from engine.media.reader import FilmReader
from engine.media.writer import WriteJob, Writer, open_writer, recorded_threads, takes_device_frames
from engine.metrics import Metrics
from engine.model import Model
from engine.pipeline import Pipeline
from engine.run_report import Progress, RunReport
from engine.settings import Settings
from engine.stages.inspect import inspect_film
from engine.trace import Trace
from engine.types import FrameSpec, PixelFormat

log = logging.getLogger(__name__)

CADENCE_FRAMES = 300
"""Frames at the film's beginning by which its true rate is judged before a multiple of it is laid out."""

PIPE = "-"
"""Stands for stdin or stdout."""


def farshore_version() -> str:
    """Return the installed version; "0+source" where farshore runs from a checkout that was never installed."""
    try:
        return version("farshore")
    except PackageNotFoundError:
        return "0+source"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What a job will do; known when it is open.

    source : what is in the film's file
    spec_in, spec_out : frames as read, and as written
    stages : names, in order
    models : that will run
    thread_split : stage → threads
    notices : what the user should know before it starts
    resumed_from_shot : the first shot still to be done; 0 for a new run
    frames_expected : of the source, as its file says; None where it does not
    duration : of the source, seconds, exact; None where unknown
    """

    source: FilmInfo
    spec_in: FrameSpec
    spec_out: FrameSpec
    stages: tuple[str, ...]
    models: tuple[Model, ...]
    thread_split: dict[str, int]
    notices: tuple[str, ...]
    resumed_from_shot: int
    frames_expected: int | None
    duration: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """What a job did.

    target : as asked for
    run : frames and times
    losses : what could not be read; true where pictures are missing or damaged
    notices : everything else the user should know, a line each
    shots, repeats : found in the film
    cadence : the film's true motion in words
    frames_kept : frames of the output that an earlier, interrupted run had finished
    """

    target: str
    run: RunReport
    losses: Losses
    notices: tuple[str, ...]
    shots: int
    repeats: int
    cadence: str
    frames_kept: int = 0
    provenance: Provenance = field(default_factory=lambda: Provenance(version="", source=""))

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "target": self.target,
            "frames_in": self.run.frames_in,
            "frames_out": self.run.frames_out,
            "frames_kept": self.frames_kept,
            "shots": self.shots,
            "repeats": self.repeats,
            "cadence": self.cadence,
            "losses": self.losses.to_json(),
            "failures": {stage: dict(causes) for stage, causes in self.run.failures.items()},
            "notices": list(self.notices),
            "latency": self.run.latency.to_json(),
            "thread_split": dict(self.run.thread_split),
            "lanes": {stage: asdict(choice) for stage, choice in self.run.lanes.items()},
            "provenance": plain(self.provenance),
        }


class Job:
    """Restores one film.

    Call `open`, then `run`, then `close`; `stop` may be called from a signal handler or another thread.

    Parameters
    ----------
    source : a film file, a picture sequence, or "-" for stdin
    target : a film file, a picture sequence, or "-" for stdout (Y4M)
    settings : of the restoration
    resume : go on with an interrupted run of the same film, settings and models
    overwrite : replace an existing target
    trace : file to write a Chrome trace of the run to
    metrics : shows the run's figures while it lasts
    """

    def __init__(
        self,
        source: str | Path,
        target: str | Path,
        settings: Settings,
        *,
        resume: bool = False,
        overwrite: bool = False,
        trace: Path | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.source, self.target, self.settings = str(source), str(target), settings
        self._resume, self._overwrite, self._trace_path = resume, overwrite, trace
        self._trace = None if trace is None else Trace()
        self._metrics = metrics
        self._reader: FilmReader | None = None
        self._pipeline: Pipeline | None = None
        self._is_stopped = False

    def open(self) -> JobPlan:
        """Read the film's head, load the models, measure, prepare the output.

        Raises
        ------
        ConfigError, DecodeError, EncodeError, ModelError, ResumeError
            Something asked for is not to be had; nothing was written.
        """
        settings = self.settings
        if self._trace_path is not None:
            check_trace_path(self._trace_path)
        backend = open_backend(settings.runtime)
        border = border_of(backend.device)
        brings_up = settings.runtime.streams == "stage"  # else the film is inspected on the host
        self._reader = reader = FilmReader(self.source, settings=settings.input, border=border, brings_up=brings_up)
        colorize = settings.colorize.mode == "always" or (settings.colorize.mode == "auto" and reader.is_grey)
        reader.deliver(PixelFormat.GRAY if colorize or reader.has_no_chroma else PixelFormat.RGB)
        self._chain = chain = build_chain(
            settings,
            colorize=colorize,
            true_rate=self._true_rate(),
            backend=backend if self._trace is None else WatchedBackend(backend, self._trace),
            starts_on_device=reader.is_on_device,
            ends_on_device=takes_device_frames(self.target, settings.output, border),
        )
        if reader.is_on_device:
            reader.prepare(chain.frames_of_reader)
        self._provenance = Provenance(
            version=farshore_version(),
            source=os.fsencode(Path(self.source).name).decode("utf-8", "replace"),
            settings=_told(settings),
            models=tuple(
                ModelMark(role=model.card.role, name=model.card.name, version=model.card.version, sha256=model.sha256)
                for model in chain.models
            ),
            before=read_provenance(Path(self.source)) if self._is_file else None,
        )
        threads = self._recorded_threads()
        self._writer = writer = self._open_writer(threads, border)
        self._pipeline = Pipeline(
            reader,
            chain.stages,
            writer,
            queue_frames=settings.runtime.queue_frames,
            cores=settings.runtime.threads,
            thread_split=threads,
            trace=self._trace,
        )
        spec_in = reader.spec
        spec_out = self._pipeline.open()
        if self._metrics is not None:
            self._metrics.watch(self._pipeline, reader.losses)
        chain.inspect.first_shot = writer.next_shot  # known only now that the writer has found its unfinished work
        return JobPlan(
            source=reader.info,
            spec_in=spec_in,
            spec_out=spec_out,
            stages=tuple(stage.name for stage in chain.stages),
            models=tuple(chain.models),
            thread_split=dict(self._pipeline.thread_split),
            notices=(*_notices(chain, colorize=colorize), *reader.notices, *writer.report.notices),
            resumed_from_shot=writer.next_shot,
            frames_expected=reader.info.video.frames,
            duration=reader.info.duration,
        )

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> JobReport:
        """Restore the film; return when its output is complete under its final name.

        Raises
        ------
        Interrupted
            `stop` was called; finished shots are kept beside the target.
        FarshoreError
            The run failed; nothing appeared under the final name.
        """
        if self._pipeline is None or self._reader is None:
            raise InternalError("Job.run was called before Job.open")
        if self._is_stopped:
            self._pipeline.stop()
        run = self._pipeline.run(on_progress)
        if self._trace is not None and self._trace_path is not None:
            write_chrome_trace(self._trace_path, self._trace, title=f"farshore: {Path(self.source).name}")
        written, inspect = self._writer.report, self._chain.inspect
        return JobReport(
            target=self.target,
            run=run,
            losses=self._reader.losses,
            notices=(*_licences(self._chain), *self._reader.notices, *written.notices),
            shots=inspect.shots,
            repeats=inspect.repeats_found,
            cadence=str(inspect.cadence),
            frames_kept=written.frames_kept,
            provenance=self._provenance,
        )

    def stop(self) -> None:
        """Ask the run to end soon, or not to begin; `run` then raises `Interrupted`."""
        self._is_stopped = True
        if self._pipeline is not None:
            self._pipeline.stop()

    def close(self) -> None:
        """Give files back; needed where `open` succeeded and `run` was not called."""
        if self._reader is not None:
            self._reader.close()

    @property
    def _is_file(self) -> bool:
        return self.source != PIPE and Path(self.source).is_file()

    def _true_rate(self) -> Fraction | None:
        """Look at the film's beginning for the rate of its motion, where a factor is to multiply it.

        None where no multiple is asked for, nothing regular is seen, or the film comes from a pipe and passes but once.
        """
        if self.settings.interpolate.factor is None or self.source == PIPE:
            return None
        with FilmReader(self.source, settings=self.settings.input) as reader:
            reader.deliver(PixelFormat.GRAY)
            cadence = inspect_film(islice(reader.frames(), CADENCE_FRAMES), reader.spec)
        return cadence.true_rate if cadence.is_regular else None

    def _recorded_threads(self) -> dict[str, int]:
        if not self._resume or self.target == PIPE:
            return {}
        return dict(recorded_threads(Path(self.target)) or {})

    def _open_writer(self, threads: dict[str, int], border: Border | None) -> Writer:
        assert self._reader is not None
        job = WriteJob(
            settings=self.settings.output,
            source=None if self.source == PIPE else Path(self.source),
            source_rate=self._reader.spec.rate,
            provenance=self._provenance,
            threads=threads,
            resume=self._resume,
            overwrite=self._overwrite,
            border=border,
        )
        return open_writer(self.target, job)


def _told(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain values, references by name and hash: where they lie is nobody's business.

    A resumed run compares these, so that it notices a picture that was changed.
    """
    told: dict[str, Any] = plain(settings)
    told["colorize"]["references"] = [
        named_sha256(path, "reference", ConfigError) for path in settings.colorize.references
    ]
    return told


def _notices(chain: Chain, *, colorize: bool) -> tuple[str, ...]:
    """Say what was assumed of models, and which licences forbid commercial use."""
    lines = [f"model {model.card.name}: assumed {assumed}" for model in chain.models for assumed in model.card.assumed]
    lines += _licences(chain)
    if not colorize:
        lines.append("the film has colour of its own; it is not coloured (--colorize always would)")
    return tuple(lines)


def _licences(chain: Chain) -> list[str]:
    """Return the terms of the models that may not be used for everything, a line each."""
    return [
        f"model {model.card.name}: {model.card.licence}; commercial use: {model.card.commercial_use}"
        for model in chain.models
        if model.card.commercial_use != "yes"
    ]
