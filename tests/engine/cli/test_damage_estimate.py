"""The estimates of damage rise with the damage and are about right where the truth is known."""

from fractions import Fraction

import numpy as np
import pytest

from engine.cli.damage_estimate import Damage, DamageMeter
from engine.frame import Frame
from engine.types import FrameFlags, PixelFormat


def measured(pictures: list[np.ndarray], cut_at: int = 0) -> Damage | None:
    meter = DamageMeter()
    for index, picture in enumerate(pictures):
        flags = FrameFlags.SCENE_CUT if index == cut_at else FrameFlags.NONE
        meter.add(
            Frame(
                pixels=picture[None].astype(np.float32), format=PixelFormat.GRAY, pts=index, time_base=Fraction(1, 24),
                index=index, flags=flags,
            )
        )  # fmt: skip
    return meter.damage()


def film(count: int, *, grain: float = 0, flicker: float = 0, spots: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:96, 0:128]
    clean = 0.5 + 0.2 * np.sin(columns / 20) * np.cos(rows / 15)
    pictures: list[np.ndarray] = []
    for _ in range(count):
        picture = clean * (1 + flicker * rng.standard_normal()) + grain * rng.standard_normal(clean.shape)
        for _ in range(spots):
            x, y = rng.integers(8, 120), rng.integers(8, 88)
            picture[y - 2 : y + 2, x - 2 : x + 2] = 0.02
        pictures.append(picture)
    return pictures


def test_clean_film_has_none() -> None:
    assert measured(film(24)) == Damage(samples=2, grain=0.0, flicker_percent=0.0, dust_per_frame=0.0)


def test_grain_is_measured_in_codes() -> None:
    damage = measured(film(60, grain=5 / 255))
    assert damage is not None
    assert damage.grain == pytest.approx(5, rel=0.15)


def test_spots_are_counted() -> None:
    damage = measured(film(60, spots=6, grain=1 / 255))
    assert damage is not None
    assert damage.dust_per_frame == pytest.approx(6, abs=1.5)


def test_flicker_is_seen() -> None:
    damage = measured(film(60, flicker=0.03))
    assert damage is not None
    assert 1.5 < damage.flicker_percent < 6


def test_three_frames_of_one_shot_are_needed() -> None:
    assert measured(film(2)) is None
