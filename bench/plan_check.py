"""Check `farshore plan` against this machine: `python -m bench.plan_check`.

Twelve chains (three sizes, four sets of stages) are planned, then run on one core, each in a process of its own.
Frames a second are counted from processor time, so that other programs on a shared machine do not count; memory is the
process's peak. The delay is measured at the smallest size with the film fed at a rate that the chain keeps up with.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

from engine.chain import build_chain
from engine.demo.aged_film import make_aged_film
from engine.frame import Frame
from engine.media.output import WriteJob
from engine.media.reader import FilmReader
from engine.media.writer import open_writer
from engine.pipeline import Pipeline
from engine.planning.demand import survey
from engine.planning.estimate import Estimate, estimate
from engine.planning.host import measure_host
from engine.planning.measure import measure_device
from engine.settings import ColorizeSettings, InterpolateSettings, Settings
from engine.types import FrameSpec, PixelFormat

SIZES = {(320, 240): 72, (640, 480): 36, (1280, 720): 20}
"""Width and height → frames of the film."""

STAGES = {
    "enhance": (False, None),
    "enhance, colorize": (True, None),
    "enhance, interpolate 2x": (False, 2),
    "enhance, interpolate 2x, colorize": (True, 2),
}
"""In words → (coloured, factor)."""

PACE = 0.3
"""Of the planned rate at which the film is fed where the delay is measured; a shared core gives no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: frames of the film per second of processor time, peak bytes of the process, seconds of delay."""

    fps: float
    memory: int
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure as planned and as measured; error is planned ÷ measured − 1."""

    size: str
    stages: str
    figure: str
    planned: float
    low: float
    high: float
    measured: float

    @property
    def error(self) -> float:
        """Share by which the plan is too high."""
        return self.planned / self.measured - 1

    @property
    def is_within(self) -> bool:
        """Whether the measurement lies within the plan's margins."""
        return self.low <= self.measured <= self.high


class PacedReader:
    """A reader that gives a frame every so many seconds, as a signal does."""

    def __init__(self, reader: FilmReader, seconds: float) -> None:
        self._reader, self._seconds = reader, seconds

    @property
    def spec(self) -> FrameSpec:
        """As the film's reader says."""
        return self._reader.spec

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, none before its time."""
        frames, due = self._reader.frames(), time.perf_counter()
        while True:
            time.sleep(max(0.0, due - time.perf_counter()))
            due += self._seconds
            frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """Close the film's reader."""
        self._reader.close()


def settings_of(stages: str) -> Settings:
    """Return the settings of one of `STAGES`."""
    is_coloured, factor = STAGES[stages]
    return Settings(
        interpolate=InterpolateSettings(factor=None if factor is None else Fraction(factor)),
        colorize=ColorizeSettings(mode="always" if is_coloured else "never"),
    )


def run_once(film: Path, stages: str, seconds: float) -> Measured:
    """Run a chain in this process, a frame every `seconds` at most; 0: as fast as it goes."""
    settings = settings_of(stages)
    with tempfile.TemporaryDirectory() as folder, FilmReader(str(film), settings=settings.input) as reader:
        reader.deliver(PixelFormat.GRAY)
        chain = build_chain(settings, colorize=settings.colorize.mode == "always")
        job = WriteJob(settings=settings.output, source_rate=reader.spec.rate)
        writer = open_writer(Path(folder) / "restored.mp4", job)
        pipeline = Pipeline(PacedReader(reader, seconds) if seconds else reader, chain.stages, writer)
        pipeline.open()
        start = time.process_time()
        report = pipeline.run()
        used = time.process_time() - start
    peak = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return Measured(fps=report.frames_in / used, memory=peak, delay=report.latency.delay_ms / 1e3)


def run_apart(film: Path, stages: str, seconds: float = 0.0) -> Measured:
    """Run a chain in a process of its own."""
    command = [sys.executable, "-m", "bench.plan_check", "--one", str(film), stages, str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout))


def check(tell: Callable[[str], None]) -> list[Row]:
    """Plan and run every chain."""
    tell("measuring the machine")
    device, host = measure_device(), measure_host()
    rows: list[Row] = []

    def planned(size: tuple[int, int], stages: str, rate: Fraction) -> Estimate:
        demand = survey(settings_of(stages), width=size[0], height=size[1], rate=rate)
        return estimate(demand, device, host)

    with tempfile.TemporaryDirectory() as folder:
        for (width, height), frames in SIZES.items():
            film = Path(folder) / f"{width}.mp4"
            make_aged_film(film, frames=frames, width=width, height=height, seed=2)
            for stages in STAGES:
                tell(f"{width}×{height}: {stages}")
                size, found = f"{width}×{height}", planned((width, height), stages, Fraction(24))
                made = run_apart(film, stages)
                rows.append(_row(size, stages, "frames/s", asdict(found.fps), made.fps))
                rows.append(_row(size, stages, "memory MB", asdict(found.memory), made.memory, 1e-6))
                if (width, height) == next(iter(SIZES)):
                    rate = min(Fraction(24), Fraction(found.fps.value * PACE).limit_denominator(100))
                    delay = run_apart(film, stages, float(1 / rate)).delay
                    span = planned((width, height), stages, rate).delay
                    rows.append(_row(size, stages, "delay s", asdict(span), delay))
    return rows


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _row(size: str, stages: str, figure: str, span: dict[str, float], measured: float, scale: float = 1.0) -> Row:
    return Row(
        size=size,
        stages=stages,
        figure=figure,
        planned=scale * span["value"],
        low=scale * span["low"],
        high=scale * span["high"],
        measured=scale * measured,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.plan_check", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if asked.one:
        film, stages, seconds = asked.one
        sys.stdout.write(json.dumps(asdict(run_once(Path(film), stages, float(seconds)))) + "\n")
        return 0
    rows = check(_tell)
    if asked.json:
        values = [{**asdict(row), "error": row.error, "within": row.is_within} for row in rows]
        sys.stdout.write(json.dumps({"schema": "farshore.bench.plan_check/1", "rows": values}, indent=2) + "\n")
        return 0
    sys.stdout.write("| size | stages | figure | planned | margins | measured | error |\n")
    sys.stdout.write("| --- | --- | --- | --: | --: | --: | --: |\n")
    for row in sorted(rows, key=lambda row: row.figure):
        digits = 0 if row.figure.startswith("memory") else 2
        low, value, high, measured = (
            f"{number:.{digits}f}" for number in (row.low, row.planned, row.high, row.measured)
        )
        outside = "" if row.is_within else " (outside)"
        sys.stdout.write(
            f"| {row.size} | {row.stages} | {row.figure} | {value} | {low} to {high} | {measured} | "
            f"{row.error:+.0%}{outside} |\n"
        )
    for figure in sorted({row.figure for row in rows}):
        errors = [abs(row.error) for row in rows if row.figure == figure]
        sys.stdout.write(f"\n{figure}: median error {median(errors):.0%}, largest {max(errors):.0%}")
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
