"""Cases of inspect.cu."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.materials import SENTINEL, padded, picture
from kernels.catalogue import Element
from kernels.reference import inspect

Array = npt.NDArray[Any]

BLOCKS = inspect.BLOCK_ROWS * inspect.BLOCK_COLUMNS
PARTS = 12


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    yield _thin(element, "every pixel", (1, 1), 1)
    yield _thin(element, "odd size, padded rows", (45, 67), 2)
    yield _thin(element, "a last step that is not whole", (50, 131), 4)
    yield _blocks(element, "as many pixels as blocks", (12, 16), 0.0)
    yield _blocks(element, "odd size, pixels shared", (31, 53), 0.0)
    yield _blocks(element, "fewer pixels than blocks", (5, 9), 0.0)
    yield _blocks(element, "less the level", (26, 37), -0.125)
    yield _difference("blocks of noise", 1.0)
    yield _difference("numbers beyond the range", 100.0)
    yield _difference("all the same", 0.0)
    both, other = _looks(element)
    flat = np.full(inspect.LOOK_SIZE, 0.25, element)
    ends = np.where(np.indices(inspect.LOOK_SIZE)[1] % 2, 0.0, 1.0).astype(element)
    for label, first, second in (
        ("noise", both, other),
        ("the same", both, both),
        ("both flat", flat, flat),
        ("black and white", ends, flat),
    ):
        yield _spread(label, first, second)
    for label, first, second in (
        ("strangers", both, other),
        ("the second has more texture", (both * 0.5).astype(element), other),
        ("moved by a few pixels", both, np.roll(both, (3, -5), (0, 1))),
        ("flat against noise", flat, both),
    ):
        yield _parts(label, first, second)
    yield _likeness("some", np.random.default_rng(1).random((2, PARTS), np.float32))
    yield _likeness("nothing to be seen", np.zeros((2, PARTS), np.float32))
    yield _likeness("all alike", np.full((2, PARTS), inspect.TEXTURE_CAP, np.float32))


def _looks(element: Element) -> tuple[Array, Array]:
    first, second = (picture(seed, inspect.LOOK_SIZE, element) for seed in (1, 2))
    return first, second


def _thin(element: Element, label: str, size: tuple[int, int], step: int) -> Case:
    source = picture(3, size, element)
    expected = inspect.inspect_thin(source, step)
    return Case(
        kernel="inspect_thin",
        label=label,
        arguments={
            "picture": padded(source[None], size[1] + 5, size[0] + 1),
            "thin": np.full(expected.shape, SENTINEL, element),
            "pitch": size[1] + 5,
            "step": step,
            "width": expected.shape[1],
            "height": expected.shape[0],
        },
        domain=(expected.shape[1], expected.shape[0], 1),
        expected={"thin": expected},
        tolerance=0.0,
    )


def _blocks(element: Element, label: str, size: tuple[int, int], level: float) -> Case:
    first, second = (picture(seed, size, element) for seed in (4, 5))
    return Case(
        kernel="inspect_blocks",
        label=label,
        arguments={
            "first": first,
            "second": second,
            "level": np.array([level], np.float32),
            "blocks": np.full((2, BLOCKS), SENTINEL, np.float32),
            "width": size[1],
            "height": size[0],
        },
        domain=(64, BLOCKS, 1),
        expected={"blocks": inspect.inspect_blocks(first, second, level)},
        tolerance=1e-6,
    )


def _difference(label: str, spread: float) -> Case:
    blocks = (np.random.default_rng(6).random((2, BLOCKS)) * spread).astype(np.float32)
    blocks[1] -= np.float32(0.5)
    blocks[0, -1] = 1.5 * spread
    return Case(
        kernel="inspect_difference",
        label=label,
        arguments={"blocks": blocks, "scores": np.full(3, SENTINEL, np.float32)},
        domain=(256, 1, 1),
        expected={"scores": inspect.inspect_difference(blocks)},
        tolerance=1e-6 * max(1.0, spread),
    )


def _spread(label: str, first: Array, second: Array) -> Case:
    return Case(
        kernel="inspect_spread",
        label=label,
        arguments={"first": first, "second": second, "scores": np.full(3, SENTINEL, np.float32)},
        domain=(256, 1, 1),
        expected={"scores": inspect.inspect_spread(first, second)},
        tolerance=1e-6,
    )


def _parts(label: str, first: Array, second: Array) -> Case:
    spread = inspect.inspect_spread(first, second)
    return Case(
        kernel="inspect_parts",
        label=label,
        arguments={
            "first": first,
            "second": second,
            "spread": spread,
            "parts": np.full((2, PARTS), SENTINEL, np.float32),
        },
        domain=(512, PARTS, 1),
        expected={"parts": inspect.inspect_parts(first, second, spread)},
        tolerance=1e-5,
    )


def _likeness(label: str, parts: Array) -> Case:
    return Case(
        kernel="inspect_likeness",
        label=label,
        arguments={"parts": parts, "scores": np.full(1, SENTINEL, np.float32)},
        domain=(32, 1, 1),
        expected={"scores": inspect.inspect_likeness(parts)},
        tolerance=1e-6,
    )
