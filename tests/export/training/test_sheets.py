"""A sheet shows a film beside what the models make of it."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the export extra: pip install 'farshore[export]'")

from export.training.sheets import FRAMES, FilmModels, sheet  # noqa: E402
from tests.support.scenes import scene  # noqa: E402

MODELS = Path(__file__).parents[3] / "engine" / "models"


@pytest.mark.parametrize("size", [(96, 130), (120, 106)])
def test_a_sheet_has_a_row_for_each_place_and_four_columns(size: tuple[int, int]) -> None:
    height, width = size
    film = np.stack([scene(3, 2.0 * k, grain=0.03, grain_seed=k)[:height, :width] for k in range(10)])
    drawn = sheet(FilmModels(MODELS), np.round(film * 255).astype(np.uint8))
    assert drawn.shape == (len(FRAMES) * height, 4 * width, 3)
    before, restored, taken, coloured = (part.astype(float) for part in np.split(drawn, 4, axis=1))
    assert before[:height, :, 0] == pytest.approx(np.round(film[3] * 255), abs=1)
    assert 1 < np.abs(before - restored).mean() < 20
    assert abs(taken.mean() - 127.5) < 20
    assert np.ptp(coloured, axis=2).max() > 3
    assert np.abs(coloured.mean(2) - restored.mean(2)).mean() < 12
