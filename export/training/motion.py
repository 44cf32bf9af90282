"""Short clean clips to learn from: pieces of real clips, and photographs set in motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A photograph moving through the picture.

    Attributes
    ----------
    picture : float32 (h, w, 3), 0..1
    cover : float32 (h, w), 0..1, where the layer is; all ones for the background
    moves : float64 (T, 2, 3): where the layer's pixels go in each frame
    """

    picture: np.ndarray
    cover: np.ndarray
    moves: np.ndarray


def clip_piece(
    clip: np.ndarray,
    offsets: Sequence[int],
    size: int,
    rng: np.random.Generator,
    *,
    zoom: tuple[float, float] = (0.7, 1.3),
) -> np.ndarray:
    """Cut a square piece out of a clip.

    Parameters
    ----------
    clip : uint8 (T, H, W, 3) RGB
    offsets : frames wanted, counted from one chosen by chance; a clip too short is played to and fro
    size : side of the square in pixels
    rng : the source of chance
    zoom : the piece is enlarged by a factor in this range

    Returns
    -------
    float32 (len(offsets), 3, size, size), 0..1
    """
    length, height, width = clip.shape[:3]
    span = max(offsets) + 1
    start = int(rng.integers(0, max(1, length - span + 1)))
    to_and_fro = np.concatenate([np.arange(length), np.arange(length - 2, 0, -1)]) if length > 1 else np.zeros(1, int)
    side = int(np.clip(size / rng.uniform(*zoom), 16, min(height, width)))
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    chosen = [to_and_fro[(start + offset) % len(to_and_fro)] for offset in offsets]
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    pictures = [
        cv2.resize(np.asarray(clip[i, top : top + side, left : left + side]), (size, size), interpolation=method)
        for i in chosen
    ]
    frames = np.stack(pictures)
    if rng.random() < 0.5:
        frames = frames[:, :, ::-1]
    return np.ascontiguousarray(frames.transpose(0, 3, 1, 2), dtype=np.float32) / 255


def moving_photo(
    photos: Sequence[np.ndarray], times: np.ndarray, size: int, rng: np.random.Generator, *, speed: float, layers: int
) -> np.ndarray:
    """Set photographs in motion: a background under a camera move and layers moving on their own.

    Parameters
    ----------
    photos : uint8 (H, W, 3) RGB each, to choose from
    times : float (T,), when each frame is; motion is even in time, one unit moves by up to `speed`
    size : side of the square in pixels
    rng : the source of chance
    speed : largest motion in pixels per unit of time
    layers : number of moving layers above the background

    Returns
    -------
    float32 (T, 3, size, size), 0..1
    """
    stack = [_layer(photos[int(rng.integers(len(photos)))], times, size, rng, speed, is_background=True)]
    stack += [
        _layer(photos[int(rng.integers(len(photos)))], times, size, rng, speed, is_background=False)
        for _ in range(layers)
    ]
    frames = np.empty((len(times), 3, size, size), np.float32)
    for index in range(len(times)):
        picture = np.zeros((size, size, 3), np.float32)
        for number, layer in enumerate(stack):
            border = cv2.BORDER_REFLECT_101 if number == 0 else cv2.BORDER_CONSTANT
            moved = cv2.warpAffine(
                layer.picture,
                layer.moves[index],
                (size, size),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            )
            cover = np.ones((size, size, 1), np.float32)
            if number:
                cover = cv2.warpAffine(layer.cover, layer.moves[index], (size, size), borderMode=border)[..., None]
            picture += (moved - picture) * cover
        frames[index] = picture.transpose(2, 0, 1)
    return frames


def _layer(
    photo: np.ndarray, times: np.ndarray, size: int, rng: np.random.Generator, speed: float, *, is_background: bool
) -> _Layer:
    height, width = photo.shape[:2]
    reach = size * (rng.uniform(1.0, 1.6) if is_background else rng.uniform(0.5, 1.1))
    scale = reach / min(height, width)
    angle = rng.uniform(-0.2, 0.2) if is_background else rng.uniform(-0.8, 0.8)
    towards = rng.uniform(0, 2 * np.pi)
    pace = speed * rng.uniform(0, 1) ** 1.5
    spin, growth = rng.normal(0, 0.02), rng.normal(0, 0.02)
    middle = np.array([size / 2, size / 2]) if is_background else rng.uniform(0.15, 0.85, 2) * size
    moves = []
    for time in times - times.mean():
        factor = scale * np.exp(growth * time)
        turn = angle + spin * time
        linear = factor * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        at = middle + pace * time * np.array([np.cos(towards), np.sin(towards)])
        moves.append(np.column_stack([linear, at - linear @ (width / 2, height / 2)]))
    cover = np.ones((height, width), np.float32) if is_background else _blob(height, width, rng)
    return _Layer(picture=photo.astype(np.float32) / 255, cover=cover, moves=np.array(moves))


def _blob(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return a soft-edged shape with a few corners."""
    corners = int(rng.integers(4, 12))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = rng.uniform(0.2, 0.5, corners)
    points = np.stack([width * (0.5 + reach * np.cos(angles)), height * (0.5 + reach * np.sin(angles))], 1)
    cover = np.zeros((height, width), np.uint8)
    cv2.fillPoly(cover, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA)
    return cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.6, 2.0)).astype(np.float32) / 255
