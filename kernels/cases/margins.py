"""Planes in larger memory."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.cases.materials import SENTINEL, padded
from kernels.catalogue import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """How much larger the memory of planes is than the planes.

    columns, rows : beside and below them
    """

    columns: int = 0
    rows: int = 0

    def put(self, planes: npt.NDArray[Any], fill: float = SENTINEL) -> npt.NDArray[Any]:
        """Return planes (C, H, W) in the corner of larger ones."""
        return padded(planes, planes.shape[2] + self.columns, planes.shape[1] + self.rows, fill)

    def empty(self, shape: tuple[int, int, int], element: Element = "float32") -> npt.NDArray[Any]:
        """Return the memory of planes of that shape before they are written."""
        return np.full((shape[0], shape[1] + self.rows, shape[2] + self.columns), SENTINEL, element)

    def strides(self, shape: tuple[int, ...], prefix: str = "") -> dict[str, int]:
        """Return `PREFIXpitch` and `PREFIXplane` of planes (C, H, W) in that memory."""
        pitch = shape[2] + self.columns
        return {f"{prefix}pitch": pitch, f"{prefix}plane": pitch * (shape[1] + self.rows)}


TIGHT, WIDE = Margins(), Margins(columns=13, rows=3)
