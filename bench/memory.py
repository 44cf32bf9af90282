"""Compare the peak memory of a short and a long film: `python -m bench.memory`."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def peak_bytes(command: Sequence[str]) -> int:
    """Run a command to its end and return the most memory it held resident.

    The figure begins at what this process holds, since the child is a copy of it until the command is loaded: this
    process must stay small.

    Raises
    ------
    ChildProcessError
        It failed; the message has its exit code.
    """
    child = os.posix_spawn(command[0], list(command), os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise ChildProcessError(f"{' '.join(command)}: exit code {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--frames", type=int, nargs=2, default=[200, 2000])
    parser.add_argument("--interpolate", default="2x")
    parser.add_argument("--draw", type=Path, help="only draw a film of the first number of frames")
    asked = parser.parse_args(arguments)
    if asked.draw is not None:
        _draw(asked.draw, asked.size, asked.frames[0])
        return 0
    peaks: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in asked.frames:
            film, target = Path(folder) / f"{frames}.mp4", Path(folder) / f"{frames}.restored.mp4"
            draw = ["-m", "bench.memory", "--draw", str(film), "--size", asked.size, "--frames", str(frames), "0"]
            subprocess.run([sys.executable, *draw], check=True)
            command = [sys.executable, "-m", "engine.cli.main", "restore", str(film), str(target), "--quiet"]
            peaks.append(peak_bytes([*command, "--interpolate", asked.interpolate]))
            sys.stdout.write(f"{frames:>6} frames of {asked.size}: peak {peaks[-1] / 1e6:.1f} MB\n")
    sys.stdout.write(f"difference {peaks[1] / peaks[0] - 1:+.1%}\n")
    return 0


def _draw(film: Path, size: str, frames: int) -> None:
    """Draw a film; it holds all its pictures in memory, so this runs in a process of its own."""
    from engine.demo.aged_film import make_aged_film

    width, height = (int(part) for part in size.split("x"))
    make_aged_film(film, frames=frames, width=width, height=height, seed=1)


if __name__ == "__main__":
    sys.exit(main())
