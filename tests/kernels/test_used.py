"""Which kernels the engine can start, and which only stand ready."""

import ast
import re
from pathlib import Path

from kernels.catalogue import catalogue

ROOT = Path(__file__).parents[2]
TITLE = "## Standing ready"


def startable() -> set[str]:
    """Return the kernels whose names stand in the engine's source; names are never put together there.

    That each of them is really started, `tests/bench/gpu/test_kernels.py` shows: the check of a GPU starts them all.
    """
    names: set[str] = set()
    for path in (ROOT / "engine").rglob("*.py"):
        constants = (node.value for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Constant))
        names.update(value for value in constants if isinstance(value, str))
    return names & catalogue().keys()


def standing_ready() -> dict[str, tuple[str, str]]:
    """Return the table's kernels: what each is for, and why it is kept."""
    text = (ROOT / "kernels" / "README.md").read_text("utf-8").split(TITLE, 1)[1].split("\n## ", 1)[0]
    told: dict[str, tuple[str, str]] = {}
    for line in re.findall(r"^\| `.*$", text, re.MULTILINE):
        kernels, what, why = (cell.strip() for cell in line.strip("|").split("|"))
        for name in re.findall(r"`(\w+)`", kernels):
            assert name not in told, f"{name} stands there twice"
            told[name] = what, why
    return told


def test_what_nothing_starts_is_told_with_its_reason():
    ready = standing_ready()
    assert ready.keys() == catalogue().keys() - startable()
    assert all(what and why for what, why in ready.values())
