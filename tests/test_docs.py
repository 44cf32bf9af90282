"""The README's links lead somewhere, its commands are understood, and the public page is exactly what it says."""

import ast
import inspect
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main

import farshore
from engine.cli.main import app
from engine.config_file import load_settings
from engine.presets import PRESETS

ROOT = Path(__file__).parents[1]
PAGES = [path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("engine/**/*.md"))]
README = (ROOT / "README.md").read_text()


def links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [target for target in links(page) if not (page.parent / target.split("#")[0]).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_path_of_one_machine(page: Path) -> None:
    assert not re.search(r"/(work|root|home|tmp)/", page.read_text())


def readme_commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    found = [line.removeprefix(".venv/bin/") for line in lines]
    return [line for line in found if line.startswith("farshore ")]


@pytest.mark.parametrize("line", readme_commands())
def test_commands_are_understood(line: str) -> None:
    """Parse every command of the README without running it."""
    command: object = typer.main.get_command(app)
    arguments = shlex.split(line)[1:]
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command = command.commands[arguments.pop(0)]  # type: ignore[attr-defined]
    command.make_context("farshore", arguments, resilient_parsing=False)  # type: ignore[attr-defined]


def test_the_readme_has_commands_to_understand() -> None:
    assert len(readme_commands()) >= 8


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"make ([\w-]+)", README)) <= targets


def test_the_configuration_example_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    tomllib.loads(example)
    (tmp_path / "film.toml").write_text(example)
    assert load_settings(config=tmp_path / "film.toml").enhance.strength == 0.7


def test_the_page_on_embedding_runs_and_calls_what_there_is() -> None:
    """Its first program runs as it stands; in those that need a GPU our functions are called as they can be."""
    first, *others = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "embedding.md").read_text(), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(first, "embedding.md", "exec"), names)
    restored = names["restored"]
    assert isinstance(restored, list)
    assert len(restored) == 6
    assert restored[-1][1].shape == (3, 48, 64)
    for program in others:
        for call in (node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)):
            if ast.unparse(call.func).startswith("farshore."):
                function = getattr(farshore, ast.unparse(call.func).removeprefix("farshore."))
                given = {word.arg: None for word in call.keywords if word.arg is not None}
                inspect.signature(function).bind(*call.args, **given)


def test_every_preset_and_every_option_of_the_table_is_real() -> None:
    assert all(f"| `{name}` |" in README for name in PRESETS)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    known = {
        option
        for name in ("restore", "plan")
        for parameter in commands[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"--[a-z][a-z-]+", README)) - {"--help", "--install-completion"}
    assert named <= known


def test_the_picture_is_there_and_small() -> None:
    assert (ROOT / "docs" / "before-after.jpg").stat().st_size < 300_000


def test_all_is_exactly_the_public_page() -> None:
    public = {name for name in vars(farshore) if not name.startswith("_")} | {"__version__"}
    assert set(farshore.__all__) == public - {"Callable", "Path"}
    assert len(farshore.__all__) == len(set(farshore.__all__))


def test_the_public_functions_are_documented() -> None:
    assert all(getattr(farshore, name).__doc__ for name in farshore.__all__ if callable(getattr(farshore, name)))
