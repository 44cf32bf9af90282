"""`farshore demo --trace`."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.engine.cli.conftest import Outcome
from tests.support.chrome_trace import check_trace


def test_the_demonstration_writes_a_trace_beside_its_films(farshore: Callable[..., Outcome], tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    arguments = ("demo", "--seconds", "0.5", "--size", "96x64", "--no-references", "--quiet", "--output", folder)
    assert farshore(*arguments, "--trace", folder / "trace.json").code == 0
    seen = check_trace(json.loads((folder / "trace.json").read_text()))
    assert seen.models.keys() == {"enhance", "interpolate", "colorize"}
    assert seen.arrows["decode", "inspect"] == 12


def test_a_folder_that_is_missing_is_told_before_anything_is_drawn(
    farshore: Callable[..., Outcome], tmp_path: Path
) -> None:
    trace = tmp_path / "none" / "trace.json"
    outcome = farshore("demo", "--output", tmp_path / "demo", "--trace", trace)
    assert outcome.code == 2
    assert "there is no folder" in outcome.err
    assert not (tmp_path / "demo").exists()
