"""The damage model does what its settings say, the same way for the same seed, and says what it did."""

from __future__ import annotations

import time

import numpy as np
import pytest

from engine.damage import STRENGTHS, DamagedClip, DamageSettings, damage_clip
from engine.errors import ConfigError, ShapeError


def _scene(count: int = 8, height: int = 120, width: int = 160) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    still = 0.5 + 0.2 * np.sin(x / 17) * np.cos(y / 11)
    return np.repeat(still[None].astype(np.float32), count, 0)


def _worn(clean: np.ndarray, seed: int = 1, **amounts: float) -> DamagedClip:
    return damage_clip(clean, DamageSettings(**amounts), np.random.default_rng(seed))


def test_no_damage_changes_nothing() -> None:
    clean = _scene()
    worn = _worn(clean)
    assert np.array_equal(worn.frames, clean)
    assert np.array_equal(worn.target, clean)
    assert not worn.dust.any()
    assert not worn.scratches.any()


def test_the_same_seed_gives_the_same_damage_and_another_seed_another() -> None:
    clean, heavy = _scene(), STRENGTHS["heavy"]
    first, second, other = (damage_clip(clean, heavy, np.random.default_rng(seed)) for seed in (3, 3, 4))
    for name in ("frames", "target", "grain", "dust", "scratches", "gains", "shifts"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert not np.array_equal(first.frames, other.frames)


def test_the_clean_clip_is_not_written_to() -> None:
    clean = _scene()
    before = clean.copy()
    damage_clip(clean, STRENGTHS["heavy"], np.random.default_rng(0))
    assert np.array_equal(clean, before)


def test_dust_changes_exactly_the_masked_pixels() -> None:
    clean = _scene()
    worn = _worn(clean, dust_per_frame=120, hairs_per_frame=10)
    changed = np.abs(worn.frames - worn.target) > 1e-6
    assert worn.dust.max() > 0.5
    assert not changed[worn.dust == 0].any()
    assert changed[worn.dust > 0.3].mean() > 0.98


def test_dust_lives_one_frame() -> None:
    worn = _worn(_scene(12, 240, 320), dust_per_frame=20)
    covered = worn.dust > 0.3
    both = (covered[1:] & covered[:-1]).sum()
    assert covered.sum() > 100
    assert both < 0.05 * covered.sum()


def test_scratches_live_many_frames_and_change_the_masked_pixels() -> None:
    clean = _scene(12, 240, 320)
    worn = _worn(clean, seed=5, scratches=4, scratch_life=200)
    covered = worn.scratches > 0.1
    assert covered.any()
    near = np.zeros_like(covered)
    for shift in range(-3, 4):
        near |= np.roll(covered, shift, axis=2)
    assert (near[1:] & covered[:-1]).sum() > 0.8 * covered[:-1].sum()
    assert not (np.abs(worn.frames - clean) > 1e-6)[worn.scratches == 0].any()


def test_repeated_frames_are_exactly_repeated() -> None:
    worn = _worn(_scene(8), grain_std=0.03, dust_per_frame=30, repeat_every=4)
    assert worn.sources.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 7, 7]
    assert np.array_equal(worn.frames[3], worn.frames[4])
    assert np.array_equal(worn.dust[3], worn.dust[4])
    assert not np.array_equal(worn.frames[2], worn.frames[3])


def test_strengths_are_ordered() -> None:
    clean = _scene(10, 240, 320)
    errors = {
        name: np.mean(
            [
                np.mean((w.frames - w.target) ** 2)
                for seed in range(4)
                for w in [damage_clip(clean, settings, np.random.default_rng(seed))]
            ]
        )
        for name, settings in STRENGTHS.items()
    }
    assert errors["light"] * 2 < errors["medium"]
    assert errors["medium"] * 2 < errors["heavy"]


def test_grain_has_the_deviation_asked_for_and_is_strongest_in_mid_grey() -> None:
    grey = np.full((2, 480, 640), 0.5, np.float32)
    grain = _worn(grey, grain_std=0.03, grain_size=0.9).grain
    assert grain.std() == pytest.approx(0.03, rel=0.05)
    neighbour = np.mean(grain[..., 1:] * grain[..., :-1]) / grain.var()
    assert 0.6 < neighbour < 0.85
    black = _worn(np.zeros_like(grey), grain_std=0.03, grain_size=0.9).grain
    assert black.std() < 0.5 * grain.std()


def test_flicker_scales_frames_and_is_not_in_the_target() -> None:
    worn = _worn(_scene(40), flicker_std=0.03)
    means = worn.frames.mean(axis=(1, 2)) / worn.target.mean(axis=(1, 2))
    np.testing.assert_allclose(means, worn.gains, rtol=2e-3)
    assert 0.015 < np.log(worn.gains).std() < 0.045


def test_weave_moves_target_and_frame_alike() -> None:
    clean = _scene(20)
    worn = _worn(clean, weave_std=2.0)
    assert np.array_equal(worn.frames, worn.target)
    assert worn.shifts.std() > 0.1
    assert np.abs(worn.frames[5] - clean[5]).max() > 0.005


def test_colour_is_damaged_like_luma() -> None:
    colour = np.repeat(_scene()[:, None], 3, 1)
    worn = damage_clip(colour, STRENGTHS["heavy"], np.random.default_rng(2))
    assert worn.frames.shape == colour.shape
    assert worn.dust.shape == (8, 120, 160)
    shared = np.corrcoef(worn.grain[:, 0].ravel(), worn.grain[:, 1].ravel())[0, 1]
    assert 0.4 < shared < 0.9


def test_splices_are_marked() -> None:
    worn = _worn(_scene(100), splices_per_100=20)
    assert 5 < worn.splices.sum() < 40
    assert (worn.scratches.max(axis=(1, 2)) > 0.4)[worn.splices].all()
    assert not worn.scratches[~worn.splices].any()


@pytest.mark.parametrize("shape", [(1, 33, 47), (2, 3, 50, 35)])
def test_odd_sizes_and_single_frames(shape: tuple[int, ...]) -> None:
    clean = np.full(shape, 0.4, np.float32)
    worn = damage_clip(clean, STRENGTHS["heavy"], np.random.default_rng(0))
    assert worn.frames.shape == shape
    assert worn.frames.min() >= 0
    assert worn.frames.max() <= 1
    assert worn.frames.dtype == np.float32


def test_a_crop_of_a_larger_picture_has_its_marks_in_proportion() -> None:
    clean = _scene(20, 128, 128)
    crop = damage_clip(clean, DamageSettings(dust_per_frame=60), np.random.default_rng(0), picture_height=480)
    whole = damage_clip(_scene(20, 480, 640), DamageSettings(dust_per_frame=60), np.random.default_rng(0))
    assert (crop.dust > 0.3).mean() == pytest.approx((whole.dust > 0.3).mean(), rel=0.5)


@pytest.mark.parametrize(
    ("amounts", "name"),
    [({"grain_std": -1}, "grain_std"), ({"fade": 1.0}, "fade"), ({"bright_share": 2}, "bright_share")],
)
def test_amounts_that_mean_nothing_are_refused(amounts: dict[str, float], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        DamageSettings(**amounts)


def test_other_shapes_and_types_are_refused() -> None:
    with pytest.raises(ShapeError, match="float32"):
        damage_clip(np.zeros((4, 8, 8)), DamageSettings(), np.random.default_rng(0))


def test_varied_settings_stay_near_and_differ() -> None:
    medium = STRENGTHS["medium"]
    varied = medium.varied(np.random.default_rng(0), spread=0.5)
    assert varied != medium
    assert 0.5 * medium.grain_std <= varied.grain_std <= 1.5 * medium.grain_std


def test_it_is_fast_enough_for_the_demo() -> None:
    clean = _scene(4, 480, 640)
    best = float("inf")
    for seed in range(3):
        began = time.perf_counter()
        damage_clip(clean, STRENGTHS["heavy"], np.random.default_rng(seed))
        best = min(best, (time.perf_counter() - began) / len(clean))
    assert best < 0.120, f"{best * 1e3:.0f} ms per 640x480 frame (30 on an idle machine)"
