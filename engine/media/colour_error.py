"""How wrong colours are: CIEDE2000, chroma PSNR; and how colourful a picture is."""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_SEVENTH = 25.0**7


def ciede2000(first: npt.ArrayLike, second: npt.ArrayLike) -> Values:
    """Return the CIEDE2000 difference of two pictures, all weights 1.

    Parameters
    ----------
    first, second : (..., 3), L*a*b* with L* in 0..100

    Returns
    -------
    float64 (...)

    References
    ----------
    Sharma, Wu, Dalal, "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary Test Data, and
    Mathematical Observations", Color Research and Application 30(1), 2005, equations 2 to 22.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(first, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(second, np.float64), -1, 0)
    stretch = 1.5 - 0.5 * _saturation((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2)
    c1, h1 = _polar(stretch * a1, b1)
    c2, h2 = _polar(stretch * a2, b2)
    is_grey = c1 * c2 == 0
    gap = h2 - h1
    is_short = np.abs(gap) <= 180 + 1e-9  # opposite hues count as short; 1e-9 is the rounding of the arc tangents
    turn = np.where(is_grey, 0.0, np.where(is_short, gap, gap - np.copysign(360.0, gap)))
    total = h1 + h2
    far = np.where(total < 360, total + 360, total - 360) / 2
    hue = np.where(is_grey, total, np.where(is_short, total / 2, far))
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    shape = 1 - 0.17 * _cos(hue - 30) + 0.24 * _cos(2 * hue) + 0.32 * _cos(3 * hue + 6) - 0.2 * _cos(4 * hue - 63)
    offset = np.square(lightness - 50)
    in_lightness = (l2 - l1) / (1 + 0.015 * offset / np.sqrt(20 + offset))
    in_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    in_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * shape)
    angle = 60 * np.exp(-np.square((hue - 275) / 25))
    rotation = -2 * _saturation(chroma) * np.sin(np.radians(angle))
    squares = np.square(in_lightness) + np.square(in_chroma) + np.square(in_hue) + rotation * in_chroma * in_hue
    return np.sqrt(np.maximum(squares, 0))


def chroma_psnr(found: npt.ArrayLike, wanted: npt.ArrayLike) -> float:
    """Return the PSNR in dB of a*, b* planes given as a*/110, b*/110, with a peak of 255 steps of a* or b*."""
    error = (np.asarray(found) - np.asarray(wanted)) * 110 / 255
    return -10 * float(np.log10(np.mean(error**2) + 1e-8))


def colourfulness(rgb: npt.ArrayLike) -> float:
    """Return the colourfulness M3 of a picture, (H, W, 3) R'G'B' in 0..255.

    References
    ----------
    Hasler and Süsstrunk, "Measuring colourfulness in natural images", Human Vision and Electronic Imaging VIII, 2003.
    """
    red, green, blue = np.moveaxis(np.asarray(rgb, np.float64), -1, 0)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _saturation(chroma: Values) -> Values:
    seventh = chroma**7
    return np.sqrt(seventh / (seventh + _SEVENTH))


def _polar(a: Values, b: Values) -> tuple[Values, Values]:
    """Return chroma, and hue in degrees from 0 to 360; grey has hue 0."""
    return np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360


def _cos(degrees: Values) -> Values:
    return np.cos(np.radians(degrees))
