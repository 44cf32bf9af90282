"""Reference of refine.cu: a flow along which pictures change least and which itself changes smoothly.

Brox, Bruhn, Papenberg and Weickert, "High Accuracy Optical Flow Estimation Based on a Theory for Warping", ECCV 2004:
the sum over pixels of psi(brightness change) + psi(change of gradients) + psi(change of the flow) is made small,
psi(s) = sqrt(s^2 + eps^2). The first two are normalised by how far a pixel's shift would change them (Zimmer, Bruhn and
Weickert, "Optic Flow in Harmony", IJCV 2011). Psi's slope is taken from the flow as it is; the linear equations that
are left are solved by red-black successive over-relaxation (Young, 1950). Pictures (H, W) in 0..1; flows float32
(2, H, W), pixels.
"""

import numpy as np
import numpy.typing as npt

from kernels.reference.sampling import bilinear

Plane = npt.NDArray[np.float32]
Flow = npt.NDArray[np.float32]

DATA, GRADIENTS, SMOOTHNESS = 5.0, 10.0, 20.0
"""Weights of brightness, gradients and smoothness: those of OpenCV's DIS."""

EPSILON, FLOOR = 1e-3, 0.01
"""Rounds the kink of psi; and is added to squares of derivatives, in codes of 255."""

TIMES, RELAXATIONS, OVERSHOOT = 5, 5, 1.7
"""Equations that are set up, relaxations of each, and their factor."""

SMOOTH, SLOPE, BEND = (1, 4, 6, 4, 1), (1, 2, 0, -2, -1), (1, 0, -2, 0, 1)
"""Sobel's operator applied twice is the product of two of these, one along each axis, by 64."""


def refine(origin: Plane, goal: Plane, flow: Flow) -> Flow:
    """Return a flow refined: all launches, in order."""
    for _ in range(TIMES):
        flow = refine_relax(refine_equations(origin, goal, flow), flow, OVERSHOOT)
    return flow


def refine_equations(origin: Plane, goal: Plane, flow: Flow) -> Plane:
    """Return the equations at each pixel, float32 (6, H, W).

    The symmetric matrix xx, xy, yy and the right side x, y of the data's part, and what smoothness weighs there.
    """
    change, mean = _compared(origin, goal, flow).astype(np.float64)
    slope_x, slope_y = _filtered(mean, (1, 2, 1), (-1, 0, 1)) / 8, _filtered(mean, (-1, 0, 1), (1, 2, 1)) / 8
    change_x, change_y = _filtered(change, (1, 2, 1), (-1, 0, 1)) / 8, _filtered(change, (-1, 0, 1), (1, 2, 1)) / 8
    xx, xy, yy = (
        _filtered(mean, down, across) / 64 for down, across in ((SMOOTH, BEND), (SLOPE, SLOPE), (BEND, SMOOTH))
    )
    norm = 1 / (slope_x**2 + slope_y**2 + FLOOR)
    norm_x, norm_y = 1 / (xx**2 + xy**2 + FLOOR), 1 / (xy**2 + yy**2 + FLOOR)
    data = DATA * norm / np.sqrt(change**2 * norm + EPSILON**2)
    gradients = GRADIENTS / np.sqrt(change_x**2 * norm_x + change_y**2 * norm_y + EPSILON**2)
    norm_x, norm_y = gradients * norm_x, gradients * norm_y
    a = data * slope_x**2 + norm_x * xx**2 + norm_y * xy**2 + FLOOR
    b = data * slope_x * slope_y + norm_x * xx * xy + norm_y * xy * yy
    c = data * slope_y**2 + norm_x * xy**2 + norm_y * yy**2 + FLOOR
    right_x = a * flow[0] + b * flow[1] - (data * slope_x * change + norm_x * xx * change_x + norm_y * xy * change_y)
    right_y = b * flow[0] + c * flow[1] - (data * slope_y * change + norm_x * xy * change_x + norm_y * yy * change_y)
    wide = flow.astype(np.float64)
    squares = np.diff(wide, axis=2, append=wide[:, :, -1:]) ** 2 + np.diff(wide, axis=1, append=wide[:, -1:]) ** 2
    return np.stack([a, b, c, right_x, right_y, SMOOTHNESS / np.sqrt(squares.sum(0) + EPSILON**2)]).astype(np.float32)


def _compared(origin: Plane, goal: Plane, flow: Flow) -> Flow:
    """Return (2, H, W) in codes of 255: how much brighter `goal` is along the flow, and the mean of both."""
    rows, columns = np.indices(origin.shape, np.float32)
    there = bilinear(goal[None], columns + flow[0], rows + flow[1])[0]
    here = origin.astype(np.float32)
    return np.stack([np.float32(255) * (there - here), np.float32(127.5) * (there + here)])


def refine_relax(equations: Plane, flow: Flow, overshoot: float) -> Flow:
    """Return the flow relaxed a few times, in each the pixels whose x + y is even, then those where it is odd."""
    for _ in range(RELAXATIONS):
        for parity in (0, 1):
            flow = _half_relaxed(equations, flow, parity, overshoot)
    return flow


def _half_relaxed(equations: Plane, flow: Flow, parity: int, overshoot: float) -> Flow:
    """Return the flow with the pixels whose x + y has this parity relaxed, each against its four neighbours."""
    a, b, c, right_x, right_y, smoothness = equations.astype(np.float64)
    height, width = smoothness.shape
    near = np.pad(flow.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    near_smoothness, inside = np.pad(smoothness, 1), np.pad(np.ones((height, width)), 1)
    weights = np.zeros((height, width))
    for down, across in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        window = np.s_[1 + down : 1 + down + height, 1 + across : 1 + across + width]
        weight = inside[window] * (smoothness + near_smoothness[window]) / 2
        weights += weight
        right_x = right_x + weight * near[0][window]
        right_y = right_y + weight * near[1][window]
    a, c = a + weights, c + weights
    solved = np.stack([c * right_x - b * right_y, a * right_y - b * right_x]) / (a * c - b * b)
    rows, columns = np.indices((height, width))
    relaxed = np.where((rows + columns) % 2 == parity, flow + overshoot * (solved - flow), flow)
    return relaxed.astype(np.float32)


def _filtered(
    plane: npt.NDArray[np.float64], down: tuple[int, ...], across: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Return a plane's correlation with the product of two rows of weights; beyond the edge the edge is repeated."""
    radius = len(down) // 2
    padded = np.pad(plane, radius, mode="edge")
    height, width = plane.shape
    lines = np.sum([weight * padded[k : k + height] for k, weight in enumerate(down)], axis=0)
    return np.sum([weight * lines[:, k : k + width] for k, weight in enumerate(across)], axis=0)
