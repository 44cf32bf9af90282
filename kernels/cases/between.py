"""Cases of between.cu."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.case import Case
from kernels.cases.margins import TIGHT, WIDE, Margins
from kernels.cases.materials import SENTINEL, half_step, picture
from kernels.catalogue import Element
from kernels.reference import between

Array = npt.NDArray[Any]
Size = tuple[int, int]

BOUNDS = between.Bounds(doubtful=0.05, better=0.95, strangers=0.12, noise=0.004, margin=1.15)


def cases(element: Element) -> Iterator[Case]:
    """Yield them."""
    for label, moment in (("the middle", 0.5), ("an end", 0.0), ("no number", float("nan"))):
        yield _moment(label, moment)
    yield _given("half the size", (32, 48), (16, 24), (2.0, 2.0), 4.0)
    yield _given("odd size, pixels shared", (33, 37), (15, 17), (1.5, 2.25), 4.0)
    yield _given("one place", (1, 1), (1, 1), (2.0, 2.0), 1e6)
    for label, size, spread, timestep in (
        ("odd size", (19, 37), 6.0, 0.25),
        ("ways out of the picture", (9, 33), 400.0, 0.75),
        ("ways all alike", (11, 13), 0.0, 0.5),
        ("one place", (1, 1), 3.0, 0.5),
    ):
        yield _aim(element, label, size, spread, timestep)
        yield _believe(label, size, spread)
        yield _compare(element, label, size, spread)
    for label, size, spread, has in (
        ("odd size", (19, 37), 6.0, (True, True)),
        ("the shot begins, ways out of the picture", (9, 33), 400.0, (False, True)),
        ("the shot ends", (11, 13), 2.0, (True, False)),
        ("two pictures alone, one place", (1, 1), 3.0, (False, False)),
    ):
        yield _bend(label, size, spread, has)
    yield _enlarge("twice as fine", (9, 21), 2, (18, 42), 4.0)
    yield _enlarge("ends before the finer grid does", (9, 21), 2, (17, 37), 4.0)
    yield _enlarge("one place", (1, 1), 2, (1, 2), 1e4)
    yield _compose("of two pictures of the film", (9, 37), 3.0, made=(False, False))
    yield _compose("left was made", (9, 37), 3.0, made=(True, False))
    yield _compose("right was made", (9, 37), 3.0, made=(False, True))
    yield _compose("both were made", (9, 37), 3.0, made=(True, True))
    yield _compose("one place, far beyond it", (1, 1), 1e4, made=(True, True))
    for label, size, grid, ways, spread in (
        ("a value for each pixel", (25, 45), (25, 45), 2, 3.0),
        ("four values across a pixel, twice found", (25, 45), (100, 177), 3, 12.0),
        ("fewer values than pixels, twice found", (25, 45), (13, 23), 3, 3.0),
        ("one pixel", (1, 1), (1, 1), 2, 1.0),
        ("flows beyond every edge", (19, 35), (19, 35), 3, 1e6),
        ("flow that is not a number", (9, 33), (9, 33), 2, np.nan),
    ):
        yield _change(element, label, size, grid, ways, spread)
    yield _spread("two ways, several blocks a part", (40, 70), 2, 3)
    yield _spread("three ways, parts left empty", (9, 31), 3, 4)
    yield _spread("one pixel", (1, 1), 2, 1)
    for label, stood, moved, again in _DIFFERENCES:
        for is_first, source in ((True, 0), (False, 0), (False, 1)):
            yield _decide(label, stood, moved, again, source if again is not None else 0, is_first=is_first)
    for label, size, decision, timestep, is_told in (
        ("followed, odd size", (9, 37), (between.FOLLOW, 0), 0.25, True),
        ("followed as found again", (9, 37), (between.FOLLOW, 1), 0.25, True),
        ("faded", (9, 37), (between.CROSS_FADE, 0), 0.25, True),
        ("held, nearer the first", (9, 37), (between.HOLD, 0), 0.25, True),
        ("held, nearer the second", (9, 37), (between.HOLD, 1), 0.5, True),
        ("not told, one place", (1, 1), (between.FOLLOW, 0), 0.25, False),
    ):
        yield _motion(label, size, decision, timestep, is_told=is_told)
    for label, planes, tensor_planes, decision, margins in (
        ("planes as they are, padded rows", 3, 3, (between.FOLLOW, 0), WIDE),
        ("luma of three planes", 1, 3, (between.FOLLOW, 0), WIDE),
        ("one plane", 1, 1, (between.FOLLOW, 0), TIGHT),
        ("not followed", 3, 3, (between.CROSS_FADE, 0), WIDE),
        ("found again, so not of this picture", 1, 3, (between.FOLLOW, 1), TIGHT),
    ):
        yield _take(element, label, (planes, 11, 37), tensor_planes, decision, margins)
    yield _take(element, "one pixel", (1, 1, 1), 1, (between.FOLLOW, 0), TIGHT)


_DIFFERENCES = (
    ("explains the picture", 0.06, 0.01, None),
    ("explains less than standing still", 0.02, 0.03, None),
    ("all alike", 0.0, 0.002, None),
    ("strangers", 0.3, 0.25, None),
    ("found again, better", 0.2, 0.1, 0.03),
    ("found again, hardly better", 0.2, 0.1, 0.098),
    ("found again without doubt", 0.2, 0.03, 0.01),
    ("found again, strangers still", 0.3, 0.25, 0.2),
    ("no number", float("nan"), float("nan"), 0.03),
)


def _planes(seed: int, shape: tuple[int, ...], spread: float) -> npt.NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=shape) * spread).astype(np.float32)


def _motions(seed: int, size: Size, spread: float) -> npt.NDArray[np.float32]:
    motion = _planes(seed, (5, *size), spread)
    motion[4] = np.random.default_rng(seed).random(size)
    return motion


def _empty(*shape: int) -> npt.NDArray[np.float32]:
    return np.full(shape, SENTINEL, np.float32)


def _decision(verdict: int, source: int) -> npt.NDArray[np.int32]:
    return np.array([verdict, source, 5, 6, 7], np.int32)


def _moment(label: str, moment: float) -> Case:
    return Case(
        kernel="between_moment",
        label=label,
        arguments={"timestep": _empty(1), "moment": moment},
        domain=(1, 1, 1),
        expected={"timestep": between.between_moment(moment)},
        tolerance=0.0,
    )


def _given(label: str, source: Size, size: Size, scale: tuple[float, float], spread: float) -> Case:
    forward, backward = _planes(1, (2, *source), spread), _planes(2, (2, *source), spread)
    return Case(
        kernel="between_given",
        label=label,
        arguments={
            "forward": forward,
            "backward": backward,
            "given": _empty(4, *size),
            "from_width": source[1],
            "from_height": source[0],
            "width": size[1],
            "height": size[0],
            "scale_x": scale[0],
            "scale_y": scale[1],
        },
        domain=(size[1], size[0], 4),
        expected={"given": between.between_given(forward, backward, *size, scale)},
        tolerance=2e-6 * max(1.0, spread),
    )


def _aim(element: Element, label: str, size: Size, spread: float, timestep: float) -> Case:
    first, second = (picture(seed, (1, *size), element) for seed in (21, 22))
    ways = _planes(23, (4, *size), spread)
    settings = (4.0, timestep, 0.02, 0.15)
    wide = (first.astype(np.float32), second.astype(np.float32))
    return Case(
        kernel="between_aim",
        label=label,
        arguments={
            "first": first,
            "second": second,
            "ways": ways,
            "motion": _empty(4, *size),
            "width": size[1],
            "height": size[0],
            **dict(zip(("cell", "timestep", "undecided", "share"), settings, strict=True)),
        },
        domain=(size[1], size[0], 1),
        expected={"motion": between.between_aim(*wide, ways, *settings)},
        tolerance=2e-5 * max(1.0, spread),
    )


def _believe(label: str, size: Size, spread: float) -> Case:
    ways = _planes(24, (4, *size), spread)
    ways[2:] = -ways[:2] + _planes(25, (2, *size), 1.0)  # most come back
    settings = (4.0, 0.2, 0.3)
    return Case(
        kernel="between_believe",
        label=label,
        arguments={
            "ways": ways,
            "trust": _empty(2, *size),
            "width": size[1],
            "height": size[0],
            **dict(zip(("cell", "share", "miss"), settings, strict=True)),
        },
        domain=(size[1], size[0], 2),
        expected={"trust": between.between_believe(ways, *settings)},
        tolerance=2e-5 * max(1.0, spread),
    )


def _bend(label: str, size: Size, spread: float, has: tuple[bool, bool]) -> Case:
    pairs = [(_planes(seed, (4, *size), spread), picture(seed, (2, *size), "float32")) for seed in (26, 27, 28)]
    line = _planes(29, (4, *size), spread)
    beside = [pair if is_there else None for pair, is_there in zip((pairs[0], pairs[2]), has, strict=True)]
    bends, beliefs = between.between_bend(beside[0], pairs[1], beside[1], line, 4.0, 0.25)
    named = {
        f"{prefix}{name}": planes
        for prefix, pair in zip(("before_", "", "after_"), pairs, strict=True)
        for name, planes in zip(("ways", "trust"), pair, strict=True)
    }
    return Case(
        kernel="between_bend",
        label=label,
        arguments={
            **named,
            "motion": np.concatenate([line, _empty(4, *size)]),
            "belief": _empty(2, *size),
            "width": size[1],
            "height": size[0],
            "has_before": int(has[0]),
            "has_after": int(has[1]),
            "cell": 4.0,
            "timestep": 0.25,
        },
        domain=(size[1], size[0], 2),
        expected={"motion": np.concatenate([line, bends]), "belief": beliefs},
        tolerance=1e-5 * max(1.0, spread),
    )


def _compare(element: Element, label: str, size: Size, spread: float) -> Case:
    times = 2 if size[0] > 1 else 3
    first, second = (picture(seed, (1, times * size[0], times * size[1]), element) for seed in (30, 31))
    motion = _planes(32, (4, *size), spread)
    expected = between.between_compare(first.astype(np.float32), second.astype(np.float32), motion, times, 0.5)
    return Case(
        kernel="between_compare",
        label=label,
        arguments={
            "first": first,
            "second": second,
            "motion": motion,
            "evidence": _empty(4, *size),
            "width": size[1],
            "height": size[0],
            "times": times,
            "scale": 0.5,
        },
        domain=(size[1], size[0], 1),
        expected={"evidence": expected},
        tolerance=1e-5 * max(1.0, spread),
    )


def _enlarge(label: str, source: Size, times: int, size: Size, spread: float) -> Case:
    flow, mask = _planes(3, (4, *source), spread), picture(4, (1, *source), "float32")
    return Case(
        kernel="between_enlarge",
        label=label,
        arguments={
            "flow": flow,
            "mask": mask,
            "motion": _empty(5, *size),
            "from_width": source[1],
            "from_height": source[0],
            "times": times,
            "width": size[1],
            "height": size[0],
            "gain": 2.0,
        },
        domain=(size[1], size[0], 5),
        expected={"motion": between.between_enlarge(flow, mask, times, *size, 2.0)},
        tolerance=2e-6 * max(1.0, spread),
    )


def _compose(label: str, size: Size, spread: float, *, made: tuple[bool, bool]) -> Case:
    step, left, right = (_motions(seed, size, spread) for seed in (14, 15, 16))
    ends = [motion if is_made else None for motion, is_made in zip((left, right), made, strict=True)]
    return Case(
        kernel="between_compose",
        label=label,
        arguments={
            "flow": step[:4].copy(),
            "mask": step[4:].copy(),
            "left": left,
            "right": right,
            "motion": _empty(5, *size),
            "width": size[1],
            "height": size[0],
            "is_left_made": int(made[0]),
            "is_right_made": int(made[1]),
            "scale": 0.5,
            "faint": 1e-3,
        },
        domain=(size[1], size[0], 1),
        expected={"motion": between.between_compose(step[:4], step[4:], ends[0], ends[1], 0.5, 1e-3)},
        tolerance=1e-5 * max(1.0, spread),
    )


def _change(element: Element, label: str, size: Size, grid: Size, ways: int, spread: float) -> Case:
    first, second = picture(5, size, element), picture(6, size, element)
    found, again = _motions(7, grid, spread), _motions(8, grid, spread)
    scale = size[1] / grid[1] if grid[1] > size[1] else 1.0
    wide = (first.astype(np.float32), second.astype(np.float32))
    change = between.between_change(*wide, [found, again][: ways - 1], scale)
    sums = between.block_sums(change)
    return Case(
        kernel="between_change",
        label=label,
        arguments={
            "first": first,
            "second": second,
            "flow": found[:4].copy(),
            "again": again,
            "change": _empty(*change.shape),
            "sums": _empty(*sums.shape),
            "width": size[1],
            "height": size[0],
            "flow_width": grid[1],
            "flow_height": grid[0],
            "scale": scale,
        },
        domain=(size[1], size[0], ways),
        expected={"change": change, "sums": sums},
        tolerance=5e-5,
    )


def _spread(label: str, size: Size, ways: int, parts: int) -> Case:
    change = _planes(9, (ways, *size), 0.2)
    sums = between.block_sums(change)
    spreads = between.between_spread(change, sums, parts)
    return Case(
        kernel="between_spread",
        label=label,
        arguments={
            "change": change,
            "sums": sums,
            "spreads": _empty(*spreads.shape),
            "count": size[0] * size[1],
            "blocks": sums.shape[1],
        },
        domain=(between.THREADS, parts, ways),
        expected={"spreads": spreads},
        tolerance=2e-4,
    )


def _decide(label: str, stood: float, moved: float, again: float | None, source: int, *, is_first: bool) -> Case:
    differences = [stood, moved] if again is None else [stood, moved, again]
    parts, count = 3, 1000
    shares = np.array([0.5, 0.3, 0.2]) * count
    spreads = np.outer(differences, shares).astype(np.float32)
    before = _decision(between.HOLD, source)
    return Case(
        kernel="between_decide",
        label=f"{label}, {'first' if is_first else f'later, {source} serves'}",
        arguments={
            "spreads": spreads,
            "decision": before,
            "parts": parts,
            "is_first": int(is_first),
            "was_found_again": int(again is not None),
            "unit": 1.0 / count,
            "doubtful": BOUNDS.doubtful,
            "better": BOUNDS.better,
            "strangers": BOUNDS.strangers,
            "noise": BOUNDS.noise,
            "margin": BOUNDS.margin,
        },
        domain=(1, 1, 1),
        expected={"decision": between.between_decide(spreads, before, 1.0 / count, BOUNDS, is_first=is_first)},
        tolerance=0.0,
    )


def _motion(label: str, size: Size, decision: tuple[int, int], timestep: float, *, is_told: bool) -> Case:
    found, again, decided = _motions(10, size, 3.0), _motions(11, size, 3.0), _decision(*decision)
    return Case(
        kernel="between_motion",
        label=label,
        arguments={
            "flow": found[:4].copy(),
            "mask": found[4:].copy(),
            "again": again,
            "decision": decided,
            "motion": _empty(5, *size),
            "width": size[1],
            "height": size[0],
            "is_told": int(is_told),
            "times": 2.0,
            "timestep": timestep,
        },
        domain=(size[1], size[0], 1),
        expected={"motion": between.between_motion(found, again, decided, 2.0, timestep, is_told=is_told)},
        tolerance=1e-6,
    )


def _take(
    element: Element,
    label: str,
    shape: tuple[int, int, int],
    tensor_planes: int,
    decision: tuple[int, int],
    margins: Margins,
) -> Case:
    size = shape[1:]
    made, film = picture(12, (tensor_planes, *size), element), picture(13, shape, element)
    decided, (kr, kb), (gain, offset) = _decision(*decision), (0.299, 0.114), (1.5, -0.25)
    wide = (made.astype(np.float32), film.astype(np.float32))
    expected = between.between_take(*wide, decided, kr, kb, gain, offset).astype(element)
    tensor_margins = Margins(columns=5, rows=2)
    return Case(
        kernel="between_take",
        label=label,
        arguments={
            "tensor": tensor_margins.put(made),
            "decision": decided,
            "out": margins.put(film),
            "width": size[1],
            "height": size[0],
            "planes": shape[0],
            "tensor_planes": tensor_planes,
            **tensor_margins.strides(made.shape, "tensor_"),
            **margins.strides(shape),
            "kr": kr,
            "kb": kb,
            "gain": gain,
            "offset": offset,
        },
        domain=(size[1], size[0], 1),
        expected={"out": margins.put(expected)},
        tolerance=1e-6 + half_step(element),
    )
