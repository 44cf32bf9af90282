"""Colour pictures that a colorizer follows: read, encoded once, and laid out for each frame."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from engine.backends.base import Array
from engine.errors import ConfigError
from engine.stages.exemplar_choice import Choice, MostAlike
from engine.stages.luma import Plane
from engine.stages.place import HOST, Place
from engine.types import Planes

AB_RANGE = 110.0
"""a* and b* that the network's 1 stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """A colour picture, at the sizes of whoever looks at it.

    path : where it was read
    frame : number of the source frame that it shows; None: it may guide any frame
    lightness : float32 (h, w), L*/100, at the network's working size
    ab : float32 (2, h, w), a*/110 and b*/110, at that size
    luma : float32, Y' of BT.709, 0..1: what a grey film of it would show, at the size in which motion is found
    fine_ab : float32 (2, H, W), as `ab`, at the size in which the film gets its colour
    """

    path: Path
    frame: int | None
    lightness: Plane
    ab: Planes
    luma: Plane
    fine_ab: Planes


def read_exemplar(
    path: Path, size: tuple[int, int], fine_size: tuple[int, int], motion_size: tuple[int, int]
) -> Exemplar:
    """Read a colour picture of any size and depth.

    Parameters
    ----------
    path : of the picture
    size, fine_size, motion_size : (height, width) of what the network sees, of the film's chroma, and of the pictures
        on which motion is found

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
    whole = picture.astype(np.float32) / full
    planes, fine = (_lab_of(_resized(whole, wanted)) for wanted in (size, fine_size))
    return Exemplar(
        path=path,
        frame=frame_number(path),
        lightness=planes[0] / 100.0,
        ab=planes[1:] / AB_RANGE,
        luma=cv2.transform(_resized(whole, motion_size), np.array([[0.0722, 0.7152, 0.2126]], np.float32)).astype(
            np.float32
        ),
        fine_ab=fine[1:] / AB_RANGE,
    )


def _resized(bgr: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a picture float32 (h, w, 3) in another size, 0..1."""
    return np.clip(cv2.resize(bgr, (size[1], size[0]), interpolation=cv2.INTER_AREA), 0.0, 1.0)


def _lab_of(bgr: np.ndarray) -> Planes:
    """Return L*, a*, b* of a picture float32 (h, w, 3) in 0..1: (3, h, w)."""
    return np.ascontiguousarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2Lab).transpose(2, 0, 1), np.float32)


def frame_number(path: Path) -> int | None:
    """Return the source frame that a picture's name gives: its longest run of digits, the last of several such."""
    runs = re.findall(r"\d+", path.stem)
    if not runs:
        return None
    longest = max(len(run) for run in runs)
    return int([run for run in runs if len(run) == longest][-1])


class ExemplarTokens:
    """What a colorizer remembers of its exemplars, laid out for the frame being coloured.

    Parameters
    ----------
    exemplars : at the working size; none is allowed
    encode : exemplar → features (F, hf, wf) of the model, or (1, F, hf, wf), where `place` is; valid until the next
        call; called once for each
    channels : F, for when there is no exemplar
    choice : which of them a frame follows
    place : where the tokens lie

    Attributes
    ----------
    inputs : arrays by tensor name, (1, F, K), (1, 2, K) and (1, K), for the model
    compares : whether `begin` looks at the picture
    """

    def __init__(
        self,
        exemplars: Sequence[Exemplar],
        encode: Callable[[Exemplar], Array],
        channels: int,
        choice: Choice,
        place: Place = HOST,
    ) -> None:
        self._choice, self.compares = choice, choice.compares
        self._known: list[tuple[Array, Array]] = []
        for exemplar in exemplars:
            features = encode(exemplar)
            channels, rows, columns = features.shape[-3:]
            ab = [cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in exemplar.ab]
            kept_ab = place.constant(np.stack(ab).reshape(1, 2, -1))
            self._known.append((self._kept(features, (1, channels, rows * columns)), kept_ab))
        self._tokens = self._known[0][1].shape[2] if self._known else 1
        count = max(1, choice.count) * self._tokens
        self._features, self._ab = place.zeros((1, channels, count)), place.zeros((1, 2, count))
        valid = place.constant(np.full((1, count), 1.0 if choice.count else 0.0, np.float32))
        self.inputs = {"reference_features": self._features, "reference_ab": self._ab, "reference_valid": valid}
        self._laid_out = [-1] * choice.count

    def begin(self, lightness: Plane, frame: int) -> None:
        """Begin a shot whose first picture is `lightness` (h, w), L*/100, source frame `frame`."""
        self._choice.begin(lightness, frame)

    def choose(self, frame: int) -> None:
        """Lay out the tokens for a source frame; copies only what changed."""
        for slot, place in enumerate(self._choice.choose(frame)):
            if self._laid_out[slot] != place:
                for tokens, tensor in zip(self._known[place], (self._features, self._ab), strict=True):
                    self._put(tokens, tensor, slot * self._tokens)
                self._laid_out[slot] = place

    def _kept(self, features: Array, shape: tuple[int, int, int]) -> Array:
        """Return a copy of features in another shape."""
        return features.reshape(shape).copy()

    def _put(self, tokens: Array, tensor: Array, first: int) -> None:
        """Write tokens (1, n, k) into a tensor (1, n, K) from token `first` on."""
        tensor[:, :, first : first + self._tokens] = tokens


class Anchors:
    """Says at which frames a reference may give its colours as they are: where it shows the film itself.

    At the first frame of a shot that is the reference most like it, and at a frame that a reference's name numbers that
    reference. Whether it does show the same is judged place by place, by whoever carries colour along motion.

    Parameters
    ----------
    exemplars : at least one

    Attributes
    ----------
    compares : whether `at` looks at the picture where a shot begins
    """

    def __init__(self, exemplars: Sequence[Exemplar]) -> None:
        self._exemplars = exemplars
        self._choice = MostAlike([e.frame for e in exemplars], [e.lightness for e in exemplars])
        self._by_frame = {e.frame: e for e in exemplars if e.frame is not None}
        self.compares = self._choice.compares

    def at(self, frame: int, lightness: Plane, *, is_first: bool) -> Exemplar | None:
        """Return the reference for source frame `frame`, lightness (h, w), or None.

        Parameters
        ----------
        is_first : whether the frame begins a shot
        """
        if frame in self._by_frame:
            return self._by_frame[frame]
        if not is_first:
            return None
        self._choice.begin(lightness, frame)
        return self._exemplars[self._choice.choose(frame)[0]]


def _read_bytes(path: Path) -> np.ndarray:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ConfigError(f"reference {path}: cannot be read ({error.strerror}); check the path") from error
    if data.size == 0:
        raise ConfigError(f"reference {path}: the file is empty; wanted a picture such as PNG or JPEG")
    return data
