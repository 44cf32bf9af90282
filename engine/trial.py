"""Finds out by running it what an enhancer without metadata does: by how much it enlarges, which sizes it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine.errors import UnsupportedModelError

SIZES = {1: (37, 41), 2: (38, 42), 4: (36, 44), 8: (40, 56), 16: (48, 80), 32: (96, 160), 64: (192, 320)}
"""Size multiple → height and width that are multiples of it and of no larger power of two."""


class Tensor(Protocol):
    """An input or output of an ONNX file."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Sizes; None where they may change."""
        ...

    @property
    def dtype(self) -> str:
        """Element type in ONNX Runtime's words."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trial run showed.

    channels : of the picture: 1 or 3
    scale : output size ÷ input size
    size_multiple : of height and width; 1 for a file that fixes both
    fixed : height and width that the file fixes; None where they may change
    """

    channels: int
    scale: int
    size_multiple: int
    fixed: tuple[int | None, int | None]

    @property
    def findings(self) -> tuple[str, ...]:
        """Say in words what was found."""
        sizes = f"sizes in multiples of {self.size_multiple}" if self.size_multiple > 1 else "any size"
        if self.fixed != (None, None):
            sizes = f"pictures of {self.fixed[1] or 'any'}×{self.fixed[0] or 'any'} only, so films are cut into tiles"
        return (f"scale {self.scale} and {sizes} (a trial run)",)


def try_enhancer(path: Path, session: Any, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> Trial:
    """Run an enhancer on grey pictures of several sizes until one comes out enlarged.

    Parameters
    ----------
    path : of the file, for messages
    session : of ONNX Runtime
    inputs, outputs : the file's tensors; one picture (1, C, H, W) each, and maybe an input `strength`

    Raises
    ------
    UnsupportedModelError
        The file takes or gives something else than one picture in float32, or does not enlarge by a whole number.
    """
    name, shape = _only_picture(path, "input", {key: inputs[key] for key in inputs if key != "strength"})
    _only_picture(path, "output", outputs)
    for key, tensor in (*inputs.items(), *outputs.items()):
        if tensor.dtype != "tensor(float)":
            raise UnsupportedModelError(
                f"model {path}: tensor {key!r} is {tensor.dtype}; wanted tensor(float); convert it with float32 "
                "inputs and outputs (keep_io_types of onnxconverter-common's float16 conversion)"
            )
    channels = shape[1]
    if channels not in (1, 3) or shape[0] not in (None, 1):
        raise UnsupportedModelError(
            f"model {path}: its picture is {_told(shape)}; wanted (1, 1, H, W) or (1, 3, H, W); more frames or "
            "channels need metadata (engine/models/README.md)"
        )
    fixed = (shape[2], shape[3])
    if None not in fixed:
        sizes = {1: (shape[2] or 0, shape[3] or 0)}
    else:
        sizes = {multiple: (fixed[0] or height, fixed[1] or width) for multiple, (height, width) in SIZES.items()}
    refusal = "no answer"
    for multiple, size in sizes.items():
        feed: dict[str, npt.NDArray[np.float32]] = {name: np.full((1, channels, *size), 0.5, np.float32)}
        if "strength" in inputs:
            feed["strength"] = np.ones(1, np.float32)
        try:
            made = session.run(None, feed)[0].shape
        except Exception as error:  # every failure of the library means the same here: this size is not for it
            refusal = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
            continue
        scale = _scale(made, channels, size)
        if scale is not None:
            return Trial(channels=channels, scale=scale, size_multiple=multiple, fixed=fixed)
        refusal = f"of (1, {channels}, {size[0]}, {size[1]}) it made {tuple(made)}"
    raise UnsupportedModelError(
        f"model {path}: {refusal}; wanted a picture with as many channels, enlarged by a whole number; such a model "
        "needs metadata (engine/models/README.md)"
    )


def _only_picture(path: Path, kind: str, tensors: Mapping[str, Tensor]) -> tuple[str, tuple[int | None, ...]]:
    """Return name and shape of the only tensor, which must be a picture."""
    if len(tensors) != 1 or len(next(iter(tensors.values())).shape) != 4:
        told = ", ".join(f"{name} {_told(tensor.shape)}" for name, tensor in tensors.items())
        raise UnsupportedModelError(
            f"model {path}: its {kind}s are {told or 'none'}; wanted one picture (1, C, H, W); more than that needs "
            "metadata (engine/models/README.md)"
        )
    ((name, tensor),) = tensors.items()
    return name, tensor.shape


def _told(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"


def _scale(made: Sequence[int], channels: int, size: tuple[int, int]) -> int | None:
    """Return the whole number by which both sides grew; None where there is none."""
    if len(made) != 4 or made[1] != channels:
        return None
    down, across = Fraction(made[2], size[0]), Fraction(made[3], size[1])
    return int(down) if down == across and down.denominator == 1 and down >= 1 else None
