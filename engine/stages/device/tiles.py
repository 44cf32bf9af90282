"""Runs an enhancer on the tiles of a picture on a device: the twin of `engine/stages/tiles.py`, by tiles.cu."""

from collections.abc import Mapping

from engine.backends.base import Array, Session
from engine.device.operators import Operators, View, view
from engine.device.pool import as_planes, on_device
from engine.stages.tile_plan import Span, TilePlan


class DeviceTiles:
    """Cuts whole tensors into tiles, runs a session on each, and puts the results together.

    Parameters and attributes are those of `engine.stages.tiles.Tiles`; all memory is the device's.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(
        self, operators: Operators, plan: TilePlan, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> None:
        self._operators = operators
        operators.prepare("tile_cut", "tile_put", "tile_fade")
        self.plan = plan
        self.inputs = {name: self._tile_of(array) for name, array in inputs.items()}
        self.outputs = {name: self._tile_of(array) for name, array in outputs.items()}

    def run(self, session: Session, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        """Run the model on a whole picture; arguments as of `Tiles.run`, on the device."""
        if not self.plan.is_exact:
            for array in outputs.values():
                self._operators.device.clear(on_device(array), self._operators.stream)
        for down in self.plan.rows:
            for across in self.plan.columns:
                self._cut(inputs, down, across)
                session.enqueue(self.inputs, self.outputs, self._operators.stream)
                for name, array in outputs.items():
                    tile, whole = view(on_device(self.outputs[name])), view(on_device(array))
                    if self.plan.is_exact:
                        self._put(tile, whole, down, across)
                    else:
                        self._fade_in(tile, whole, down, across)

    def _tile_of(self, array: Array) -> Array:
        if len(array.shape) != 4:
            return array
        height, width = (
            side * tile // whole
            for side, tile, whole in zip(array.shape[2:], self.plan.tile, self.plan.picture, strict=True)
        )
        return as_planes(self._operators.zeros(*array.shape[:2], height, width))

    def _cut(self, inputs: Mapping[str, Array], down: Span, across: Span) -> None:
        for name, array in inputs.items():
            if len(array.shape) != 4:
                self.inputs[name] = array
                continue
            whole, tile = view(on_device(array)), view(on_device(self.inputs[name]))
            top, left = self._at(whole, down.start, across.start)
            self._operators.run(
                "tile_cut",
                tile.domain,
                picture=whole,
                tile=tile,
                width=whole.width,
                height=whole.height,
                **whole.strides(),
                left=left,
                top=top,
                tile_width=tile.width,
                tile_height=tile.height,
                planes=tile.planes,
                **tile.strides("tile_"),
            )

    def _put(self, tile: View, whole: View, down: Span, across: Span) -> None:
        """Copy what a tile answers for."""
        top, left = self._at(whole, down.first, across.first)
        bottom, right = self._at(whole, down.last, across.last)
        above, before = self._at(whole, down.start, across.start)
        width, height = right - left, bottom - top
        self._operators.run(
            "tile_put",
            (width, height, tile.planes),
            tile=tile,
            picture=whole,
            width=width,
            height=height,
            planes=tile.planes,
            tile_left=left - before,
            tile_top=top - above,
            **tile.strides("tile_"),
            left=left,
            top=top,
            **whole.strides(),
        )

    def _fade_in(self, tile: View, whole: View, down: Span, across: Span) -> None:
        """Add a tile by its weights, which are 1 in sum over all tiles."""
        top, left = self._at(whole, down.start, across.start)
        self._operators.run(
            "tile_fade",
            tile.domain,
            tile=tile,
            sum=whole,
            width=tile.width,
            height=tile.height,
            planes=tile.planes,
            **tile.strides("tile_"),
            left=left,
            top=top,
            sum_width=whole.width,
            sum_height=whole.height,
            **whole.strides(),
            whole_width=self.plan.picture[1],
            whole_height=self.plan.picture[0],
            first_x=across.first,
            last_x=across.last,
            first_y=down.first,
            last_y=down.last,
            halo=self.plan.halo,
        )

    def _at(self, whole: View, row: int, column: int) -> tuple[int, int]:
        """Return a place in the picture as one in a tensor of another size."""
        height, width = self.plan.picture
        return row * whole.height // height, column * whole.width // width
