"""Decides how an enhancer's pictures are cut into tiles where a whole one would take more memory than there is.

Every tile sees `halo` pixels more on each side than it answers for, and true film pixels there, never padding; at the
picture's own borders a tile ends where the picture does. Where the halo is as wide as the network looks (`Reach`), the
tiles hold the very numbers of a whole-picture run. A network that looks further than `WIDEST_EXACT_HALO`, or over the
whole picture, gets a practical halo, and tiles are faded into each other over half of it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from engine.errors import ConfigError
from engine.memory import available_memory
from engine.model import Model
from engine.onnx_graph import read_graph
from engine.stages.picture_tensors import fixed_size
from engine.stages.reach import Reach, reach_of

WIDEST_EXACT_HALO = 64
"""Pixels. Real-ESRGAN's compact networks look 18 and 34 pixels far, RRDBNet 349, ×2 with folded pixels 698."""

PRACTICAL_HALO = 32
"""Pixels of the network's own grid. RRDBNet's error beside a whole-picture run is gone in rounding at half of that."""

USUAL_GRID = 2
"""Where the graph cannot be followed."""

MEMORY_SHARE = 0.25
"""Of the available memory, for one run of the model: opening tries sessions with several thread counts side by side."""

OVERHEAD = 1.6
"""Memory that ONNX Runtime was seen to take ÷ that of the tensors alive: compact networks 1.0, RRDBNet 1.3 to 1.6."""

SMALLEST_CHOSEN = 64
"""Pixels that a tile answers for at least, however short memory is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A tile along one axis, in pixels of the picture: it sees `start` to `end`, and answers for `first` to `last`."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePlan:
    """How a picture is cut.

    picture : height and width of the picture that the model is to see, padding included
    rows, columns : spans down and across; all see equally many pixels
    halo : pixels beyond those that a tile answers for, at inner edges at least
    is_exact : the halo is as wide as the network looks; else tiles are faded into each other
    """

    picture: tuple[int, int]
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    halo: int
    is_exact: bool

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width that each tile sees."""
        return self.rows[0].end - self.rows[0].start, self.columns[0].end - self.columns[0].start

    @property
    def count(self) -> int:
        """Tiles of one picture."""
        return len(self.rows) * len(self.columns)

    def __str__(self) -> str:
        """Describe in words."""
        merged = "exact" if self.is_exact else "faded into each other"
        return f"{self.count} tiles of {self.tile[1]}×{self.tile[0]} with {self.halo} pixels around, {merged}"


def plan_tiles(
    model: Model,
    reach: Reach | None,
    picture: tuple[int, int],
    multiple: int,
    tile: int | None,
    *,
    available: int | None = None,
) -> TilePlan | None:
    """Decide whether to cut pictures, and how.

    Parameters
    ----------
    model : the enhancer
    reach : of its graph; None where it cannot be followed
    picture : height and width that it is to see
    multiple : of which tiles begin and end at multiples
    tile : pixels that a tile is to answer for on each side; 0: the whole picture; None: the whole picture where memory
        allows it or the model's need is not known
    available : bytes of memory; None: what the machine has

    Returns
    -------
    None for the whole picture

    Raises
    ------
    ConfigError
        Tiles are asked for of a model that carries states from frame to frame, or the whole picture of a model whose
        file fixes another size.
    """
    fixed = fixed_size(model)
    is_fixed = any(side is not None and side < length for side, length in zip(fixed, picture, strict=True))
    if tile == 0 and is_fixed:
        raise ConfigError(
            f"tile: got 0, the whole picture of {picture[1]}×{picture[0]}; model {model.card.name} takes "
            f"{fixed[1] or 'any'}×{fixed[0] or 'any'} only; leave tile out"
        )
    if model.card.states and (tile or is_fixed):
        raise ConfigError(
            f"tile: got {tile or 'a fixed size'}; model {model.card.name} carries states from frame to frame and sees "
            "whole pictures only; choose another model or no tiles"
        )
    if tile is None and not is_fixed and not model.card.states:
        tile = _affordable(reach, picture, available_memory() if available is None else available)
    if not tile and not is_fixed:
        return None
    pixels, is_exact = _halo(reach)
    halo = -(-pixels // multiple) * multiple
    spans = [_spans(length, tile or length, halo, multiple, side) for length, side in zip(picture, fixed, strict=True)]
    if all(len(axis) == 1 for axis in spans):
        return None
    kept = min(_least_halo(axis) for axis in spans)
    return TilePlan(
        picture=picture, rows=spans[0], columns=spans[1], halo=min(halo, kept), is_exact=is_exact and kept >= halo
    )


def model_reach(model: Model) -> Reach | None:
    """Follow an enhancer's graph; None where it holds an operation over the whole picture, or one that is not known."""
    pictures: dict[str, tuple[int, int]] = {}
    for name, tensor in model.inputs.items():
        if len(tensor.shape) == 4:
            if tensor.shape[1] is None:
                return None
            pictures[name] = (tensor.shape[1], 2 if name == "chroma" else 1)
    return reach_of(read_graph(model.data), pictures, list(model.outputs))


def memory_needed(reach: Reach, size: tuple[int, int]) -> int:
    """Return the bytes that one run on a picture or tile of that height and width takes, at most."""
    return math.ceil(OVERHEAD * reach.bytes_per_pixel * size[0] * size[1])


def _affordable(reach: Reach | None, picture: tuple[int, int], available: int | None) -> int:
    """Return the side of the largest tile whose run fits into memory, halo aside; 0 where the whole picture does."""
    if reach is None or available is None:
        return 0
    limit = int(MEMORY_SHARE * available)
    if memory_needed(reach, picture) <= limit:
        return 0
    return max(math.isqrt(limit // memory_needed(reach, (1, 1))) - 2 * _halo(reach)[0], SMALLEST_CHOSEN)


def _halo(reach: Reach | None) -> tuple[int, bool]:
    """Return the pixels to be seen around a tile, and whether these are all that the network looks at."""
    if reach is None:
        return PRACTICAL_HALO * USUAL_GRID, False
    if reach.halo <= WIDEST_EXACT_HALO:
        return reach.halo, True
    return PRACTICAL_HALO * reach.grid, False


def _spans(length: int, tile: int, halo: int, multiple: int, fixed: int | None) -> tuple[Span, ...]:
    """Cut one axis into spans of equal size, each but the outer ones with `halo` on both sides, all as small as can be.

    A size fixed by the model that leaves no room for the halo gets as much of one as still moves on by a quarter.
    """
    if fixed is not None:
        size = fixed
        halo = min(halo, max(0, (size * 3 // 8) // multiple * multiple))
    else:
        size = -(-(tile + 2 * halo) // multiple) * multiple
    if size >= length:
        return (Span(start=0, end=length, first=0, last=length),)
    count = -(-(length - 2 * halo) // (size - 2 * halo))
    if fixed is None:
        size = -(-(-(-(length - 2 * halo) // count) + 2 * halo) // multiple) * multiple
    room = length - size
    starts = [room if tile == count - 1 else room * tile // (count - 1) // multiple * multiple for tile in range(count)]
    edges = [(before + size + after) // 2 // multiple * multiple for before, after in pairwise(starts)]
    return tuple(
        Span(start=start, end=start + size, first=first, last=last)
        for start, first, last in zip(starts, [0, *edges], [*edges, length], strict=True)
    )


def _least_halo(spans: tuple[Span, ...]) -> int:
    """Return the fewest pixels between what a tile answers for and an inner edge of what it sees."""
    inner = [span.first - span.start for span in spans[1:]] + [span.end - span.last for span in spans[:-1]]
    return min(inner, default=1 << 30)
