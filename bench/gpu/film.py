"""A film on a GPU, from file to file: how fast, who decodes and codes it, and how far all of it overlaps."""

import gzip
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from math import log10
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.gpu.chain import RATE, ChainResult, judged, run_figures, why_slow
from bench.gpu.outcome import outcome_of
from bench.gpu.roof import Precision
from bench.latency.film import write_film
from engine.device.base import Device
from engine.errors import FarshoreError
from engine.job import Job, JobReport
from engine.media.reader import FilmReader
from engine.settings import ColorizeSettings, InterpolateSettings, OutputSettings, RuntimeSettings, Settings
from engine.types import PixelFormat

PRECISIONS: tuple[Precision, ...] = ("fp16", "fp32")
"""Of the film's models: the first that the backend does not refuse."""

FACTOR = 2

TRACE_BYTES = 3_000_000
"""Size from which a trace, packed, is not kept: results lie in the repository."""

COMPARED_FRAMES = 24

LEAST_LIKENESS_DB = 22.0
"""PSNR that the luma of restored pictures must have against the film's own. Of the drawn film
restoring leaves 31 dB, a shift by 8 rows 19, plain grey 17, another picture 13, rows of a wrong length 11 (640x480)."""

Coder = Literal["device", "software"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmResult(ChainResult):
    """One film; figures as of the chain, with what `decode` and `encode` take among the stages.

    outcome : ``right``: it is whole, shows the film, and where the GPU decodes and codes it ran nearly as fast as its
        slowest stage
    film_frames : 0 where it did not run
    decoder, encoder : whose: NVDEC and NVENC, or the processor's; None: it did not run
    notices : of the job: why the processor decodes or codes, licences
    slow : that it ran slower than its slowest stage, where that does not count
    likeness_db : luma of its first pictures against the film's own
    trace : name of the run's Chrome trace, gzipped, which lies beside the result
    no_trace : why there is none
    """

    decoder: Coder | None = None
    encoder: Coder | None = None
    notices: tuple[str, ...] = ()
    slow: str | None = None
    likeness_db: float | None = None
    trace: str | None = None
    no_trace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a restored film shows.

    frames : as its file says
    likeness_db : PSNR of its luma against the film's own, over the first frames; None: equal
    """

    frames: int | None
    likeness_db: float | None


def draw_film(folder: Path, size: tuple[int, int], frames: int) -> Path:
    """Write an aged film, H.264, of a width and height and of at least so many frames; return where it is."""
    path = folder / "film.mp4"
    write_film(path, width=size[0], height=size[1], rate=RATE, frames=frames)
    return path


def check_film(
    backend: str, device: Device, film: Path, trace: Path, *, size: tuple[int, int], least: float
) -> Iterator[FilmResult]:
    """Yield what became of a film in half precision; where the backend refuses that, in float32 too.

    Parameters
    ----------
    backend : as the settings name it
    device : the backend's
    film : the file
    trace : where to keep the trace of the run, gzipped
    size : width and height of the film
    least : efficiency that is right
    """
    for precision in PRECISIONS:
        runtime = RuntimeSettings(
            backend=backend,  # pyright: ignore[reportArgumentType] - the settings check it
            device=str(device.ordinal),
            precision=precision,
        )
        result = run_film(runtime, film, trace, size=size, least=least)
        yield result
        if result.outcome != "refused":
            return


def run_film(runtime: RuntimeSettings, film: Path, trace: Path, *, size: tuple[int, int], least: float) -> FilmResult:
    """Restore a film, interpolate it to twice its rate and colour it, as `farshore restore` does.

    An error of ours ends up in the result. Parameters are those of `check_film`.
    """
    trace.unlink(missing_ok=True)  # an earlier check's
    about = FilmResult(width=size[0], height=size[1], film_frames=0, precision=runtime.precision, outcome="right")
    with tempfile.TemporaryDirectory(prefix="farshore-film-") as folder:
        target, unpacked = Path(folder) / "restored.mp4", Path(folder) / "trace.json"
        try:
            report = _restore(film, target, runtime, unpacked)
            shown = look_at(target, film)
        except FarshoreError as error:
            return replace(about, outcome=outcome_of(error), reason=str(error))
        no_trace = keep_trace(unpacked, trace)
    result = replace(
        about,
        decoder=_coder("decoder", report),
        encoder=_coder("encoder", report),
        notices=report.notices,
        likeness_db=shown.likeness_db,
        trace=None if no_trace else trace.name,
        no_trace=no_trace,
        **run_figures(report.run),
    )
    return judged_film(result, what_is_wrong(report, shown), least)


def judged_film(result: FilmResult, reason: str | None, least: float) -> FilmResult:
    """Return a result that is wrong for a reason, or, where the GPU decodes and codes, for being slow.

    What the processor decodes or codes tells of the processor: there slowness is noted and does not count.

    Parameters
    ----------
    reason : as `what_is_wrong` returns it
    least : efficiency that is right
    """
    if reason is not None:
        return replace(result, outcome="wrong", reason=reason)
    if result.decoder == result.encoder == "device":
        return judged(result, least)
    return replace(result, slow=why_slow(result, least))


def what_is_wrong(report: JobReport, shown: Shown) -> str | None:
    """Return what is wrong with a restored film; None: nothing."""
    run = report.run
    if run.failures:
        stage, causes = next(iter(run.failures.items()))
        return f"{run.failed_frames} frames passed through unrestored; {stage}: {next(iter(causes))}"
    if report.losses:
        return f"the film was not read whole: {report.losses.summary()}"
    if run.frames_out != FACTOR * run.frames_in:
        return f"{run.frames_out} frames came of {run.frames_in}; wanted {FACTOR * run.frames_in}"
    if shown.frames != run.frames_out:
        return f"the restored film holds {shown.frames} frames of {run.frames_out}"
    if shown.likeness_db is not None and shown.likeness_db < LEAST_LIKENESS_DB:
        return f"shows something else: {shown.likeness_db:.1f} dB from the film; wanted {LEAST_LIKENESS_DB:.0f} dB"
    return None


def look_at(restored: Path, film: Path) -> Shown:
    """Read both films' first frames, on the processor.

    Raises
    ------
    DecodeError
        One of them cannot be read.
    """
    squares: list[float] = []
    with (
        FilmReader(restored, format=PixelFormat.GRAY) as after,
        FilmReader(film, format=PixelFormat.GRAY) as before,
    ):
        made = islice(after.frames(), 0, None, FACTOR)
        for own, frame in islice(zip(before.frames(), made, strict=False), COMPARED_FRAMES):
            squares.append(float(np.mean((frame.pixels - own.pixels) ** 2)))
            own.release()
            frame.release()
        frames = after.info.video.frames
    mean = float(np.mean(squares))
    return Shown(frames=frames, likeness_db=None if mean == 0 else -10 * log10(mean))


def keep_trace(unpacked: Path, kept: Path) -> str | None:
    """Write a trace gzipped; return why it is not kept, None where it is."""
    packed = gzip.compress(unpacked.read_bytes(), mtime=0)
    if len(packed) >= TRACE_BYTES:
        return f"it takes {len(packed) / 1e6:.1f} MB gzipped; less than {TRACE_BYTES / 1e6:.0f} MB are kept"
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(".unfinished")
    unfinished.write_bytes(packed)
    os.replace(unfinished, kept)
    return None


def film_lines(found: Mapping[str, Any]) -> list[str]:
    """Return a line for each film that ran: how fast, and who decoded and coded it; and one for each word on that.

    Parameters
    ----------
    found : what `bench.gpu.check.check` returns
    """
    lines: list[str] = []
    for name, backend in found["backends"].items():
        for row in backend["films"]:
            if row["efficiency"] is None:
                continue
            what = f"{name}: film {row['width']}x{row['height']} {row['precision']}"
            lines.append(
                f"{what}: {row['frames_per_second']:.1f} film frames/s, efficiency {row['efficiency']:.2f}, overlap "
                f"{row['overlap']:.1f}, decoder {row['decoder']}, encoder {row['encoder']}, "
                f"trace {row['trace'] or 'not kept: ' + row['no_trace']}"
            )
            lines += [f"{what}: {notice}" for notice in row["notices"] if notice.startswith(("decoder: ", "encoder: "))]
            if row["slow"] is not None:
                lines.append(f"{what}: {row['slow']}; not counted, since the processor decodes or codes it")
    return lines


def _restore(film: Path, target: Path, runtime: RuntimeSettings, trace: Path) -> JobReport:
    settings = Settings(
        interpolate=InterpolateSettings(factor=Fraction(FACTOR)),
        colorize=ColorizeSettings(mode="always"),
        output=OutputSettings(codec="h264"),
        runtime=runtime,
    )
    with closing(Job(film, target, settings, trace=trace)) as job:
        job.open()
        return job.run()


def _coder(what: str, report: JobReport) -> Coder:
    """Return who did it: where a device is there and the processor did, the job has a notice that says why."""
    return "software" if any(notice.startswith(f"{what}: ") for notice in report.notices) else "device"
