"""Specks, hairs and scratches: drawn as how much of the picture they cover and whether they are bright or dark."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_SUBPIXEL_BITS = 4


@dataclass(slots=True)
class Scratch:
    """One scratch along the film's run, wandering slowly while it lives.

    Attributes
    ----------
    x : where it is, pixels from the left
    slant : pixels to the right per pixel down
    width : sigma across in pixels
    opacity : at its strongest, 0..1
    is_bright : lighter than the picture or darker
    top, bottom : rows it covers, half open
    frames_left : how long it still lives
    """

    x: float
    slant: float
    width: float
    opacity: float
    is_bright: bool
    top: int
    bottom: int
    frames_left: int


def draw_dust(
    bright: np.ndarray, dark: np.ndarray, count: int, radius: float, bright_share: float, rng: np.random.Generator
) -> None:
    """Draw irregular specks into coverage planes.

    Parameters
    ----------
    bright, dark : uint8 (H, W), coverage 0..255 of light and of dark marks; written in place
    count : how many
    radius : median radius in pixels
    bright_share : chance of a speck being bright
    rng : the source of chance
    """
    height, width = bright.shape
    for _ in range(count):
        size = min(radius * np.exp(rng.normal(0, 0.65)), 0.12 * height)
        corners = int(rng.integers(6, 11))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = size * rng.uniform(0.5, 1.4, corners)
        stretch = rng.uniform(0.5, 1.0)
        points = np.stack([np.cos(angles) * reach, np.sin(angles) * reach * stretch], 1)
        points += (rng.uniform(0, width), rng.uniform(0, height))
        plane = bright if rng.random() < bright_share else dark
        fixed = np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(plane, [fixed], int(rng.integers(140, 256)), cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_hairs(
    bright: np.ndarray, dark: np.ndarray, count: int, unit: float, bright_share: float, rng: np.random.Generator
) -> None:
    """Draw curved hairs into coverage planes; ``unit`` is the length of one pixel of a picture 480 high."""
    height, width = bright.shape
    for _ in range(count):
        steps = int(rng.integers(8, 24))
        turns = np.cumsum(rng.normal(0, 0.25, steps)) + rng.uniform(0, 2 * np.pi)
        walk = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * rng.uniform(2.0, 5.0) * unit, 0)
        walk += (rng.uniform(0, width), rng.uniform(0, height))
        plane = bright if rng.random() < bright_share else dark
        fixed = np.round(walk * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        thickness = max(1, round(rng.uniform(0.8, 2.0) * unit))
        colour = int(rng.integers(110, 230))
        cv2.polylines(plane, [fixed], False, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def new_scratch(
    height: int, width: int, unit: float, life: float, bright_share: float, rng: np.random.Generator
) -> Scratch:
    """Start a scratch anywhere; half of them run over the whole height."""
    is_whole = rng.random() < 0.5
    top, bottom = (0, height) if is_whole else sorted(int(v) for v in rng.integers(0, height + 1, 2))
    return Scratch(
        x=rng.uniform(0, width),
        slant=rng.normal(0, 0.004),
        width=max(0.35, rng.uniform(0.4, 1.1) * unit),
        opacity=rng.uniform(0.2, 0.75),
        is_bright=bool(rng.random() < bright_share),
        top=top,
        bottom=max(bottom, top + 1),
        frames_left=1 + int(rng.geometric(1 / max(life, 1.0))),
    )


def draw_scratch(bright: np.ndarray, dark: np.ndarray, scratch: Scratch, rng: np.random.Generator) -> None:
    """Draw a scratch into coverage planes (float32 (H, W), 0..1; in place) and let it wander and age by one frame."""
    rows = np.arange(scratch.top, min(scratch.bottom, bright.shape[0]), dtype=np.float32)
    centre = scratch.x + scratch.slant * rows
    reach = int(np.ceil(3 * scratch.width))
    left = max(0, int(centre.min()) - reach) if rows.size else 0
    right = min(bright.shape[1], int(centre.max()) + reach + 1) if rows.size else 0
    if rows.size and right > left:
        columns = np.arange(left, right, dtype=np.float32)
        across = (columns[None] - centre[:, None]) / scratch.width
        cover = np.exp(-0.5 * across * across) * scratch.opacity * rng.uniform(0.7, 1.0)
        plane = bright if scratch.is_bright else dark
        part = plane[scratch.top : scratch.top + len(rows), left:right]
        np.maximum(part, cover, out=part)
    scratch.x += rng.normal(0, 0.35)
    scratch.frames_left -= 1
