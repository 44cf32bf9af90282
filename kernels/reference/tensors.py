"""Reference of tensors.cu."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kernels.reference.resize import area, linear, resized

Planes = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]


def tensor_fill(
    picture: Planes, size: tuple[int, int], order: list[int], gain: float = 1.0, offset: float = 0.0
) -> Planes:
    """Return planes of a picture, in `order`, x `gain` + `offset`, mirrored at its end up to `size` (rows, columns)."""
    beyond = ((0, 0), (0, size[0] - picture.shape[1]), (0, size[1] - picture.shape[2]))
    wide = np.pad(picture[order].astype(np.float64), beyond, mode="reflect")
    return (wide * gain + offset).astype(np.float32)


def luma_of(rgb: Planes, kr: float, kb: float) -> Planes:
    """Return Y' (1, H, W) of R'G'B' (3, H, W)."""
    weights = np.array([kr, 1 - kr - kb, kb])
    return np.einsum("i,iyx->yx", weights, rgb.astype(np.float64))[None].astype(np.float32)


def half_chroma(rgb: Planes, kr: float, kb: float) -> Planes:
    """Return Cb and Cr (2, h, w), neutral at 0.5, of R'G'B' reduced by area to half its size, rounded up."""
    height, width = rgb.shape[1:]
    half = resized(rgb, (height + 1) // 2, (width + 1) // 2, area)
    luma = luma_of(half, kr, kb)[0]
    return np.stack([(half[2] - luma) / (2 - 2 * kb) + 0.5, (half[0] - luma) / (2 - 2 * kr) + 0.5]).astype(np.float32)


def tensor_fill_luma(
    rgb: Planes, size: tuple[int, int], kr: float, kb: float, gain: float = 1.0, offset: float = 0.0
) -> Planes:
    """Return Y' (1, *size) of R'G'B' (3, H, W), as `tensor_fill` does."""
    return tensor_fill(luma_of(rgb, kr, kb), size, [0], gain, offset)


def tensor_fill_chroma(
    rgb: Planes, size: tuple[int, int], kr: float, kb: float, gain: float = 1.0, offset: float = 0.0
) -> Planes:
    """Return Cb and Cr (2, *size) of R'G'B' (3, H, W) at half its size, as `tensor_fill` does."""
    return tensor_fill(half_chroma(rgb, kr, kb), size, [0, 1], gain, offset)


def tensor_take(made: Planes, film: Planes, gain: float, offset: float, blend: float) -> Planes:
    """Return what a model made, x `gain` + `offset`, mixed with the film by `blend`; all (C, H, W), in [0, 1]."""
    wide = film.astype(np.float64)
    return np.clip(wide + (made.astype(np.float64) * gain + offset - wide) * blend, 0, 1).astype(np.float32)


def tensor_take_luma(
    made: Planes, film: Planes, kr: float, kb: float, gain: float, offset: float, blend: float
) -> Planes:
    """Return the luma of what a model made (3, H, W), mixed with a grey film (1, H, W) as `tensor_take` does."""
    return tensor_take(luma_of(made, kr, kb), film, gain, offset, blend)


def chroma_change(made: Planes, rgb: Planes, kr: float, kb: float, gain: float, offset: float, blend: float) -> Planes:
    """Return how a model changed Cb and Cr (2, h, w) of a film's R'G'B' (3, H, W), times `blend`."""
    return (blend * (made.astype(np.float64) * gain + offset - half_chroma(rgb, kr, kb))).astype(np.float32)


def tensor_add_luma(
    made: Planes, film: Planes, kr: float, kb: float, gain: float, offset: float, blend: float
) -> Planes:
    """Return a film's R'G'B' (3, H, W) changed as a model changed Y' (1, H, W), in [0, 1]."""
    return _changed(film, *[_luma_change(made, film, kr, kb, gain, offset, blend)] * 3)


def tensor_add_ycbcr(
    made: Planes, chroma: Planes, film: Planes, kr: float, kb: float, gain: float, offset: float, blend: float
) -> Planes:
    """Return the same, changed in Cb and Cr too: `chroma` (2, h, w) is what `chroma_change` returns."""
    luma = _luma_change(made, film, kr, kb, gain, offset, blend)
    fine = resized(chroma, film.shape[1], film.shape[2], linear)
    blue, red = fine * np.array([2 - 2 * kb, 2 - 2 * kr])[:, None, None]
    return _changed(film, luma + red, luma - (kr * red + kb * blue) / (1 - kr - kb), luma + blue)


def tensor_clip(tensor: Planes, low: float, high: float) -> Planes:
    """Return a tensor between two numbers; NaN is the lower one."""
    return np.fmin(np.fmax(tensor, np.float32(low)), np.float32(high))


def reals_to_floats(numbers: npt.NDArray[Any]) -> Planes:
    """Return numbers of either kind as float32."""
    return numbers.astype(np.float32)


def floats_to_reals(numbers: Planes, element: str) -> npt.NDArray[Any]:
    """Return numbers in half precision, the nearest, ties to even, or as they are."""
    return numbers.astype(element)


def _luma_change(made: Planes, film: Planes, kr: float, kb: float, gain: float, offset: float, blend: float) -> Wide:
    return blend * (made[0].astype(np.float64) * gain + offset - luma_of(film, kr, kb)[0])


def _changed(film: Planes, red: Wide, green: Wide, blue: Wide) -> Planes:
    return np.clip(film + np.stack([red, green, blue]), 0, 1).astype(np.float32)
