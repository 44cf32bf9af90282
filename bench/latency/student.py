"""Student's distribution, and Welch's interval for the difference of two means."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_STEPS = 500
_HALVINGS = 50
_MOST_FREEDOM = 200.0
"""Beyond this the distribution hardly changes; taking it makes intervals a little wider, never narrower."""


def upper_quantile(tail: float, freedom: float) -> float:
    """Return the t that a Student variable exceeds with probability `tail`.

    With t = sqrt(n) tan a the tail is an integral of cos(a) ** (n - 1), which is bounded and smooth (Student 1908).

    Parameters
    ----------
    tail : above 0, at most 0.5
    freedom : degrees of freedom n, 1 or more, not necessarily whole
    """
    freedom = min(freedom, _MOST_FREEDOM)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        angles: npt.NDArray[np.float64] = np.linspace(middle, math.pi / 2, _STEPS + 1)
        heights = np.maximum(np.cos(angles), 0.0) ** (freedom - 1)
        area = (heights[0] + heights[-1] + 4 * heights[1::2].sum() + 2 * heights[2:-1:2].sum()) / 3
        area *= (math.pi / 2 - middle) / _STEPS
        low, high = (middle, high) if scale * area > tail else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def welch(first: Sequence[float], second: Sequence[float], tail: float) -> tuple[float, float, float]:
    """Return the difference of two means, second less first, and the ends of its interval (Welch 1947).

    Parameters
    ----------
    first, second : two values or more each, of distributions that need not be equally wide
    tail : probability that the true difference lies beyond one end
    """
    a, b = np.asarray(first), np.asarray(second)
    difference = float(b.mean() - a.mean())
    errors = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    error = math.sqrt(sum(errors))
    if error == 0:
        return difference, difference, difference
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / (len(a) - 1) + errors[1] ** 2 / (len(b) - 1))
    reach = upper_quantile(tail, float(freedom)) * error
    return difference, difference - reach, difference + reach
