"""Take down what reaches a model in the chain: the real stages run, and the model's session is listened to.

For every picture chosen a short clip around it passes the stages before the model and its own: the colorizer sees
restored frames, the interpolator sees pairs, recurrent states are the model's own. What was taken down lies on disk,
one file for each picture, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from calib.footage import Choice, end_of, read_film
from engine.backends.base import Array, Backend, Profile, Session
from engine.chain import build_chain
from engine.errors import CalibrationError, UnsupportedModelError
from engine.frame import Frame
from engine.model import Model
from engine.settings import Settings
from engine.stages.base import Stage
from engine.types import FrameFlags, FrameSpec, PixelFormat

LEAD, LEAD_WITH_STATES = 2, 8
"""Pictures that pass before the chosen one: for its window, and for recurrent states to settle."""

FOLLOW = 2
"""Pictures that pass behind it."""

MOMENTS = 3
"""Moments between two pictures that an interpolator is asked for in turn: a quarter, the half, three quarters."""

SECTIONS = {"enhance": "enhance", "face": "faces", "interpolate": "interpolate", "colorize": "colorize"}
"""Role → section of the settings that names its model; other roles do not stand in the chain."""

Run = Mapping[str, Array]
"""The inputs of one run of the model, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What reached the model, on disk.

    calibration, held_apart : a file for each picture; `read_runs` reads it
    """

    calibration: tuple[Path, ...]
    held_apart: tuple[Path, ...]


class Listener:
    """Keeps the runs of a clip that are asked for.

    Parameters
    ----------
    keeps_all : the runs before the one asked for, too: a recurrent model is measured on its own states
    """

    def __init__(self, *, keeps_all: bool) -> None:
        self._keeps_all = keeps_all
        self.begin(0)

    def begin(self, skip: int) -> None:
        """Begin a clip; of the runs from the chosen picture on, the one behind `skip` others is asked for."""
        self.runs: list[dict[str, Array]] = []
        self.is_complete = False
        self._is_armed = False
        self._skip = skip

    def arm(self) -> None:
        """Take down what is asked for from the next run on: the chosen picture comes."""
        self._is_armed = True

    def hear(self, inputs: Mapping[str, Array]) -> None:
        """Take down the inputs of a run, if they are wanted."""
        if self.is_complete or not (self._is_armed or self._keeps_all):
            return
        if not self._keeps_all:
            self.runs.clear()
        self.runs.append({name: array.copy() for name, array in inputs.items()})
        if self._is_armed:
            self.is_complete = self._skip == 0
            self._skip -= 1


class ListeningBackend(Backend):
    """Runs models on another backend and lets a listener hear one of them.

    Parameters
    ----------
    inner : what computes
    sha256 : of the model that is listened to
    """

    def __init__(self, inner: Backend, sha256: str, listener: Listener) -> None:
        self.name = inner.name
        self._inner, self._sha256, self._listener = inner, sha256, listener

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Open a session of the inner backend."""
        session = self._inner.open(model, profile, threads)
        return ListeningSession(session, self._listener) if model.sha256 == self._sha256 else session


class ListeningSession(Session):
    """A session whose inputs are heard."""

    def __init__(self, inner: Session, listener: Listener) -> None:
        super().__init__(inner.model, Profile(inner.input_shapes), inner.output_shapes)
        self._inner, self._listener = inner, listener

    def close(self) -> None:
        """Close the inner session."""
        self._inner.close()

    def _enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any) -> None:
        self._listener.hear(inputs)  # before the run: a state may be written over by it
        self._inner.enqueue(inputs, outputs, cuda_stream)


def chain_settings(model: Model, settings: Settings) -> Settings:
    """Return the settings of the chain up to the model, with the model in its place.

    Raises
    ------
    UnsupportedModelError
        A model of its role stands nowhere in the chain.
    """
    role = model.card.role
    if role not in SECTIONS:
        raise UnsupportedModelError(
            f"model {model.card.name}: its role is {role}; what can be calibrated are {', '.join(SECTIONS)}"
        )
    path = str(model.path)
    section = replace(getattr(settings, SECTIONS[role]), model=path)
    if role == "enhance":
        section = replace(section, upscale=model.card.scale)
    elif role == "face":
        section = replace(section, enabled=True)
    elif role == "interpolate":
        section = replace(section, factor=None, rate=None)  # the rate goes with each film, see `_with_rate`
    return replace(settings, **{SECTIONS[role]: section})


def record(
    model: Model,
    choices: Sequence[Choice],
    settings: Settings,
    backend: Backend,
    folder: Path,
    on_picture: Callable[[int], None] = lambda _: None,
) -> Recording:
    """Take down what reaches the model around the chosen pictures.

    Parameters
    ----------
    model : float32, of a role that stands in the chain
    settings : of the restoration; models of the stages before come from here
    folder : that takes the files
    on_picture : told how many pictures are done

    Raises
    ------
    CalibrationError
        A picture is damaged, a stage failed on one, or one never reached the model. Of a model of faces: no picture to
        calibrate on, or none of those kept apart, shows a face that the chain restores; pictures without are passed
        over.
    """
    settings = chain_settings(model, settings)
    listener = Listener(keeps_all=bool(model.card.states))
    listening = ListeningBackend(backend, model.sha256, listener)
    kept: dict[bool, list[Path]] = {False: [], True: []}
    done = 0
    for choice in choices:
        with closing(_Clips(model, choice, settings, listening)) as clips:
            for number, clip in clips:
                if runs := clips.run(clip, listener, skip=done % MOMENTS):
                    path = folder / f"{done:05d}.npz"
                    write_runs(path, runs)
                    kept[number in choice.held_apart].append(path)
                done += 1
                on_picture(done)
    if model.card.role == "face" and not (kept[False] and kept[True]):
        part = "kept apart to measure on" if kept[False] else "chosen to calibrate on"
        raise CalibrationError(
            f"footage: no face to restore was found in the pictures {part}; give films with larger faces, or more "
            "pictures"
        )
    return Recording(calibration=tuple(kept[False]), held_apart=tuple(kept[True]))


class _Clips:
    """Cuts clips out of a film and sends them through the stages."""

    def __init__(self, model: Model, choice: Choice, settings: Settings, backend: Backend) -> None:
        self._choice = choice
        self._lead = LEAD_WITH_STATES if model.card.states else max(LEAD, model.card.window[0])
        self._follow = max(FOLLOW, model.card.window[1])
        is_colorizer = model.card.role == "colorize"
        self._may_pass = model.card.role == "face"  # not every picture shows one
        opened = read_film(choice.film, settings.input, PixelFormat.GRAY if is_colorizer else None)
        self._frames = opened.frames
        if model.card.role == "interpolate":
            settings = _with_rate(settings, opened.spec)
        chain = build_chain(settings, colorize=is_colorizer, backend=backend)
        self._stages: list[Stage] = [stage for stage in chain.stages if stage is not chain.inspect]
        self._opened: list[Stage] = []
        spec = opened.spec
        for stage in self._stages:
            spec = stage.open(spec)
            self._opened.append(stage)

    def close(self) -> None:
        """Close stages and film."""
        for stage in self._opened:
            stage.close()
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()

    def __iter__(self) -> Iterator[tuple[int, list[Frame]]]:
        """Yield number and clip of each chosen picture; the chosen one is the clip's first to repeat its number."""
        wanted = sorted((*self._choice.calibration, *self._choice.held_apart))
        past: list[tuple[int, Frame]] = []
        for number, frame in enumerate(self._frames):
            kept = _copy(frame)
            frame.release()
            past.append((number, kept))
            while wanted and number >= wanted[0] + self._follow:
                yield wanted[0], self._clip(past, wanted[0])
                wanted.pop(0)
            oldest = (wanted[0] if wanted else number + 1) - self._lead
            past = [item for item in past if item[0] >= oldest]
        for number in wanted:
            yield number, self._clip(past, number)

    def run(self, clip: list[Frame], listener: Listener, skip: int) -> list[dict[str, Array]]:
        """Send a clip through the stages; return the runs that were heard, none where there is no face to restore."""
        chosen = next(index for index, frame in enumerate(clip) if frame.index == _CHOSEN)
        listener.begin(skip)
        for stage in self._stages:
            stage.reset()
        for index, frame in enumerate(clip):
            frame.index = index
            if index == chosen:
                listener.arm()
            self._push(0, frame)
            if listener.is_complete:
                break
        if not listener.is_complete:
            self._flush(0, end_of(clip))
        failed = [cause for stage in self._stages for cause in stage.failures.by_cause]
        if failed:
            raise CalibrationError(f"footage {self._choice.film}: a stage failed on a picture: {failed[0]}")
        if not listener.runs and not self._may_pass:
            raise CalibrationError(f"footage {self._choice.film}: no picture reached the model; give other footage")
        return listener.runs

    def _push(self, number: int, frame: Frame) -> None:
        if number == len(self._stages):
            frame.release()
            return
        for made in self._stages[number].push(frame):
            self._push(number + 1, made)

    def _flush(self, number: int, end: Fraction | None) -> None:
        if number == len(self._stages):
            return
        for made in self._stages[number].flush(end):
            self._push(number + 1, made)
        self._flush(number + 1, end)

    def _clip(self, past: Sequence[tuple[int, Frame]], chosen: int) -> list[Frame]:
        shot = next(frame.shot for number, frame in past if number == chosen)
        clip: list[Frame] = []
        for number, frame in past:
            if chosen - self._lead <= number <= chosen + self._follow and frame.shot == shot:
                shown = frame.share()
                shown.flags &= ~FrameFlags.SCENE_CUT
                shown.index = _CHOSEN if number == chosen else 0
                clip.append(shown)
        clip[0].flags |= FrameFlags.SCENE_CUT
        return clip


_CHOSEN = -1
"""Stands for a frame's index in a clip that has not run: the picture that was chosen."""


def _copy(frame: Frame) -> Frame:
    """Return a frame that holds no lease, so that it may be kept as long as is needed."""
    return Frame(
        pixels=frame.pixels.copy(),
        format=frame.format,
        pts=frame.pts,
        time_base=frame.time_base,
        index=frame.index,
        shot=frame.shot,
        flags=frame.flags,
        duration=frame.duration,
    )


def _with_rate(settings: Settings, spec: FrameSpec) -> Settings:
    rate = (spec.rate or Fraction(24)) * (MOMENTS + 1)
    return replace(settings, interpolate=replace(settings.interpolate, rate=rate))


def write_runs(path: Path, runs: Sequence[Run]) -> None:
    """Write the runs of one picture, oldest first."""
    arrays: dict[str, Any] = {f"{index}/{name}": array for index, run in enumerate(runs) for name, array in run.items()}
    np.savez(path, **arrays)


def read_runs(path: Path) -> list[dict[str, Array]]:
    """Return the runs of one picture, oldest first; the last one is the picture's own."""
    runs: list[dict[str, Array]] = []
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            index, _, name = key.partition("/")
            while len(runs) <= int(index):
                runs.append({})
            runs[int(index)][name] = np.asarray(file[key], np.float32)
    return runs
