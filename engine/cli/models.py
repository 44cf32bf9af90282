"""`farshore models`: which models there are and what each says of itself."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from engine.cli import console, options
from engine.cli.outcome import ExitCode
from engine.cli.shelf import Check, Offer, checks, offers
from engine.errors import ModelError, UnsupportedModelError
from engine.model import Model, builtin_models, find_model, installed_models
from engine.model_header import read_card

app = typer.Typer()


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: options.Json = False, debug: options.Debug = False) -> None:
    """Show, fetch, import and check models: what they do, on what terms, whether they are whole. Alone, list them."""
    if context.invoked_subcommand is None:
        list_models(as_json=as_json)


@app.command("list")
def list_models(as_json: options.Json = False, debug: options.Debug = False) -> None:
    """List the models: built in, installed, and published ones that can be fetched."""
    found = list(_everything())
    if as_json:
        console.print_json(found)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("name", "state", "role", "precision", "size", "licence", "commercial use"):
        table.add_column(header, justify="right" if header == "size" else "left", no_wrap=True)
    for facts in found:
        table.add_row(
            facts["name"],
            facts["state"],
            facts.get("role", ""),
            facts.get("precision", ""),
            _size(facts["size_bytes"]),
            brief(facts.get("licence", "")),
            facts.get("commercial_use", ""),
        )
    console.print_table(console.results, table)
    for facts in found:
        if "reason" in facts:
            console.remarks.print(f"warning: {facts['reason']}")


@app.command("show")
def show_model(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A model of `farshore models list`, or any ONNX file.")
    ],
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="What to use the file as, where it does not say so itself.")
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show everything a model says of itself, and where a published one comes from."""
    known = offers()
    if name in known and name not in _here():
        facts, page = _offered(known[name]), None
    else:
        model = find_model(name, role)
        facts, page = _facts(model, name, known.get(model.card.name)), model.path.with_suffix(".md")
    if as_json:
        console.print_json(facts)
        return
    for line in _lines(facts):
        console.results.print(line)
    if page is not None and page.is_file():
        console.results.print(f"\n{page.read_text(encoding='utf-8').strip()}")


@app.command("verify")
def verify_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME|FILE]...", help="All models and all fetched files that are here unless given."),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check that models are whole: readable, true to the contract; and fetched files true to their hashes."""
    found = _verified(names)
    if as_json:
        console.print_json([check.to_json() for check in found])
    else:
        for check in found:
            console.results.print(f"{check.name}: {check.reason or f'whole, sha256 {check.sha256}'}")
    if any(check.reason for check in found):
        raise typer.Exit(ExitCode.FAILED)


def brief(licence: str) -> str:
    """Return the name of a licence, without the remarks behind it."""
    return re.split(r"\s*\(|[:;,]\s|\.\s|\.$", licence, maxsplit=1)[0]


def _here() -> dict[str, Path]:
    return {**installed_models(), **builtin_models()}


def _everything() -> Iterator[dict[str, Any]]:
    """Yield what is to know in brief of every model: built in, installed, then what can be had and is not installed."""
    known = offers()
    seen: set[str] = set()
    for name, path in {**builtin_models(), **installed_models(), **builtin_models()}.items():
        size = {"file": str(path), "size_bytes": path.stat().st_size}
        try:
            card = read_card(path)
        except UnsupportedModelError as error:
            yield {"name": name, "state": "unknown", **size, "reason": str(error)}
        except ModelError as error:
            yield {"name": name, "state": "damaged", **size, "reason": str(error)}
        else:
            seen.add(card.name)
            state = _state(name, known.get(card.name))
            yield _with_offer({**dataclasses.asdict(card), "name": name, "state": state, **size}, known.get(card.name))
    yield from (_offered(offer) for name, offer in known.items() if name not in seen)


def _verified(names: Sequence[str] | None) -> list[Check]:
    if not names:
        return [*(_verify(name) for name in _here()), *checks(None)]
    known, here = offers(), _here()
    found: list[Check] = []
    for name in names:
        if name in here or name not in known:
            found.append(_verify(name))
        found.extend(checks(name))
    return found


def _verify(name: str) -> Check:
    try:
        return Check(name=name, sha256=find_model(name, None).sha256)
    except ModelError as error:
        return Check(name=name, sha256=None, reason=str(error))


def _facts(model: Model, name: str, offer: Offer | None) -> dict[str, Any]:
    """Return what is known of a model that is here, as plain values in a fixed order."""
    card = dataclasses.asdict(model.card)
    tensors = {
        kind: {name: f"{_shape(spec.shape)} {spec.dtype}" for name, spec in specs.items()}
        for kind, specs in (("input", model.inputs), ("output", model.outputs))
    }
    state = _state(name, offer)
    facts = {
        **card,
        "name": name if state != "file" else model.card.name,
        "state": state,
        "file": str(model.path),
        "size_bytes": len(model.data),
        "sha256": model.sha256,
        **tensors,
    }
    return _with_offer(facts, offer)


def _state(name: str, offer: Offer | None) -> str:
    if name in builtin_models():
        return "built in"
    if name not in installed_models():
        return "file"
    return "installed" if offer is None else "exported"


def _with_offer(facts: dict[str, Any], offer: Offer | None) -> dict[str, Any]:
    """Add what the room that brought a model knows beside what the model says."""
    return {**facts, **{key: value for key, value in (offer.facts.items() if offer else ()) if key not in facts}}


def _offered(offer: Offer) -> dict[str, Any]:
    facts = {field.name: getattr(offer, field.name) for field in dataclasses.fields(offer) if field.name != "facts"}
    return {**facts, **offer.facts}


def _lines(facts: Mapping[str, Any], key: str = "") -> Iterator[str]:
    """Yield a line for each fact; what holds several words or facts has a line for each of them."""
    for name, value in facts.items():
        label = f"{key} {name}".strip()
        items: Sequence[Any] = value if isinstance(value, (list, tuple)) else (value,)
        if items and all(isinstance(item, (int, float)) for item in items):
            items = (", ".join(map(str, items)),)
        for item in items:
            if isinstance(item, Mapping):
                yield from _lines(item, label)  # pyright: ignore[reportUnknownArgumentType] - facts are plain values
            elif item not in (None, ""):
                yield f"{label:<28}{item}"


def _shape(shape: tuple[int | None, ...]) -> str:
    return "×".join("?" if size is None else str(size) for size in shape) or "scalar"


def _size(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.1f} MB"
