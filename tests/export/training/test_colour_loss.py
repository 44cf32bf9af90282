"""What the colorizer learns from is what eyes see."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the export extra: pip install 'farshore[export]'")

from engine.media.colour_error import ciede2000  # noqa: E402
from export.networks.film_colorize import COLOURS  # noqa: E402
from export.training.colour_loss import colour_difference, guess_loss  # noqa: E402


def test_the_colour_difference_learned_from_is_ciede2000_but_for_blue() -> None:
    first, turn = np.random.default_rng(3).uniform(-0.7, 0.7, (2, 1, 2, 40, 50)).astype(np.float32)
    first, second = torch.from_numpy(first), torch.from_numpy(first + 0.4 * turn)
    learned = colour_difference(first, second)[0].numpy()
    pair = [np.concatenate([np.full((1, 40, 50), 50.0), 110 * planes[0].numpy()]) for planes in (first, second)]
    true = ciede2000(*(lab.transpose(1, 2, 0) for lab in pair))
    is_blue = np.any([(lab[2] < 0) & (np.abs(lab[1]) < 2 * np.abs(lab[2])) for lab in pair], axis=0)
    assert (~is_blue).sum() > 400
    np.testing.assert_allclose(learned[~is_blue], true[~is_blue], rtol=0.06, atol=0.8)
    assert np.corrcoef(learned.ravel(), true.ravel())[0, 1] > 0.97


def test_colours_that_are_the_same_differ_by_nothing_and_the_slope_there_is_finite() -> None:
    grey = torch.zeros(1, 2, 2, 2, requires_grad=True)
    difference = colour_difference(grey, torch.zeros(1, 2, 2, 2))
    difference.sum().backward()
    assert difference.abs().max() < 1e-6
    assert torch.isfinite(grey.grad).all()


def test_a_guess_of_the_right_colour_costs_least() -> None:
    wanted = (COLOURS[57].view(1, 2, 1, 1) + torch.zeros(1, 2, 8, 8)).contiguous()
    logits = torch.zeros(1, len(COLOURS), 8, 8)
    right, wrong = logits.clone(), logits.clone()
    right[:, 57], wrong[:, 3] = 9.0, 9.0
    assert guess_loss(right, wanted) < guess_loss(logits, wanted) < guess_loss(wrong, wanted)
