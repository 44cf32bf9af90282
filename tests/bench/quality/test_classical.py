from fractions import Fraction

import numpy as np
import pytest

from bench.quality.classical import REPAIRS, best_chain, chain, denoisers, hqdn3d, run_filter
from bench.quality.metrics import psnr

RNG = np.random.default_rng(3)
TRUTH = np.broadcast_to(np.linspace(40, 200, 64), (8, 48, 64)).round().astype(np.uint8)
GRAINY = np.clip(TRUTH + RNG.normal(0, 8, TRUTH.shape), 0, 255).astype(np.uint8)

EVERY = sorted({name for kind in denoisers() for name in kind} | set(REPAIRS))


@pytest.mark.parametrize("names", EVERY)
def test_every_chain_keeps_shape_and_order(names: str) -> None:
    film = np.full((6, 48, 64), 60, np.uint8)
    film[:3, :, :32], film[3:, :, 32:] = 160, 160
    made = chain(names)(film)
    assert (made.shape, made.dtype) == (film.shape, film.dtype)
    for number, is_left in ((0, True), (5, False)):
        left, right = made[number, :, 8:24].mean(), made[number, :, 40:56].mean()
        assert bool(left > right + 50) is is_left


@pytest.mark.parametrize("names", ["hqdn3d=16:24", "nlmeans=s=6:p=5:r=9", "fastNlMeansDenoisingMulti=12"])
def test_denoisers_denoise(names: str) -> None:
    assert (psnr(chain(names)(GRAINY), TRUTH) or 0) > (psnr(GRAINY, TRUTH) or 0) + 3


def test_hqdn3d_leaves_large_steps_and_levels_small_ones() -> None:
    picture = np.full((1, 9, 40), 20, np.uint8)
    picture[..., 20:] = 220
    picture[0, 4, 10] = 24
    made = hqdn3d(picture, 4.0, 6.0)[0].astype(int)
    assert abs(made[:, 20:] - 220).max() <= 1
    assert made[4, 10] <= 22


def test_hqdn3d_step_is_a_quarter_at_its_strength() -> None:
    # Two rows one strength apart: by definition the difference is taken down to a quarter of itself.
    picture = np.full((1, 2, 6), 100, np.uint8)
    picture[0, 1] = 120
    assert hqdn3d(picture, 20.0, 20.0)[0, 1] == pytest.approx(120 - 20 * 0.25, abs=0.6)


def test_tmedian_takes_a_speck_of_one_frame() -> None:
    film = TRUTH.copy()
    film[4, 10:14, 10:14] = 255
    assert np.array_equal(chain("tmedian")(film), TRUTH)


def test_frames_come_with_their_times() -> None:
    made = run_filter(TRUTH[:4], "hflip", "", rate=Fraction(12))
    assert list(made) == [Fraction(n, 12) for n in range(4)]
    assert np.array_equal(made[Fraction(2, 12)], TRUTH[2][:, ::-1])


def test_the_best_chain_is_better_than_the_film_and_than_others() -> None:
    film = GRAINY.copy()
    film[3, 20:24, 20:24] = 255
    best, made = best_chain(film, TRUTH, few=True)
    reached = psnr(made, TRUTH) or 0
    assert reached > (psnr(film, TRUTH) or 0) + 5
    assert reached >= (psnr(chain("bilateral=sigmaS=2:sigmaR=0.06")(film), TRUTH) or 0)
    assert np.array_equal(best(film), made)
