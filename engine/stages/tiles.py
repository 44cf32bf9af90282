"""Runs an enhancer on the tiles of a picture and puts the results together; `tile_plan.py` decides how it is cut."""

from collections.abc import Mapping

import numpy as np

from engine.backends.base import Array, Session
from engine.stages.tile_plan import Span, TilePlan


class Tiles:
    """Cuts whole tensors into tiles, runs a session on each, and puts the results together; all buffers are made once.

    Parameters
    ----------
    plan : how to cut
    inputs, outputs : the whole picture's arrays by tensor name; those with four axes are pictures of some share or
        multiple of the plan's size, the rest goes to every tile as it is

    Attributes
    ----------
    inputs, outputs : arrays of one tile
    """

    def __init__(self, plan: TilePlan, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        self.plan = plan
        self.inputs = {name: self._tile_of(array) for name, array in inputs.items()}
        self.outputs = {name: self._tile_of(array) for name, array in outputs.items()}
        self._weights: dict[str, tuple[list[Array], list[Array]]] = {}
        if not plan.is_exact:
            for name, array in outputs.items():
                down = _ramps(plan.rows, plan.halo, array.shape[2], plan.picture[0])
                across = _ramps(plan.columns, plan.halo, array.shape[3], plan.picture[1])
                self._weights[name] = ([ramp[:, None] for ramp in down], across)

    def run(self, session: Session, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        """Run the model on a whole picture.

        Parameters
        ----------
        session : opened for the shapes of `self.inputs`
        inputs, outputs : of the whole picture, float32, as given when this was made; outputs are written in place
        """
        if self._weights:
            for array in outputs.values():
                array.fill(0.0)
        for row, down in enumerate(self.plan.rows):
            for column, across in enumerate(self.plan.columns):
                self._cut(inputs, down, across)
                session.enqueue(self.inputs, self.outputs)
                for name, whole in outputs.items():
                    if self._weights:
                        self._fade_in(name, whole, row, column)
                    else:
                        self._put(name, whole, down, across)

    def _tile_of(self, array: Array) -> Array:
        if array.ndim != 4:
            return array
        height, width = (
            side * tile // whole
            for side, tile, whole in zip(array.shape[2:], self.plan.tile, self.plan.picture, strict=True)
        )
        return np.zeros((*array.shape[:2], height, width), np.float32)

    def _cut(self, inputs: Mapping[str, Array], down: Span, across: Span) -> None:
        for name, whole in inputs.items():
            tile = self.inputs[name]
            if whole.ndim != 4:
                self.inputs[name] = whole
                continue
            top, left = self._at(whole, down.start, across.start)
            np.copyto(tile, whole[:, :, top : top + tile.shape[2], left : left + tile.shape[3]])

    def _put(self, name: str, whole: Array, down: Span, across: Span) -> None:
        """Copy what a tile answers for."""
        top, left = self._at(whole, down.first, across.first)
        bottom, right = self._at(whole, down.last, across.last)
        above, before = self._at(whole, down.start, across.start)
        made = self.outputs[name][:, :, top - above : bottom - above, left - before : right - before]
        np.copyto(whole[:, :, top:bottom, left:right], made)

    def _fade_in(self, name: str, whole: Array, row: int, column: int) -> None:
        """Add a tile by its weights, which are 1 in sum over all tiles."""
        tile = self.outputs[name]
        down, across = self._weights[name]
        np.multiply(tile, down[row], out=tile)
        np.multiply(tile, across[column], out=tile)
        top, left = self._at(whole, self.plan.rows[row].start, self.plan.columns[column].start)
        place = whole[:, :, top : top + tile.shape[2], left : left + tile.shape[3]]
        np.add(place, tile, out=place)

    def _at(self, whole: Array, row: int, column: int) -> tuple[int, int]:
        """Return a place in the picture as one in a tensor of another size."""
        height, width = self.plan.picture
        return row * whole.shape[2] // height, column * whole.shape[3] // width


def _ramps(spans: tuple[Span, ...], halo: int, length: int, picture: int) -> list[Array]:
    """Return each span's weights along one axis of an output, float32 (what it sees,).

    Around each edge between two spans one ramp falls from 1 to 0 over the halo's width, half of it to either side, and
    the next one rises as it falls.
    """
    places = (np.arange(length, dtype=np.float64) + 0.5) * picture / length
    width = max(halo, 1e-6)
    rising = [np.clip((places - span.first) / width + 0.5, 0.0, 1.0) for span in spans[1:]]
    rising = [np.ones(length), *rising, np.zeros(length)]
    ramps: list[Array] = []
    for number, span in enumerate(spans):
        weights = rising[number] - rising[number + 1]
        ramps.append(weights[span.start * length // picture : span.end * length // picture].astype(np.float32))
    return ramps
