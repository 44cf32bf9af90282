"""Colour pictures that a colorizer follows: read, encoded once, and chosen for each frame."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from engine.backends.base import Array
from engine.errors import ConfigError
from engine.stages.luma import Plane
from engine.types import Planes

NEAREST = 2
"""Exemplars with a frame number that are followed at a time: those nearest to the frame."""

AB_RANGE = 110.0
"""a* and b* that the network's 1 stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A colour picture at the network's working size.

    path : where it was read
    frame : number of the source frame that it shows; None: it may guide any frame
    lightness : float32 (h, w), L*/100
    ab : float32 (2, h, w), a*/110 and b*/110
    """

    path: Path
    frame: int | None
    lightness: Plane
    ab: Planes


def read_exemplar(path: Path, height: int, width: int) -> Exemplar:
    """Read a colour picture of any size and depth.

    Raises
    ------
    ConfigError
        The file is missing or not a picture.
    """
    data = _read_bytes(path)
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise ConfigError(
            f"reference {path}: cannot be decoded ({error.err}); wanted a picture such as PNG or JPEG"
        ) from error
    if picture is None:
        raise ConfigError(f"reference {path}: not a picture that can be decoded; wanted PNG, JPEG, TIFF or WebP")
    full = np.iinfo(str(picture.dtype)).max if picture.dtype.kind == "u" else 1
    small = cv2.resize(picture.astype(np.float32) / full, (width, height), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(np.clip(small, 0.0, 1.0), cv2.COLOR_BGR2Lab).astype(np.float32)
    planes = np.ascontiguousarray(lab.transpose(2, 0, 1))
    return Exemplar(path=path, frame=frame_number(path), lightness=planes[0] / 100.0, ab=planes[1:] / AB_RANGE)


def frame_number(path: Path) -> int | None:
    """Return the source frame that a picture's name gives: its longest run of digits, the last of several such."""
    runs = re.findall(r"\d+", path.stem)
    if not runs:
        return None
    longest = max(len(run) for run in runs)
    return int([run for run in runs if len(run) == longest][-1])


class ExemplarTokens:
    """What a colorizer remembers of its exemplars, laid out for the frame being coloured.

    Exemplars without a frame number always take part; of those with one, the `NEAREST` do.

    Parameters
    ----------
    exemplars : at the working size; none is allowed
    encode : lightness (h, w) → features (F, hf, wf) of the model, valid until the next call
    channels : F, for when there is no exemplar

    Attributes
    ----------
    inputs : arrays by tensor name, (1, F, K), (1, 2, K) and (1, K), for the model
    """

    def __init__(self, exemplars: Sequence[Exemplar], encode: Callable[[Plane], Planes], channels: int) -> None:
        self._always: list[tuple[Array, Array]] = []
        self._numbered: list[tuple[int, Array, Array]] = []
        for exemplar in exemplars:
            features = encode(exemplar.lightness)
            channels, rows, columns = features.shape
            ab = [cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in exemplar.ab]
            tokens = features.reshape(channels, -1).copy(), np.stack(ab).reshape(2, -1)
            if exemplar.frame is None:
                self._always.append(tokens)
            else:
                self._numbered.append((exemplar.frame, *tokens))
        used = len(self._always) + min(NEAREST, len(self._numbered))
        per_exemplar = (self._always or [entry[1:] for entry in self._numbered] or [(np.zeros((channels, 1)),)])[0]
        self._tokens = per_exemplar[0].shape[1]
        count = max(1, used) * self._tokens
        self._features = np.zeros((1, channels, count), np.float32)
        self._ab = np.zeros((1, 2, count), np.float32)
        valid = np.full((1, count), 1.0 if used else 0.0, np.float32)
        self.inputs = {"reference_features": self._features, "reference_ab": self._ab, "reference_valid": valid}
        for place, (features, ab) in enumerate(self._always):
            self._put(place, features, ab)
        self._chosen: list[int] = [-1] * min(NEAREST, len(self._numbered))

    def choose(self, frame: int) -> None:
        """Lay out the tokens for a source frame; copies only what changed."""
        if not self._chosen:
            return
        by_distance = sorted(range(len(self._numbered)), key=lambda number: abs(self._numbered[number][0] - frame))
        wanted = sorted(by_distance[: len(self._chosen)])
        for place, number in enumerate(wanted):
            if self._chosen[place] != number:
                self._put(len(self._always) + place, *self._numbered[number][1:])
                self._chosen[place] = number

    def _put(self, place: int, features: Array, ab: Array) -> None:
        first = place * self._tokens
        self._features[0, :, first : first + self._tokens] = features
        self._ab[0, :, first : first + self._tokens] = ab


def _read_bytes(path: Path) -> np.ndarray:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ConfigError(f"reference {path}: cannot be read ({error.strerror}); check the path") from error
    if data.size == 0:
        raise ConfigError(f"reference {path}: the file is empty; wanted a picture such as PNG or JPEG")
    return data
