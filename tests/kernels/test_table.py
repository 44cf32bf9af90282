"""The table of kernels."""

import re
from pathlib import Path

import pytest

import kernels.table as table_module
from kernels.catalogue import ELEMENTS, catalogue
from kernels.compiler import ARCHITECTURES
from kernels.table import rows, table

TABLE = Path(table_module.__file__).with_name("TABLE.md")


def test_the_table_that_is_kept_has_every_kernel_and_no_other():
    assert set(re.findall(r"^\| `(\w+)` \|", TABLE.read_text(), flags=re.MULTILINE)) == set(catalogue())


@pytest.fixture
def one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "sources", lambda: ["tiles"])


def test_a_row_tells_cases_errors_and_architectures(one_source, tmp_path: Path):
    text = table(tmp_path)
    (line,) = [line for line in text.splitlines() if line.startswith("| `tile_put`")]
    architectures = " ".join(architecture.removeprefix("sm_") for architecture in ARCHITECTURES)
    assert line == f"| `tile_put` | tiles.cu | 3 | 0 | 0 | {architectures} |"
    assert {row.kernel.source for row in rows(tmp_path)} == {"tiles"}
    assert all(set(row.errors) == set(ELEMENTS) for row in rows(tmp_path))


def test_a_kernel_beyond_its_tolerance_makes_no_table(one_source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(case, launcher, *, reverse):
        return table_module.Outcome(error=1.0, passed=False)

    monkeypatch.setattr(table_module, "run_case", fails)
    with pytest.raises(SystemExit, match="tile_cut: beyond its tolerance"):
        table(tmp_path)
