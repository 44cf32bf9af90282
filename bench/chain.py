"""Measure how close the chain comes to keeping every core busy: `python -m bench.chain [--film FILE]`."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.demo.aged_film import make_aged_film
from engine.job import Job
from engine.pipeline import available_cores
from engine.settings import EnhanceSettings, InterpolateSettings, Settings
from engine.timing import LatencyReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRun:
    """One run of the chain.

    wall_seconds : from the first frame read to the finished file
    cpu_seconds : of all threads of the process over the same time
    cores : that the process may use
    """

    source_frames: int
    written_frames: int
    wall_seconds: float
    cpu_seconds: float
    cores: int
    latency: LatencyReport

    @property
    def efficiency(self) -> float:
        """Wall time ÷ (CPU time ÷ cores); 1 is a chain that never leaves a core idle."""
        return self.wall_seconds / (self.cpu_seconds / self.cores)


def run_chain(film: Path, settings: Settings) -> ChainRun:
    """Restore a film into a temporary file and measure."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job(film, Path(folder) / "restored.mp4", settings)
        job.open()
        wall, cpu = time.perf_counter(), time.process_time()
        report = job.run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return ChainRun(
        source_frames=report.run.frames_in,
        written_frames=report.run.frames_out,
        wall_seconds=wall,
        cpu_seconds=cpu,
        cores=available_cores(),
        latency=report.run.latency,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.chain", description=__doc__)
    parser.add_argument("--film", type=Path, help="film to restore; without it one is drawn")
    parser.add_argument("--size", default="640x480", help="of the film that is drawn (default 640x480)")
    parser.add_argument("--frames", type=int, default=200, help="of the film that is drawn (default 200)")
    parser.add_argument("--interpolate", default="2x", help="as of farshore restore (default 2x)")
    parser.add_argument("--upscale", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one-core", action="store_true", help="add a run that is held to one core")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    settings = Settings(
        enhance=EnhanceSettings(upscale=asked.upscale),
        interpolate=InterpolateSettings.parse(asked.interpolate),
    )
    with tempfile.TemporaryDirectory() as folder:
        film = asked.film
        if film is None:
            width, height = (int(part) for part in asked.size.split("x"))
            film = Path(folder) / "aged.mp4"
            make_aged_film(film, frames=asked.frames, width=width, height=height, seed=1)
        runs = [run_chain(film, settings) for _ in range(asked.runs)]
        if asked.one_core:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            runs.append(run_chain(film, settings))
    if asked.json:
        values = [{**asdict(run), "efficiency": run.efficiency} for run in runs]
        sys.stdout.write(json.dumps({"runs": values}, default=str) + "\n")
        return 0
    for run in runs:
        sys.stdout.write(
            f"{run.source_frames} frames in, {run.written_frames} out: wall {run.wall_seconds:.2f} s, "
            f"CPU {run.cpu_seconds:.2f} s on {run.cores} cores, efficiency {run.efficiency:.3f}, "
            f"{run.source_frames / run.wall_seconds:.2f} source frames/s\n"
        )
    for row in runs[-1].latency.stages:
        sys.stdout.write(
            f"  {row.stage:<12} threads {row.threads}  frames {row.frames:>5}  median {row.median_ms:7.2f} ms  "
            f"p95 {row.p95_ms:7.2f} ms  total {row.total_seconds:7.2f} s\n"
        )
    sys.stdout.write(
        f"median efficiency {statistics.median(run.efficiency for run in runs[: asked.runs]):.3f} (1 is ideal)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
