"""How wrong colours are: CIEDE2000, chroma PSNR, colourfulness. NumPy only."""

from __future__ import annotations

import numpy as np


def ciede2000(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the CIEDE2000 difference of two pictures.

    Parameters
    ----------
    first, second : float (..., 3), L*a*b* with L* in 0..100

    Returns
    -------
    float64 (...)

    References
    ----------
    Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference Formula", Color Research and Application 30(1), 2005.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(first, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(second, np.float64), -1, 0)
    mean_chroma7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma7 / (mean_chroma7 + 25.0**7))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    is_grey = c1 * c2 == 0
    turn = np.where(is_grey, 0, (h2 - h1 + 180) % 360 - 180)
    hue_difference = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = np.where(is_grey, h1 + h2, (h1 + turn / 2) % 360)
    shape = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    weight_l = 1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2)
    weight_c, weight_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * shape
    rotation = (
        2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    )
    dl, dc, dh = (l2 - l1) / weight_l, (c2 - c1) / weight_c, hue_difference / weight_h
    return np.sqrt(np.maximum(dl * dl + dc * dc + dh * dh - rotation * dc * dh, 0))


def chroma_psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the PSNR in dB of a*, b* planes given as a*/110, b*/110, with a peak of 255 steps of a* or b*."""
    return -10 * float(np.log10(np.mean(((found - wanted) * 110 / 255) ** 2) + 1e-8))


def colourfulness(rgb: np.ndarray) -> float:
    """Return Hasler and Süsstrunk's M3 of uint8 or float 0..255 RGB (H, W, 3)."""
    red, green, blue = np.moveaxis(np.asarray(rgb, np.float64), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))
