"""All eight orientations, against what NumPy does to a picture."""

import numpy as np
import pytest

from engine.media.upright import Orientation

RISING = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
def test_an_orientation_does_what_its_degrees_say(transposed, flip_x, flip_y):
    orientation = Orientation(is_transposed=transposed, flips_x=flip_x, flips_y=flip_y)
    width, height = orientation.size(4, 3)
    out = np.empty((2, height, width), np.float32)
    orientation.apply(RISING, out)
    turned = np.rot90(RISING, orientation.degrees // 90, axes=(1, 2))
    assert np.array_equal(out, turned[:, :, ::-1] if orientation.is_mirrored else turned)


def test_upright_is_false():
    assert not Orientation()
    assert Orientation(flips_x=True)
