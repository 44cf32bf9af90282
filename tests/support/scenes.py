"""Pictures with texture and motion for tests of what looks at films."""

from functools import cache

import cv2
import numpy as np

HEIGHT, WIDTH, SPARE = 120, 160, 600


@cache
def _panorama(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    picture = np.zeros((HEIGHT, WIDTH + SPARE), np.float32)
    for size, weight in ((40, 0.5), (12, 0.3), (4, 0.2)):
        noise = random.random((HEIGHT // size + 2, (WIDTH + SPARE) // size + 2), np.float32)
        picture += weight * cv2.resize(noise, (WIDTH + SPARE, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 1)


def scene(seed: int, x: float, *, grain: float = 0.0, grain_seed: int = 0) -> np.ndarray:
    """Return a picture (120, 160) of a panorama from `x` pixels on, with grain of its own where asked."""
    shift = np.array([[1, 0, x], [0, 1, 0]], np.float32)
    picture = cv2.warpAffine(_panorama(seed), shift, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    if grain > 0:
        picture = picture + np.random.default_rng(grain_seed).normal(0, grain, picture.shape)
    return np.clip(picture, 0, 1).astype(np.float32)
