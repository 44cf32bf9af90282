"""A film looked through once, without restoring it: shots, cadence, repeats, losses, damage."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from engine.cli.damage_estimate import Damage, DamageMeter
from engine.frame import Frame
from engine.media.losses import Losses
from engine.media.reader import FilmReader
from engine.run_report import Progress
from engine.stages.inspect import FilmCadence, Inspect
from engine.types import FrameFlags


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is in a film's pictures.

    frames : read
    cadence : true motion and repeats
    cuts : time at which each shot begins, seconds, exact
    losses : what could not be read
    damage : None for a film of less than three frames
    """

    frames: int
    cadence: FilmCadence
    cuts: tuple[Fraction, ...]
    losses: Losses
    damage: Damage | None

    def to_json(self) -> dict[str, Any]:
        """Return the survey as plain values."""
        true_rate = self.cadence.true_rate
        return {
            "frames": self.frames,
            "shots": self.cadence.shots,
            "shot_starts": [str(cut) for cut in self.cuts],
            "repeats": self.cadence.repeats,
            "cadence": str(self.cadence),
            "true_rate": None if true_rate is None else str(true_rate),
            "losses": self.losses.to_json(),
            "damage": None if self.damage is None else self.damage.to_json(),
        }


def survey(reader: FilmReader, on_progress: Callable[[Progress], None]) -> Survey:
    """Look through a film; the reader stays the caller's, but is at its end afterwards."""
    inspect, meter = Inspect(retime=False), DamageMeter()
    inspect.open(reader.spec)
    cuts: list[Fraction] = []
    began, shown, count, last = time.perf_counter(), 0.0, 0, None

    def look(frame: Frame) -> None:
        if FrameFlags.SCENE_CUT in frame.flags:
            cuts.append(frame.time)
        meter.add(frame)
        frame.release()

    try:
        for frame in reader.frames():
            count, last = count + 1, frame.time
            for inspected in inspect.push(frame):
                look(inspected)
            seconds = time.perf_counter() - began
            if seconds - shown >= 0.25:
                shown = seconds
                on_progress(Progress(frames_in=count, frames_out=count, time=last, seconds=seconds))
        for inspected in inspect.flush(None):
            look(inspected)
    finally:
        inspect.close()
    return Survey(frames=count, cadence=inspect.cadence, cuts=tuple(cuts), losses=reader.losses, damage=meter.damage())
