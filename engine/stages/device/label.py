"""The word "restored" in a corner of the picture, on a device: the twin of `Label`, by viewer.cu."""

from engine.device.operators import Operators, View, view
from engine.device.pool import on_device
from engine.stages.label import BLACK, OPACITY, WHITE, label_drawing
from engine.stages.lightness import NEUTRAL_AB
from engine.types import Planes


class DeviceLabel:
    """Letters in white on a dark rim, blended into each picture; parameters but `operators` are those of `Label`.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(self, operators: Operators, height: int, width: int) -> None:
        self._operators, drawing = operators, label_drawing(height, width)
        operators.prepare("draw_label")
        self._rows, self._columns = drawing.letters.shape
        self._top, self._left = drawing.top, drawing.left
        self._masks = {"letters": operators.constant(drawing.letters), "shade": operators.constant(drawing.shade)}

    def draw(self, pixels: Planes, chroma: Planes | None) -> None:
        """Blend the label into planes (C, H, W) and half-size chroma (2, h, w) of the device, in place."""
        self._draw(view(on_device(pixels)), 1, WHITE, BLACK)
        if chroma is not None:
            self._draw(view(on_device(chroma)), 2, NEUTRAL_AB, NEUTRAL_AB)

    def _draw(self, picture: View, step: int, ink: float, plate: float) -> None:
        self._operators.run(
            "draw_label",
            (-(-self._columns // step), -(-self._rows // step), picture.planes),
            picture=picture,
            width=picture.width,
            height=picture.height,
            planes=picture.planes,
            left=self._left // step,
            top=self._top // step,
            step=step,
            columns=self._columns,
            rows=self._rows,
            mask_pitch=self._columns,
            ink=ink,
            plate=plate,
            opacity=OPACITY,
            **picture.strides(),
            **self._masks,
        )
