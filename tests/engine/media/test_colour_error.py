import numpy as np
import pytest

from engine.media.colour_error import chroma_psnr, ciede2000, colourfulness

SHARMA = np.array(
    [
        [50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425],
        [50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615],
        [50, 2.8361, -74.0200, 50, 0, -82.7485, 3.4412],
        [50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0000],
        [50, -1.1848, -84.8006, 50, 0, -82.7485, 1.0000],
        [50, -0.9009, -85.5211, 50, 0, -82.7485, 1.0000],
        [50, 0, 0, 50, -1, 2, 2.3669],
        [50, -1, 2, 50, 0, 0, 2.3669],
        [50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792],
        [50, 2.49, -0.001, 50, -2.49, 0.0010, 7.1792],
        [50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195],
        [50, 2.49, -0.001, 50, -2.49, 0.0012, 7.2195],
        [50, -0.001, 2.49, 50, 0.0009, -2.49, 4.8045],
        [50, -0.001, 2.49, 50, 0.0010, -2.49, 4.8045],
        [50, -0.001, 2.49, 50, 0.0011, -2.49, 4.7461],
        [50, 2.5, 0, 50, 0, -2.5, 4.3065],
        [50, 2.5, 0, 73, 25, -18, 27.1492],
        [50, 2.5, 0, 61, -5, 29, 22.8977],
        [50, 2.5, 0, 56, -27, -3, 31.9030],
        [50, 2.5, 0, 58, 24, 15, 19.4535],
        [50, 2.5, 0, 50, 3.1736, 0.5854, 1.0000],
        [50, 2.5, 0, 50, 3.2972, 0, 1.0000],
        [50, 2.5, 0, 50, 1.8634, 0.5757, 1.0000],
        [50, 2.5, 0, 50, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


def test_ciede2000_agrees_with_every_published_pair() -> None:
    """Sharma, Wu, Dalal 2005, table 1."""
    np.testing.assert_allclose(ciede2000(SHARMA[:, :3], SHARMA[:, 3:6]), SHARMA[:, 6], atol=5e-5)


def test_the_difference_is_the_same_both_ways_and_none_from_itself() -> None:
    first, second = SHARMA[:, :3], SHARMA[:, 3:6]
    np.testing.assert_allclose(ciede2000(first, second), ciede2000(second, first), atol=1e-9)
    assert not ciede2000(first, first).any()


def test_pictures_keep_their_shape() -> None:
    picture = np.zeros((4, 5, 3), np.float32)
    lighter = picture + np.float32([10, 0, 0])
    wanted = 10 / (1 + 0.015 * 45**2 / np.sqrt(20 + 45**2))
    np.testing.assert_allclose(ciede2000(picture, lighter), np.full((4, 5), wanted))


def test_chroma_psnr_of_an_even_error() -> None:
    wanted = np.zeros((2, 4, 5), np.float32)
    assert chroma_psnr(wanted + np.float32(2.55 / 110), wanted) == pytest.approx(40, abs=1e-3)
    assert chroma_psnr(wanted, wanted) == pytest.approx(80)


def test_colourfulness_of_two_known_halves() -> None:
    # rg = 100 and -100, yb = 50 and 50: deviations 100 and 0, means 0 and 50.
    rgb = np.zeros((2, 2, 3))
    rgb[0], rgb[1] = (100, 0, 0), (0, 100, 0)
    assert colourfulness(rgb) == pytest.approx(100 + 0.3 * 50)


def test_grey_has_no_colourfulness() -> None:
    assert colourfulness(np.full((4, 5, 3), 90)) == 0
    assert colourfulness(np.random.default_rng(0).integers(0, 256, (32, 32, 3))) > 50
