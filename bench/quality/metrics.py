"""Distances between grey pictures: PSNR, SSIM, dust, sharpness. All on 8-bit pictures, as film is written.

Pictures are uint8 (H, W) or, where it says so, (T, H, W).
"""

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Cover = npt.NDArray[np.float32]

PSNR_CAP = 100.0
"""What equal pictures get, dB: JSON knows no infinity."""

LEAST_SHARE = 0.01
"""A masked figure is taken only where at least this share of the pixels is in the mask."""

VISIBLE = 26
"""Codes of 255, a tenth of white, from which a difference counts as a visible mark."""

COVERED, BARE = 0.5, 0.02
"""Coverage from which a pixel counts as marked, and below which as free of marks."""


def psnr(found: npt.NDArray[np.uint8], wanted: npt.NDArray[np.uint8], mask: Mask | None = None) -> float | None:
    """Return the peak signal-to-noise ratio in dB, peak 255; None where the mask holds too little.

    Parameters
    ----------
    found, wanted : uint8, any shape
    mask : bool, same shape; which pixels count
    """
    error = np.square(found.astype(np.float32) - wanted.astype(np.float32))
    if mask is not None:
        if mask.mean() < LEAST_SHARE:
            return None
        error = error[mask]
    mse = float(error.mean(dtype=np.float64))
    return PSNR_CAP if mse == 0 else min(PSNR_CAP, 10 * float(np.log10(255**2 / mse)))


def ssim_map(found: Picture, wanted: Picture) -> Cover:
    """Return the structural similarity of each pixel, float32 (H, W).

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
    Transactions on Image Processing 13(4), 2004: Gaussian window of 11 pixels, sigma 1.5, K1 = 0.01, K2 = 0.03.
    """
    x, y = found.astype(np.float32), wanted.astype(np.float32)
    mean_x, mean_y = _window(x), _window(y)
    var_x, var_y = _window(x * x) - mean_x * mean_x, _window(y * y) - mean_y * mean_y
    covariance = _window(x * y) - mean_x * mean_y
    c1, c2 = np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    return (luminance * (2 * covariance + c2) / (var_x + var_y + c2)).astype(np.float32, copy=False)


def mean_where(figures: Cover, mask: Mask) -> float | None:
    """Return the mean of a map where the mask says so; None where it holds too little."""
    return float(figures[mask].mean()) if mask.mean() >= LEAST_SHARE else None


def clip_ssim(found: npt.NDArray[np.uint8], wanted: npt.NDArray[np.uint8]) -> float:
    """Return the mean structural similarity of clips (T, H, W)."""
    return float(np.mean([ssim_map(a, b).mean() for a, b in zip(found, wanted, strict=True)]))


def dust_recall(film: Picture, found: Picture, truth: Picture, dust: Cover) -> float | None:
    """Return which share of the visible dust is gone; None where there is none.

    A pixel counts where dust covers at least half of it and the film differs visibly from the truth there; it is gone
    where the result is less than half as far from the truth as the film. All arrays have the same shape.
    """
    before = _difference(film, truth)
    seen = (dust >= COVERED) & (before >= VISIBLE)
    if not seen.any():
        return None
    half = before[seen].astype(np.float32) / 2
    return float((_difference(found, truth)[seen] < half).mean())


def false_alarms(film: Picture, found: Picture, truth: Picture, marks: Cover) -> float | None:
    """Return which share of the unmarked pixels became visibly wrong; None where nothing is unmarked.

    A pixel counts where neither dust nor scratch lies and the film is not visibly wrong; it is a false alarm where the
    result is. All arrays have the same shape.
    """
    sound = (marks < BARE) & (_difference(film, truth) < VISIBLE)
    return float((_difference(found, truth)[sound] >= VISIBLE).mean()) if sound.any() else None


def sharpness(found: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> float:
    """Return the strength of a clip's edges as a share of the truth's: below 1 it is smeared, above 1 too crisp.

    The ratio of the projection of found gradients onto true ones to the true ones' power, so that noise, which is
    unrelated to the truth's edges, does not count. Clips are (T, H, W).
    """
    along = power = 0.0
    for a, b in zip(found, truth, strict=True):
        for axis in (0, 1):
            true = np.diff(b.astype(np.float32), axis=axis)
            along += float((np.diff(a.astype(np.float32), axis=axis) * true).sum(dtype=np.float64))
            power += float((true * true).sum(dtype=np.float64))
    return along / power if power else 1.0


def _window(plane: Cover) -> Cover:
    return cv2.GaussianBlur(plane, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101).astype(np.float32, copy=False)


def _difference(first: Picture, second: Picture) -> Picture:
    return cv2.absdiff(first, second).astype(np.uint8, copy=False)
