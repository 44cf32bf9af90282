"""Letters in white on a dark rim, blended into pictures of a device: the twin of `lettering.py`, by viewer.cu."""

from collections.abc import Iterator
from dataclasses import dataclass

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view
from engine.device.pool import on_device
from engine.stages.lettering import BLACK, OPACITY, WHITE, Lettering
from engine.stages.lightness import NEUTRAL_AB
from engine.types import Planes


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Planes that are drawn over.

    picture : their memory, which is written
    step : pixels of a lettering for each pixel of them, each way
    ink, plate : values of letters and rim
    """

    picture: View
    step: int
    ink: float
    plate: float

    def domain(self, rows: int, columns: int) -> tuple[int, int, int]:
        """Return a thread for each pixel of a lettering of that size, and for each plane."""
        return -(-columns // self.step), -(-rows // self.step), self.picture.planes

    def arguments(self, top: int, left: int) -> dict[str, View | int | float]:
        """Return what both kernels are told, of a lettering that stands there at full size."""
        return {
            "picture": self.picture,
            "width": self.picture.width,
            "height": self.picture.height,
            "planes": self.picture.planes,
            "left": left // self.step,
            "top": top // self.step,
            "step": self.step,
            "ink": self.ink,
            "plate": self.plate,
            "opacity": OPACITY,
            **self.picture.strides(),
        }


class DeviceStamp:
    """A lettering for pictures on a device; parameters but `operators` are those of `Stamp`.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(self, operators: Operators, lettering: Lettering) -> None:
        self._operators = operators
        operators.prepare("draw_label")
        self._rows, self._columns = lettering.letters.shape
        self._masks = masks(operators, lettering)

    def draw(self, pixels: Planes, chroma: Planes | None, top: int, left: int) -> None:
        """Blend it into planes (C, H, W) and half-size chroma (2, h, w) of the device, as `Stamp.draw` does."""
        for target in targets(pixels, chroma):
            self._operators.run(
                "draw_label",
                target.domain(self._rows, self._columns),
                columns=self._columns,
                rows=self._rows,
                mask_pitch=self._columns,
                **target.arguments(top, left),
                **self._masks,
            )


def targets(pixels: Planes, chroma: Planes | None) -> Iterator[Target]:
    """Yield planes of the device to draw over: those of a picture, and its half-size chroma, which becomes neutral."""
    yield Target(picture=view(on_device(pixels)), step=1, ink=WHITE, plate=BLACK)
    if chroma is not None:
        yield Target(picture=view(on_device(chroma)), step=2, ink=NEUTRAL_AB, plate=NEUTRAL_AB)


def masks(operators: Operators, lettering: Lettering) -> dict[str, DeviceArray]:
    """Return a lettering in memory of the device, by the kernels' names for it."""
    return {"letters": operators.constant(lettering.letters), "shade": operators.constant(lettering.shade)}
