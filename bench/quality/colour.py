"""Colours as they are compared: half-size L*a*b*, steadiness, and how far colours are off.

a* and b* are those of sRGB under D65 as OpenCV converts them; half-size since film carries colour so (4:2:0).
The measures are those that training logs (`engine.media.colour_error`).
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from bench.quality.result import Scores, mean
from engine.media.colour_error import chroma_psnr, ciede2000, colourfulness
from engine.media.lab import half_size

Lab = npt.NDArray[np.float32]
"""float32 (3, h, w): L* in 0..100, a* and b*."""

Chroma = npt.NDArray[np.float32]
"""float32 (2, h, w): a* and b*."""

CDC_GAPS = (1, 2, 4)

_AB_RANGE = np.float32(110)


def half_lab(rgb: npt.NDArray[np.uint8]) -> Lab:
    """Return half-size L*a*b* of R'G'B' uint8 (H, W, 3)."""
    height, width = half_size(rgb.shape[0], rgb.shape[1])
    small = cv2.resize(rgb.astype(np.float32) / np.float32(255), (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab).transpose(2, 0, 1), dtype=np.float32)


def shown(lightness: npt.NDArray[np.float32], ab: Chroma) -> npt.NDArray[np.uint8]:
    """Return what a screen shows of L* (h, w) and a*, b*: uint8 (h, w, 3) R'G'B', clipped to its gamut."""
    lab = np.concatenate([lightness[None], ab]).transpose(1, 2, 0).astype(np.float32)
    return np.rint(np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), 0, 1) * 255).astype(np.uint8)


def colour_scores(truth: Lab, ab: Chroma) -> Scores:
    """Return how far a* and b* are off, at the truth's own L*, and how colourful the picture is."""
    found = np.concatenate([truth[:1], ab])
    return {
        "ciede2000": float(ciede2000(found.transpose(1, 2, 0), truth.transpose(1, 2, 0)).mean()),
        "chroma_psnr": chroma_psnr(ab / _AB_RANGE, truth[1:] / _AB_RANGE),
        "colourfulness": colourfulness(shown(truth[0], ab)),
    }


def colour_distribution_consistency(pictures: Sequence[npt.NDArray[np.uint8]]) -> float | None:
    """Return how much the colour histograms of a clip change: less is steadier; None for a clip too short.

    The Jensen–Shannon divergence (natural logarithm) of the 256-bin histograms of R', G' and B' of frames 1, 2 and 4
    apart, averaged over channels and pairs, then over the three gaps.

    Parameters
    ----------
    pictures : uint8 (h, w, 3) R'G'B'

    References
    ----------
    Liu et al., "Temporally Consistent Video Colorization with Deep Feature Propagation and Self-regularization
    Learning", Computational Visual Media 10, 2024 (arXiv 2110.04562): the CDC index.
    """
    histograms = [
        np.stack([np.bincount(picture[..., channel].ravel(), minlength=256) for channel in range(3)])
        / (picture.shape[0] * picture.shape[1])
        for picture in pictures
    ]
    gaps = [gap for gap in CDC_GAPS if gap < len(histograms)]
    if not gaps:
        return None
    per_gap = [
        mean(jensen_shannon(a, b) for a, b in zip(histograms[:-gap], histograms[gap:], strict=True)) for gap in gaps
    ]
    return mean(per_gap)


def jensen_shannon(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Return the Jensen–Shannon divergence of distributions (..., N), natural logarithm, averaged over the rest."""
    middle = (first + second) / 2
    return float(np.mean((_relative_entropy(first, middle) + _relative_entropy(second, middle)) / 2))


def steady_scores(truth: Sequence[Lab], abs_: Sequence[Chroma]) -> Scores:
    """Return a clip's mean figures, those of its last quarter (`last_ciede2000`), and its CDC."""
    each = [colour_scores(lab, ab) for lab, ab in zip(truth, abs_, strict=True)]
    last = max(1, len(each) // 4)
    return {
        **{name: mean(scores[name] for scores in each) for name in each[0]},
        "last_ciede2000": mean(scores["ciede2000"] for scores in each[-last:]),
        "cdc": colour_distribution_consistency([shown(lab[0], ab) for lab, ab in zip(truth, abs_, strict=True)]),
    }


def _relative_entropy(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the sum of p log (p / q) along the last axis, 0 where p is."""
    ratio = np.divide(first, second, out=np.ones_like(first), where=first > 0)
    return np.sum(first * np.log(ratio), axis=-1)
