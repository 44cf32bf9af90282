import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="models are calibrated with onnx, from the calib extra")

from calib.ranges import Histogram  # noqa: E402
from calib.table import Table, check_fits, compare, load, save  # noqa: E402
from engine.errors import CalibrationError  # noqa: E402


def table(*, scale: float = 1.0, sha256: str = "ab" * 32) -> Table:
    histograms = {}
    for index, name in enumerate(("calm", "wild")):
        histograms[name] = Histogram()
        values = np.random.default_rng(index).normal(0, scale if name == "wild" else 1.0, 5000)
        histograms[name].add(values.astype(np.float32), name)
    return Table(model="tiny", sha256=sha256, footage=("reel.mp4",), runs=3, histograms=histograms)


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    made = table()
    save(made, tmp_path / "t.json")
    again = load(tmp_path / "t.json")
    assert (again.model, again.sha256, again.footage, again.runs) == ("tiny", made.sha256, ("reel.mp4",), 3)
    for name, histogram in made.histograms.items():
        np.testing.assert_array_equal(again.histograms[name].counts, histogram.counts)
        assert again.histograms[name].high == histogram.high
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_tables_are_compared_tensor_by_tensor() -> None:
    found = compare(table(), table(scale=4.0))
    assert [item.tensor for item in found] == ["wild", "calm"]
    assert found[1].overlap == 1.0
    assert found[0].overlap < 0.6


def test_a_table_of_another_model_is_refused() -> None:
    with pytest.raises(CalibrationError, match="was made of tiny with SHA-256 abab"):
        check_fits(table(), "cd" * 32, ("calm",), Path("t.json"))


def test_a_table_that_lacks_a_tensor_is_refused() -> None:
    with pytest.raises(CalibrationError, match="lacks tensors new"):
        check_fits(table(), "ab" * 32, ("calm", "new"), Path("t.json"))


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"schema": 7})])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(CalibrationError, match="calibrate again"):
        load(tmp_path / "t.json")
