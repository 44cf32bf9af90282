"""The number of the film's frame in a corner of the picture, on a device: the twin of `Counter`, by viewer.cu."""

import numpy as np

from engine.device.operators import Operators
from engine.stages.counter import cells_of, counter_drawing
from engine.stages.device.lettering import DeviceStamp, masks, targets
from engine.stages.lettering import Lettering
from engine.types import Planes


class DeviceCounter:
    """Blends numbers into pictures; parameters but `operators` are those of `Counter`.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(self, operators: Operators, height: int, width: int) -> None:
        self._operators, self._drawing = operators, counter_drawing(height, width)
        operators.prepare("draw_counter")
        digits = Lettering(
            letters=np.hstack([digit.letters for digit in self._drawing.digits]),
            shade=np.hstack([digit.shade for digit in self._drawing.digits]),
        )
        self._masks, self._mark = masks(operators, digits), DeviceStamp(operators, self._drawing.mark)

    def draw(self, pixels: Planes, chroma: Planes | None, number: int, *, is_after: bool) -> None:
        """Blend a number into planes (C, H, W) and half-size chroma (2, h, w) of the device, in place."""
        drawing, cells = self._drawing, cells_of(number)
        for target in targets(pixels, chroma):
            self._operators.run(
                "draw_counter",
                target.domain(drawing.rows, cells * drawing.columns),
                number=number,
                cells=cells,
                glyph_columns=drawing.columns,
                rows=drawing.rows,
                mask_pitch=len(drawing.digits) * drawing.columns,
                **target.arguments(drawing.margin, drawing.margin),
                **self._masks,
            )
        if is_after:
            self._mark.draw(pixels, chroma, drawing.margin, drawing.margin + cells * drawing.columns)
