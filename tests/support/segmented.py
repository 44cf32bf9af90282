"""Writing a film in segments: the codecs that can, runs that break off, runs in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

from engine.media.output import WriteJob
from engine.media.writer import open_writer
from engine.settings import OutputSettings
from tests.support.tracks import Shots

PAIRS = [
    ("a.mp4", "h264"),
    ("a.mkv", "h264"),
    ("a.mov", "h264"),
    ("a.ts", "h264"),
    ("a.nut", "h264"),
    ("b.mp4", "h265"),
    ("b.mkv", "h265"),
    ("c.mp4", "av1"),
    ("c.mkv", "av1"),
    ("c.webm", "av1"),
    ("d.mov", "prores"),
    ("d.mkv", "prores"),
    ("e.mkv", "ffv1"),
]
"""File name and codec of every kind of film that is written in segments."""


def job_for(codec: str | None = None, **changes: object) -> WriteJob:
    """Return what a writer is told; `changes` are fields of `WriteJob`."""
    return WriteJob(settings=OutputSettings(codec=codec), **changes)  # type: ignore[arg-type]


def run_python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), **environment}
    return subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, env=environment)


def abandon(target: Path, shots: Shots, job: WriteJob, *, after: int) -> object:
    """Write some frames and stop in the middle of a shot."""
    writer = open_writer(target, job)
    writer.open(shots.spec)
    for number, frame in enumerate(shots.frames()):
        if number == after:
            frame.release()
            break
        writer.write(frame)
    writer.abort()
    return writer
