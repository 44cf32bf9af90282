"""The same pictures through others and through farshore, in one run, by turns.

Everything is held to one thread, and counted in pictures shown per second of the process's own processor time: other
programs on a shared machine do not count, and what a peer leaves to its own threads does. Pictures come from memory and
are thrown away; reading and coding cost everybody the same.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import median
from typing import Any

import numpy as np

from bench.memory_film import MemoryFilm, Nowhere, Picture
from bench.quality.classical import run_filter
from engine.chain import build_chain
from engine.damage.model import damage_clip
from engine.damage.settings import STRENGTHS
from engine.demo.aged_film import luma_of
from engine.demo.scene import RATE, Scene, plan_shots
from engine.errors import FarshoreError
from engine.frame import Frame
from engine.model import Model, find_model
from engine.pipeline import Pipeline
from engine.settings import ColorizeSettings, EnhanceSettings, InterpolateSettings, Settings

OURS = "farshore"

NOTHING = Settings(enhance=EnhanceSettings(enabled=False), colorize=ColorizeSettings(mode="never"))
DOUBLED = InterpolateSettings(factor=Fraction(2))
TASKS = {
    "interpolate 2x": replace(NOTHING, interpolate=DOUBLED),
    "clean and colour": Settings(colorize=ColorizeSettings(mode="always")),
    "clean, interpolate 2x and colour": Settings(interpolate=DOUBLED, colorize=ColorizeSettings(mode="always")),
}
"""In words → settings of farshore's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender at one task.

    fps : pictures shown per second of processor time, the median of all rounds; None: not measured
    ratio : farshore's pictures a second ÷ this one's
    why : it was not measured
    """

    task: str
    contender: str
    fps: float | None = None
    ratio: float | None = None
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"task": self.task, "contender": self.contender, "fps": self.fps, "ratio": self.ratio, "why": self.why}


Run = Callable[[], tuple[int, float]]
"""Runs over the film once; returns how many pictures came out, and the seconds of processor time that took."""


def measure(size: tuple[int, int], *, frames: int, rounds: int, tell: Callable[[str], None]) -> list[Row]:
    """Run every contender at every task.

    Parameters
    ----------
    size : width and height, multiples of 16
    frames : of the film
    rounds : how often each runs, by turns
    tell : takes what is being done
    """
    tell("drawing the film")
    film = draw(*size, frames)
    rows: list[Row] = []
    for task, settings in TASKS.items():
        runs: dict[str, Run] = {OURS: ours(film, settings)}
        missing: dict[str, str] = {}
        if task == "interpolate 2x":
            runs["ffmpeg minterpolate"] = lambda: timed(lambda: minterpolate(film))
            missing["VapourSynth"] = _why_no_vapoursynth()
        try:
            runs["PyTorch, frame by frame"] = torch_loop(film, settings)
        except FarshoreError as error:
            missing["PyTorch, frame by frame"] = str(error)
        except ImportError as error:
            missing["PyTorch, frame by frame"] = f"{error}; run: pip install 'farshore[export]'"
        found: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(rounds + 1):  # the first, which fills caches and pools, does not count
            for name, run in runs.items():
                tell(f"{task}: {name}, round {turn}")
                count, seconds = run()
                if turn:
                    found[name].append(count / seconds)
        best = median(found[OURS])
        rows += [
            Row(task=task, contender=name, fps=median(each), ratio=best / median(each)) for name, each in found.items()
        ]
        rows += [Row(task=task, contender=name, why=why) for name, why in missing.items()]
    return rows


def draw(width: int, height: int, frames: int) -> list[Picture]:
    """Return an aged film of one shot, uint8 (H, W) each."""
    scene = Scene(width, height, 3)
    shot = plan_shots(frames)[0]
    clean = np.stack([luma_of(picture) for picture in scene.shot(replace(shot, frames=frames))])
    aged = damage_clip(clean, STRENGTHS["medium"], np.random.default_rng(3)).frames
    return [np.rint(np.clip(luma, 0, 1) * 255).astype(np.uint8) for luma in aged]


class MemoryReader:
    """Pictures in memory as a film of 24 frames a second."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        height, width = pictures[0].shape
        self._pictures, self._film = pictures, MemoryFilm(height, width, Fraction(RATE))
        self.spec = self._film.spec

    def frames(self) -> Iterator[Frame]:
        """Yield a frame for each picture, one shot."""
        return self._film.frames(self._pictures)

    def close(self) -> None:
        """Hold nothing."""


def ours(film: Sequence[Picture], settings: Settings) -> Run:
    """Return a run of farshore's own pipeline on one core."""

    def run() -> tuple[int, float]:
        chain = build_chain(settings, colorize=settings.colorize.mode == "always")
        threads = {stage.name: 1 for stage in chain.stages}
        pipeline = Pipeline(MemoryReader(film), chain.stages, Nowhere(), cores=1, thread_split=threads)
        pipeline.open()
        return timed(lambda: pipeline.run().frames_out)

    return run


def timed(run: Callable[[], int]) -> tuple[int, float]:
    """Return what a run counted, and its seconds of processor time; models are loaded before."""
    start = time.process_time()
    count = run()
    return count, time.process_time() - start


def minterpolate(film: Sequence[Picture]) -> int:
    """Run ffmpeg's minterpolate with its own defaults, doubling the rate, on one thread of PyAV's."""
    return len(run_filter(list(film), "minterpolate", f"fps={2 * RATE}:scd=none", rate=Fraction(RATE)))


def torch_loop(film: Sequence[Picture], settings: Settings) -> Run:
    """Return a run of a plain PyTorch loop over the networks that the settings use."""
    from export.networks.plain_loop import PlainLoop

    loop = PlainLoop(_models(settings), threads=1)
    return lambda: timed(lambda: loop.run(film))


def _models(settings: Settings) -> list[Model]:
    wanted = {
        "film-restore": settings.enhance.enabled,
        "film-interpolate": settings.interpolate.factor is not None,
        "film-colorize": settings.colorize.mode == "always",
    }
    return [find_model(name, None) for name, is_wanted in wanted.items() if is_wanted]


def _why_no_vapoursynth() -> str:
    if importlib.util.find_spec("vapoursynth") is None:
        return "not installed here"
    return "installed, but its plug-ins for motion (mvtools, RIFE) are not driven by this bench yet"
