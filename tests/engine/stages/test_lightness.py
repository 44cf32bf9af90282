import cv2
import numpy as np
import pytest

from engine.stages.lightness import LightnessTable, lightness, working_size


def test_lightness_is_that_of_a_grey_in_srgb() -> None:
    luma = np.linspace(0, 1, 257, dtype=np.float32)[None]
    lab = cv2.cvtColor(np.dstack([luma] * 3), cv2.COLOR_RGB2Lab)
    np.testing.assert_allclose(lightness(luma) * 100, lab[..., 0], atol=0.15)


def test_the_table_is_as_good_as_the_formula() -> None:
    luma = np.random.default_rng(1).random((20, 30), np.float32) * 1.2 - 0.1
    out = np.empty_like(luma)
    LightnessTable(20, 30).write(luma, out)
    np.testing.assert_allclose(out, lightness(np.clip(luma, 0, 1)), atol=2e-4)


@pytest.mark.parametrize(
    ("picture", "liked", "multiple", "wanted"),
    [
        ((480, 640), (256, 336), 16, (256, 336)),
        ((1080, 1920), (256, 336), 16, (224, 384)),
        ((640, 480), (256, 336), 16, (336, 256)),
        ((321, 433), None, 8, (320, 432)),
        ((4, 4), None, 8, (8, 8)),
    ],
)
def test_the_working_size_keeps_aspect_and_area(
    picture: tuple[int, int], liked: tuple[int, int] | None, multiple: int, wanted: tuple[int, int]
) -> None:
    assert working_size(*picture, liked, multiple) == wanted
