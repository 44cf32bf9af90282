"""The film-damage model: a clean clip in, a damaged one out, with everything that was done to it beside it.

The order is that of a film's life: lens (defocus, motion blur), gate (weave), print (fade, vignette), emulsion
(grain), handling (dust, hairs, scratches, splices), projector (flicker), transfer (compression, repeated frames).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.damage.marks import Scratch, draw_dust, draw_hairs, draw_scratch, new_scratch
from engine.damage.settings import DamageSettings
from engine.errors import ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedClip:
    """A damaged clip and the truth about it.

    Attributes
    ----------
    frames : float32, shape of the clean clip with T' >= T frames, 0..1
    target : float32, as frames: what a restorer should give back. It has the clip's weave, fade and vignette (they
        are how this print looks) and none of the blur, grain, dust, scratches, flicker or compression
    grain : float32, as frames: the grain alone, so that ``target + grain`` is the film as it left the laboratory
    dust : float32 (T', H, W), 0..1, how far specks and hairs cover the picture
    scratches : float32 (T', H, W), 0..1, the same for scratches and splices
    gains : float32 (T',), the whole frame's flicker
    shifts : float32 (T', 2), weave in pixels, x and y
    splices : bool (T',), the frame is the first after a splice
    sources : int64 (T',), which clean frame this one shows
    """

    frames: np.ndarray
    target: np.ndarray
    grain: np.ndarray
    dust: np.ndarray
    scratches: np.ndarray
    gains: np.ndarray
    shifts: np.ndarray
    splices: np.ndarray
    sources: np.ndarray


def damage_clip(
    clean: np.ndarray, settings: DamageSettings, rng: np.random.Generator, *, picture_height: int | None = None
) -> DamagedClip:
    """Damage a clip.

    Parameters
    ----------
    clean : float32 (T, H, W) luma or (T, 3, H, W) RGB, 0..1; not written to
    settings : what to do
    rng : the only source of chance; the same state gives the same damage
    picture_height : height of the whole picture in pixels when the clip is cut out of one; default the clip's

    Returns
    -------
    DamagedClip
        New arrays owned by the caller; T' > T only with ``repeat_every``.

    Raises
    ------
    ShapeError
        The clip has another shape or type.
    """
    if clean.ndim not in (3, 4) or clean.dtype != np.float32 or (clean.ndim == 4 and clean.shape[1] != 3):
        raise ShapeError(f"clip: got {clean.dtype} {clean.shape}; wanted float32 (T, H, W) or (T, 3, H, W)")
    is_luma = clean.ndim == 3
    planes = clean[:, None] if is_luma else clean
    count, channels, height, width = planes.shape
    unit = (picture_height or height) / 480
    visible = settings.scratches * width / (640 * unit)
    splices = rng.random(count) < settings.splices_per_100 / 100
    splices[:1] = False
    shifts = _wandering(count, 2, settings.weave_std * unit, settings.weave_correlation, rng)
    gains = np.exp(_wandering(count, 1, settings.flicker_std, settings.flicker_correlation, rng)[:, 0])
    local = _wandering(count, 20, settings.local_flicker_std, settings.flicker_correlation, rng)
    gains *= np.where(splices, rng.uniform(0.85, 1.15, count), 1).astype(np.float32)
    shifts[:, 1] += np.where(splices, rng.uniform(-6, 6, count) * unit, 0)
    kernel = _motion_kernel(settings.motion_blur * unit * rng.uniform(0, 1), rng.uniform(0, np.pi))
    focus = settings.defocus * unit * (0.5 + 0.5 * np.sin(rng.uniform(0, 6.3) + 0.15 * np.arange(count)))
    shade = _shade(height, width, settings.vignette)
    tint = 1.0 - settings.fade * rng.uniform(0.5, 1.0, channels) if channels == 3 else np.ones(1)
    scratches: list[Scratch] = [
        new_scratch(height, width, unit, settings.scratch_life, settings.bright_share, rng)
        for _ in range(rng.poisson(settings.scratches))
    ]
    out = _empty_clip(planes.shape)
    for index in range(count):
        target = _print(planes[index], shifts[index], settings.fade, shade, tint)
        picture = _blur(target, float(focus[index]), kernel)
        grain = _grain(picture, settings, unit, rng)
        marks = _marks(height, width, unit, settings, scratches, rng)
        if splices[index]:
            _splice(marks[2], marks[3], unit, rng)
        gain = _gain_plane(float(gains[index]), local[index], settings.local_flicker_std, height, width)
        picture = (_cover(picture + grain, marks)) * gain
        out["frames"][index] = _compress(np.clip(picture, 0, 1), settings.compression)
        out["target"][index] = target
        out["grain"][index] = grain
        out["dust"][index] = np.maximum(marks[0], marks[1])
        out["scratches"][index] = np.maximum(marks[2], marks[3])
        scratches = [scratch for scratch in scratches if scratch.frames_left > 0]
        born = rng.poisson(visible / max(settings.scratch_life, 1.0))
        scratches += [
            new_scratch(height, width, unit, settings.scratch_life, settings.bright_share, rng) for _ in range(born)
        ]
    sources = _repeats(count, settings.repeat_every)
    arrays = {
        name: value[:, 0] if is_luma and name in ("frames", "target", "grain") else value for name, value in out.items()
    }
    arrays |= {"gains": gains, "shifts": shifts, "splices": splices}
    if len(sources) != count:
        arrays = {name: value[sources] for name, value in arrays.items()}
        arrays["splices"][1:] &= sources[1:] != sources[:-1]
    return DamagedClip(sources=sources, **arrays)


def _empty_clip(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    count, _, height, width = shape
    pictures = {name: np.empty(shape, np.float32) for name in ("frames", "target", "grain")}
    return pictures | {name: np.empty((count, height, width), np.float32) for name in ("dust", "scratches")}


def _wandering(count: int, axes: int, std: float, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Return a stationary random walk (count, axes) of this deviation and frame-to-frame correlation."""
    fresh = rng.standard_normal((count, axes)).astype(np.float32)
    for index in range(1, count):
        fresh[index] = correlation * fresh[index - 1] + np.sqrt(1 - correlation**2) * fresh[index]
    return fresh * np.float32(std)


def _print(clean: np.ndarray, shift: np.ndarray, fade: float, shade: np.ndarray | None, tint: np.ndarray) -> np.ndarray:
    """Move a frame (C, H, W) by the gate's weave and give it the print's contrast and corners."""
    picture = clean
    if shift.any():
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
        size = (clean.shape[2], clean.shape[1])
        picture = np.stack(
            [cv2.warpAffine(p, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101) for p in clean]
        )
    if fade > 0:
        picture = (0.35 * fade + picture * (1 - 0.6 * fade)) * tint.reshape(-1, 1, 1)
    if shade is not None:
        picture = picture * shade
    return np.clip(picture, 0, 1).astype(np.float32, copy=False)


def _shade(height: int, width: int, vignette: float) -> np.ndarray | None:
    if vignette <= 0:
        return None
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return 1 - np.float32(vignette) * ((x * x + y * y) / 2) ** 2


def _motion_kernel(length: float, angle: float) -> np.ndarray | None:
    if length < 0.5:
        return None
    reach = int(np.ceil(length / 2)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return kernel / kernel.sum()


def _blur(picture: np.ndarray, sigma: float, kernel: np.ndarray | None) -> np.ndarray:
    if sigma < 0.2 and kernel is None:
        return picture
    planes = []
    for plane in picture:
        blurred = cv2.GaussianBlur(plane, (0, 0), sigma) if sigma >= 0.2 else plane
        planes.append(blurred if kernel is None else cv2.filter2D(blurred, -1, kernel, borderType=cv2.BORDER_REFLECT))
    return np.stack(planes)


def _grain(picture: np.ndarray, settings: DamageSettings, unit: float, rng: np.random.Generator) -> np.ndarray:
    """Return grain for a picture (C, H, W): strongest in the middle greys, the colours' partly in common."""
    if settings.grain_std <= 0:
        return np.zeros_like(picture)
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    if len(noise) == 3:
        noise = 0.8 * noise[:1] + 0.6 * noise
        noise /= np.sqrt(0.8**2 + 0.6**2)
    sigma = settings.grain_size * max(unit, 0.5)
    if sigma >= 0.2:
        # White noise blurred by a Gaussian of sigma keeps 1 / (4 pi sigma^2) of its power once sigma is not tiny.
        kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma, cv2.CV_32F)
        power = float((kernel**2).sum())
        noise = np.stack([cv2.sepFilter2D(plane, -1, kernel, kernel) for plane in noise]) / np.float32(power)
    strength = 0.35 + 2.6 * picture * (1 - picture)
    return noise * strength * np.float32(settings.grain_std)


def _marks(
    height: int,
    width: int,
    unit: float,
    settings: DamageSettings,
    scratches: list[Scratch],
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Return coverage planes float32 (H, W): bright and dark dust, bright and dark scratches."""
    area = height * width / (640 * 480 * unit * unit)
    drawn = np.zeros((2, height, width), np.uint8)
    specks, hairs = rng.poisson(settings.dust_per_frame * area), rng.poisson(settings.hairs_per_frame * area)
    draw_dust(drawn[0], drawn[1], specks, settings.dust_radius * max(unit, 0.5), settings.bright_share, rng)
    draw_hairs(drawn[0], drawn[1], hairs, max(unit, 0.5), settings.bright_share, rng)
    planes = [plane.astype(np.float32) / 255 if specks or hairs else plane.astype(np.float32) for plane in drawn]
    if specks or hairs:
        planes = [cv2.GaussianBlur(plane, (3, 3), 0.6) for plane in planes]
    lines = [np.zeros((height, width), np.float32) for _ in range(2)]
    for scratch in scratches:
        draw_scratch(lines[0], lines[1], scratch, rng)
    return planes + lines


def _splice(bright: np.ndarray, dark: np.ndarray, unit: float, rng: np.random.Generator) -> None:
    """Draw the joint of two pieces of film: a bar across the picture, light with a dark edge."""
    thick = max(2, round(rng.uniform(3, 10) * unit))
    top = int(rng.integers(0, max(1, bright.shape[0] - thick)))
    bright[top : top + thick] = np.maximum(bright[top : top + thick], 0.5)
    dark[top + thick : top + thick + max(1, round(2 * unit))] = 0.7


def _gain_plane(gain: float, local: np.ndarray, std: float, height: int, width: int) -> np.ndarray | np.float32:
    if std <= 0:
        return np.float32(gain)
    return np.float32(gain) * cv2.resize(np.exp(local.reshape(4, 5)), (width, height), interpolation=cv2.INTER_CUBIC)


def _cover(picture: np.ndarray, marks: list[np.ndarray]) -> np.ndarray:
    """Lay marks over a picture (C, H, W): bright ones towards 0.95, dark ones towards 0.05."""
    for cover, value in zip(marks, (0.95, 0.05, 0.95, 0.05), strict=True):
        if cover.any():
            picture = picture + (np.float32(value) - picture) * cover
    return picture


def _compress(picture: np.ndarray, amount: float) -> np.ndarray:
    if amount <= 0:
        return picture
    quality = [cv2.IMWRITE_JPEG_QUALITY, round(90 - 70 * amount)]
    bytes_wide = np.round(picture * 255).astype(np.uint8)
    image = bytes_wide[0] if len(bytes_wide) == 1 else bytes_wide[::-1].transpose(1, 2, 0)
    decoded = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_UNCHANGED)
    assert decoded is not None, "OpenCV reads what it wrote"
    coded = decoded.astype(np.float32) / 255
    return coded[None] if coded.ndim == 2 else coded.transpose(2, 0, 1)[::-1]


def _repeats(count: int, every: int) -> np.ndarray:
    sources = np.arange(count)
    if every == 0:
        return sources
    return np.repeat(sources, 1 + ((sources % every) == every - 1))
