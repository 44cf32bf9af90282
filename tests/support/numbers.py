"""Reads the counter off pictures, digit by digit, as a viewer would."""

import numpy as np

from engine.stages.counter import CELLS, counter_drawing
from engine.stages.lettering import BLACK, WHITE, Lettering
from engine.types import Planes


def number_on(luma: Planes, cells: int = CELLS) -> str:
    """Return what stands at the top left of a picture (H, W) in [0, 1]: digits, and the mark where there is one."""
    drawing = counter_drawing(*luma.shape)
    rows, columns, margin = drawing.rows, drawing.columns, drawing.margin

    def unlikeness(glyph: Lettering, cell: int) -> float:
        """Return how far a cell is, where a glyph has ink or rim, from that glyph."""
        left = margin + cell * columns
        seen = luma[margin : margin + rows, left : left + columns]
        wanted = BLACK + (WHITE - BLACK) * glyph.letters
        return float((glyph.shade * np.abs(seen - wanted)).sum() / glyph.shade.sum())

    digits = [int(np.argmin([unlikeness(digit, cell) for digit in drawing.digits])) for cell in range(cells)]
    mark = "+" if unlikeness(drawing.mark, cells) < 0.2 else ""
    return "".join(map(str, digits)) + mark
