"""Reference of tiles.cu."""

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float64]


def tile_cut(picture: Planes, left: int, top: int, height: int, width: int) -> Planes:
    """Return the tile (C, height, width) whose corner lies at (left, top); beyond the picture its edge is repeated."""
    rows = np.clip(np.arange(top, top + height), 0, picture.shape[1] - 1)
    columns = np.clip(np.arange(left, left + width), 0, picture.shape[2] - 1)
    return picture[:, rows[:, None], columns]


def tile_put(tile: Planes, picture: Planes, box: tuple[slice, slice], at: tuple[int, int]) -> Planes:
    """Return `picture` with `box` (rows, columns) of a tile put to `at` (row, column)."""
    made, piece = picture.copy(), tile[:, box[0], box[1]]
    made[:, at[0] : at[0] + piece.shape[1], at[1] : at[1] + piece.shape[2]] = piece
    return made


def ramp(first: int, last: int, halo: int, length: int, whole: int) -> Weights:
    """Return what a tile that answers for `first` to `last` of an axis of `whole` pixels weighs at each of `length`.

    Around each border with another tile it rises or falls over `halo` pixels, half of them to either side; the weights
    of all tiles are 1 in sum.
    """
    places = (np.arange(length) + 0.5) * whole / length

    def risen(edge: int) -> Weights:
        return np.clip((places - edge) / max(halo, 1e-6) + 0.5, 0, 1)

    rising = np.ones(length) if first == 0 else risen(first)
    return rising - (0 if last == whole else risen(last))


def tile_fade(
    tile: Planes,
    total: Planes,
    at: tuple[int, int],
    whole: tuple[int, int],
    rows: tuple[int, int],
    columns: tuple[int, int],
    halo: int,
) -> Planes:
    """Return the sum of tiles with one more.

    Parameters
    ----------
    tile : (C, h, w)
    total : (C, H, W), zeros before the first tile
    at : row and column of the tile in the sum
    whole : rows and columns of the picture, which may be of another size than the sum
    rows, columns : first and one past the last of the picture that the tile answers for
    halo : pixels of the picture over which tiles fade into each other
    """
    box = np.s_[:, at[0] : at[0] + tile.shape[1], at[1] : at[1] + tile.shape[2]]
    down = ramp(*rows, halo, total.shape[1], whole[0])[:, None]
    across = ramp(*columns, halo, total.shape[2], whole[1])
    made = total.copy()
    made[box] += tile * (down * across)[box[1:]]
    return made
