"""Reference of between.cu: the motion that an interpolation model is given, and what is done with what it finds.

Motion is float32 (5, h, w): flow, x and y to the first picture, x and y to the second, and mask, the weight of the
first. `engine/stages/motion_check.py` and `engine/stages/motion_field.py` are the same for the processor, and say why.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernels.reference.resize import area, area_enlarge, linear, resized
from kernels.reference.sampling import bilinear
from kernels.reference.tensors import luma_of

Planes = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int32]

THREADS, BLOCK = 256, (8, 32)
"""Threads that add up, and the rows and columns of a block of them."""

AROUND = 2
"""Places to each side of one on which pictures are compared along motion."""

VERDICT, SOURCE, COUNTS = 0, 1, 2
"""Where in a decision stand what to do, which motion serves, and how often each was done."""

FOLLOW, CROSS_FADE, HOLD = 0, 1, 2
"""What to do: what `engine.stages.motion_check.Verdict` calls by these names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Mean differences, of a range of 1, by which is decided; `engine.stages` has them and says what they mean."""

    doubtful: float
    better: float
    strangers: float
    noise: float
    margin: float


def between_moment(moment: float) -> Planes:
    """Return (1,): the moment that a model is asked for."""
    return np.array([moment], np.float32)


def between_given(forward: Planes, backward: Planes, height: int, width: int, scale: tuple[float, float]) -> Planes:
    """Return motion there and back (4, height, width) of flows (2, h, w), by area, x and y times `scale`."""
    both = resized(np.concatenate([forward, backward]), height, width, area)
    return both * np.array([*scale, *scale], np.float32)[:, None, None]


def between_aim(
    first: Planes, second: Planes, ways: Planes, cell: float, timestep: float, undecided: float, share: float
) -> Planes:
    """Return motion (4, h, w) from a moment between two pictures to both, in pixels.

    Parameters
    ----------
    first, second : (1, h, w), the pictures, one value for each place of the motion
    ways : (4, h, w), motion from the first to the second and back, x and y, in pixels
    cell : pixels to a place
    timestep : of the moment
    undecided, share : by how much more, of a range of 1 and of what they differ along the best proposal, pictures may
        differ along another until it counts 1/e as much
    """
    before, after = np.float32(-timestep), np.float32(1 - timestep)
    forward = np.concatenate([before * ways[:2], after * ways[:2]])
    backward = np.concatenate([-before * ways[2:], -after * ways[2:]])
    proposals = np.stack([forward, backward, (forward + backward) / 2])
    rows, columns = np.indices(first.shape[1:], np.float32)
    apart: list[Planes] = []
    for x0, y0, x1, y1 in proposals / np.float32(cell):
        change = np.abs(bilinear(first, columns + x0, rows + y0) - bilinear(second, columns + x1, rows + y1))[0]
        around = np.lib.stride_tricks.sliding_window_view(np.pad(change, AROUND, mode="edge"), (2 * AROUND + 1,) * 2)
        apart.append(around.mean(axis=(2, 3), dtype=np.float64).astype(np.float32))
    least = np.min(apart, axis=0)
    weights = np.exp((least - np.stack(apart)) / (share * least + undecided))
    return ((weights[:, None] * proposals).sum(axis=0) / weights.sum(axis=0)).astype(np.float32)


def between_believe(ways: Planes, cell: float, share: float, miss: float) -> Planes:
    """Return how far motion there and back (4, h, w), in pixels, is undone by the way back from where it leads.

    Of both, (2, h, w): 1 where it is, 1/e where it misses by `miss` cells squared and `share` of both ways' squares.
    """
    rows, columns = np.indices(ways.shape[1:], np.float32)
    cells = ways / np.float32(cell)
    beliefs: list[Planes] = []
    for there, back in ((cells[:2], cells[2:]), (cells[2:], cells[:2])):
        returned = bilinear(back, columns + there[0], rows + there[1])
        length = np.square(there).sum(axis=0) + np.square(returned).sum(axis=0)
        beliefs.append(np.exp(-np.square(there + returned).sum(axis=0) / (share * length + miss)))
    return np.stack(beliefs).astype(np.float32)


def between_bend(
    before: tuple[Planes, Planes] | None,
    here: tuple[Planes, Planes],
    after: tuple[Planes, Planes] | None,
    line: Planes,
    cell: float,
    timestep: float,
) -> tuple[Planes, Planes]:
    """Return by how much the place at a moment lies off the line, (4, h, w) in pixels, and how far that is believed.

    Parameters
    ----------
    before, here, after : motion there and back (4, h, w), in pixels, and belief in it (2, h, w), of the pair of
        pictures and those beside it; None: nothing is known
    line : (4, h, w), motion from the moment to both pictures, in pixels
    cell : pixels to a place
    timestep : of the moment
    """
    ways, trust = here
    rows, columns = np.indices(ways.shape[1:], np.float32)
    bends, beliefs = np.zeros((4, *ways.shape[1:]), np.float32), np.zeros((2, *ways.shape[1:]), np.float32)
    for side, (pair, way, back) in enumerate(((before, 0, 1), (after, 1, 0))):
        if pair is None:
            continue
        other_ways, other_trust = pair
        x, y = columns + line[2 * side] / np.float32(cell), rows + line[2 * side + 1] / np.float32(cell)
        apart = ways[2 * way : 2 * way + 2] + other_ways[2 * back : 2 * back + 2]
        bends[2 * side : 2 * side + 2] = bilinear(apart, x, y) * np.float32(0.5 * timestep * (1 - timestep))
        beliefs[side] = bilinear((trust[way] * other_trust[back])[None], x, y)[0]
    return bends, beliefs


def between_compare(first: Planes, second: Planes, motion: Planes, times: int, scale: float) -> Planes:
    """Return what speaks for motion and against it, (4, h, w).

    The mean of how much pictures differ along it, and standing still; their mean difference along it, with its sign,
    and their mean.

    Parameters
    ----------
    first, second : (1, h times, w times)
    motion : (4, h, w), from a moment to both
    scale : turns motion into pixels of these pictures
    """
    height, width = first.shape[1:]
    way = resized(motion[:4] * np.float32(scale), height, width, linear)
    rows, columns = np.indices((height, width), np.float32)
    one = bilinear(first, columns + way[0], rows + way[1])
    other = bilinear(second, columns + way[2], rows + way[3])
    seen = np.concatenate([np.abs(one - other), np.abs(first - second), one - other, (one + other) / 2])
    places = seen.reshape(4, height // times, times, width // times, times)
    return places.mean(axis=(2, 4), dtype=np.float64).astype(np.float32)


def between_enlarge(flow: Planes, mask: Planes, times: int, height: int, width: int, gain: float) -> Planes:
    """Return motion (5, height, width) found on a grid `times` as coarse, its flow times `gain`; linear."""
    found = np.concatenate([flow * np.float32(gain), mask])
    return resized(found, found.shape[1] * times, found.shape[2] * times, linear)[:, :height, :width]


def between_compose(
    flow: Planes, mask: Planes, left: Planes | None, right: Planes | None, scale: float, faint: float
) -> Planes:
    """Return motion (5, h, w) to the film's two pictures, of a picture made between two others.

    Parameters
    ----------
    flow, mask : (4, h, w) and (1, h, w): the step to the left and to the right one, and the left one's weight
    left, right : (5, h, w), their own motion; None: it is the film's first, or second, picture
    scale : turns flow into values of this grid
    faint : weight of a way to a picture of the film that the masks rule out
    """
    rows, columns = np.indices(flow.shape[1:], np.float32)
    carried, shares = [], [mask[0], 1 - mask[0]]
    for side, motion in enumerate((left, right)):
        step = flow[2 * side : 2 * side + 2]
        if motion is None:
            way = np.zeros((5, *flow.shape[1:]), np.float32)
            way[4] = 1 - side
        else:
            move = step * np.float32(scale)
            way = bilinear(motion, columns + move[0], rows + move[1])
        way[:4] += np.concatenate([step, step])
        carried.append(way)
    ways = np.stack(carried).astype(np.float64)
    made = np.empty((5, *flow.shape[1:]))
    made[4] = shares[0] * ways[0, 4] + shares[1] * ways[1, 4]
    for end in (0, 1):
        weights = [(1 - way[4] if end else way[4]) * share + faint for way, share in zip(ways, shares, strict=True)]
        if (left, right)[1 - end] is None:  # the film's other picture leads nowhere else
            weights[1 - end] = np.zeros_like(made[4])
        towards = slice(2 * end, 2 * end + 2)
        made[towards] = (weights[0] * ways[0, towards] + weights[1] * ways[1, towards]) / (weights[0] + weights[1])
    return made.astype(np.float32)


def between_change(first: Planes, second: Planes, flows: list[Planes], scale: float) -> Planes:
    """Return (1 + len(flows), H, W): first less second, standing still and along each flow (4 or more, h, w).

    Parameters
    ----------
    first, second : (H, W)
    scale : turns the flows' unit into pixels of these pictures
    """
    height, width = first.shape
    rows, columns = np.indices((height, width), np.float32)
    made = [first.astype(np.float32) - second]
    for flow in flows:
        grows = flow.shape[1] < height or flow.shape[2] < width
        move = resized(flow[:4], height, width, area_enlarge if grows else area) * np.float32(scale)
        seen = [bilinear(first[None], columns + move[0], rows + move[1])[0]]
        seen.append(bilinear(second[None], columns + move[2], rows + move[3])[0])
        made.append(seen[0] - seen[1])
    return np.stack(made)


def block_sums(change: Planes) -> Planes:
    """Return (ways, blocks): what the blocks of threads of `between_change` add up."""
    ways, height, width = change.shape
    rows, columns = -(-height // BLOCK[0]), -(-width // BLOCK[1])
    whole = np.zeros((ways, rows * BLOCK[0], columns * BLOCK[1]))
    whole[:, :height, :width] = change
    return whole.reshape(ways, rows, BLOCK[0], columns, BLOCK[1]).sum((2, 4)).reshape(ways, -1).astype(np.float32)


def between_spread(change: Planes, sums: Planes, parts: int) -> Planes:
    """Return (ways, parts): sums of absolute differences less their mean, of each part of them.

    A part has `THREADS` differences, then leaves out those of the other parts.
    """
    flat = change.reshape(len(change), -1).astype(np.float64)
    spread = np.abs(flat - (sums.astype(np.float64).sum(1) / flat.shape[1])[:, None])
    part = np.arange(flat.shape[1]) // THREADS % parts
    return np.stack([spread[:, part == number].sum(1) for number in range(parts)], axis=1).astype(np.float32)


def between_decide(spreads: Planes, decision: Numbers, unit: float, bounds: Bounds, *, is_first: bool) -> Numbers:
    """Return the decision that follows on `decision`.

    Parameters
    ----------
    spreads : of `between_spread`: standing still, along the motion and, where it was looked for again, along that
    unit : turns their sums into mean differences of a range of 1
    is_first : of the pair's moments: which motion serves is decided
    """
    differences = [float(value) for value in spreads.astype(np.float64).sum(1) * unit]
    stood, moved = differences[:2]
    made = decision.copy()
    was_found_again = len(differences) == 3
    if is_first:
        made[SOURCE] = was_found_again and moved > bounds.doubtful and not differences[2] >= bounds.better * moved
    if was_found_again and made[SOURCE]:
        moved = differences[2]
    verdict = FOLLOW if moved <= max(bounds.noise, bounds.margin * stood) else CROSS_FADE
    if min(moved, stood) > bounds.strangers:
        verdict = HOLD
    made[VERDICT] = verdict
    made[COUNTS + verdict] += 1
    return made


def between_motion(
    found: Planes, again: Planes, decision: Numbers, times: float, timestep: float, *, is_told: bool = True
) -> Planes:
    """Return the motion that is used, of what was found and found again (5, h, w).

    Parameters
    ----------
    times : of the flow
    timestep : moment between the pictures, in (0, 1)
    is_told : whether the model tells motion at all
    """
    if is_told and decision[VERDICT] == FOLLOW:
        motion = (again if decision[SOURCE] else found).copy()
        motion[:4] *= np.float32(times)
        return motion
    holds = is_told and decision[VERDICT] == HOLD
    motion = np.zeros_like(found)
    motion[4] = float(timestep < 0.5) if holds else 1 - timestep
    return motion


def between_take(
    made: Planes, film: Planes, decision: Numbers, kr: float, kb: float, gain: float, offset: float
) -> Planes:
    """Return what the model made (C, H, W), x `gain` + `offset`, in [0, 1]; `film` where its motion is not followed."""
    if decision[VERDICT] != FOLLOW or decision[SOURCE]:
        return film
    planes = luma_of(made, kr, kb) if len(film) == 1 and len(made) == 3 else made[: len(film)]
    return np.clip(planes.astype(np.float64) * gain + offset, 0, 1).astype(np.float32)
