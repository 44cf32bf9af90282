"""The word "restored" in a corner of the picture, on a device: the twin of `Label`."""

from engine.device.operators import Operators
from engine.stages.device.lettering import DeviceStamp
from engine.stages.label import label_drawing
from engine.types import Planes


class DeviceLabel:
    """Blends the word into each picture; parameters but `operators` are those of `Label`.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(self, operators: Operators, height: int, width: int) -> None:
        drawing = label_drawing(height, width)
        self._stamp, self._top, self._left = DeviceStamp(operators, drawing.lettering), drawing.top, drawing.left

    def draw(self, pixels: Planes, chroma: Planes | None) -> None:
        """Blend the label into planes (C, H, W) and half-size chroma (2, h, w) of the device, in place."""
        self._stamp.draw(pixels, chroma, self._top, self._left)
