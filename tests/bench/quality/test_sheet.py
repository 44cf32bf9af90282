from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.quality.sheet import HEIGHT, WIDTH, Exhibit, check_sheet_path, draw_sheet, write_sheet
from engine.errors import ConfigError


def exhibits() -> list[Exhibit]:
    wide, tall = np.full((40, 80), 90, np.uint8), np.full((90, 30, 3), (200, 10, 10), np.uint8)
    return [
        Exhibit(title="grey", pictures={"film": wide, "truth": wide}),
        Exhibit(title="colour", pictures={"film": tall, "model": tall, "best": tall, "truth": tall}),
    ]


def test_pictures_are_fitted_and_keep_their_colours() -> None:
    sheet = draw_sheet(exhibits())
    assert sheet.shape[1] > 4 * WIDTH
    assert int((sheet == 90).all(2).sum()) == pytest.approx(2 * WIDTH * WIDTH // 2, rel=0.01)
    assert int((sheet == (200, 10, 10)).all(2).sum()) == pytest.approx(4 * HEIGHT * HEIGHT // 3, rel=0.01)


def test_a_sheet_is_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "sheet.png"
    write_sheet(target, exhibits())
    read = cv2.imread(str(target))
    assert read is not None
    assert np.array_equal(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), draw_sheet(exhibits()))
    assert list(tmp_path.iterdir()) == [target]


def test_hopeless_paths_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ending in \.png"):
        check_sheet_path(tmp_path / "sheet.gif")
    with pytest.raises(ConfigError, match="no such folder"):
        check_sheet_path(tmp_path / "none" / "sheet.png")
