"""`farshore build`: a model's engine for TensorRT or TensorRT for RTX."""

import json
import logging
import re
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.table import Table

from engine.backends.tensorrt.device import current_gpu
from engine.backends.tensorrt.ensure import Ensured, Wishes, ensure_plan, plan_key
from engine.backends.tensorrt.inspection import account_facts, inspect_build, share_facts, summary
from engine.backends.tensorrt.layers import Account, convolutions, shares
from engine.backends.tensorrt.library import TITLES, find_library
from engine.backends.tensorrt.plans import PlanEntry, PlanKey, list_plans
from engine.backends.tensorrt.process import Limits
from engine.backends.tensorrt.profiles import Size, Sizes
from engine.backends.tensorrt.targets import FAMILIES, parse_families
from engine.cli import console, options
from engine.cli.progress import clock_text
from engine.errors import ConfigError
from engine.media.durable import partial, publish, writing
from engine.model import Model, builtin_models, installed_models
from engine.places import plans_folder
from export.checkpoints.published import PUBLISHED
from export.cli.build_model import model_to_build
from export.cli.progress import Steps, View, progress_view
from export.cli.terms import COMMERCIAL_USE

_SIZES = "Sizes of the picture that the network sees (unless given, by its role)"
_LIMITS = "Limits"

_log = logging.getLogger("engine.backends.tensorrt")


def _complete(incomplete: str) -> list[str]:
    return [name for name in {**builtin_models(), **installed_models(), **PUBLISHED} if name.startswith(incomplete)]


def build(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE", autocompletion=_complete, help="A model of `farshore models list`, or an ONNX file."
        ),
    ] = None,
    precision: Annotated[
        Literal["fp32", "fp16"] | None,
        typer.Option(help="Which file of that name; it is made where it can be. Unless given, fp32."),
    ] = None,
    families: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="GPUS",
            help=f"GPU families ({', '.join(FAMILIES)}), with commas, or current. Unless given, this machine's GPU; "
            "where there is none, ampere, ada and blackwell.",
        ),
    ] = None,
    library: Annotated[
        Literal["rtx", "tensorrt"] | None,
        typer.Option(help="TensorRT for RTX, or TensorRT. Unless given, the first of them that is installed."),
    ] = None,
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="What to use the file as, where it does not say so itself.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="The usual size: the engine is fastest there.", rich_help_panel=_SIZES),
    ] = None,
    min_size: Annotated[str | None, typer.Option(metavar="WxH", help="The smallest.", rich_help_panel=_SIZES)] = None,
    max_size: Annotated[str | None, typer.Option(metavar="WxH", help="The largest.", rich_help_panel=_SIZES)] = None,
    tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Most places of reference pictures that a colorizer looks at.", rich_help_panel=_SIZES
        ),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            metavar="GB",
            help="Memory that building may take. Unless given, three quarters of the machine's.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    workspace: Annotated[
        float | None,
        typer.Option(metavar="MB", help="GPU memory that one operation may take as scratch.", rich_help_panel=_LIMITS),
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Give up after this long.", rich_help_panel=_LIMITS)
    ] = None,
    layers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Also write what is built, layer by layer with its datatypes, and tell how many convolutions run in "
            "which. An engine is built for this and thrown away.",
        ),
    ] = None,
    list_all: Annotated[
        bool, typer.Option("--list", metavar="", help="List the engines that were built, newest first.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Build a model's engine, unless it is there already.

    With TensorRT for RTX this needs no GPU. The engine lies in the cache, where farshore finds it; it is built again
    when the model, the sizes, the library or the GPU are others.
    """
    console.start_logging(debug=debug, quiet=quiet)
    if list_all:
        _list(name, as_json=as_json)
        return
    if name is None:
        raise ConfigError("farshore build: name a model or an ONNX file; farshore models list shows the models")
    wishes = Wishes(
        sizes=Sizes(
            usual=_parse_size("--size", size),
            smallest=_parse_size("--min-size", min_size),
            largest=_parse_size("--max-size", max_size),
            tokens=tokens,
        ),
        families=() if families is None else parse_families(families),
        workspace_bytes=_scaled("--workspace", workspace, 1e6),
    )
    if layers is not None:
        _check(layers)
    limits = Limits(memory_bytes=_scaled("--memory", memory, 1e9), seconds=_positive("--time-limit", time_limit))
    found = find_library(library)
    with progress_view(as_json=as_json, quiet=quiet) as view:
        model = model_to_build(name, precision, role, Steps(view, name))
        key = plan_key(model, found, current_gpu(), wishes)
        if not quiet and not as_json:
            console.remarks.print(f"{_what(key)}, with {found.title}")
        standing = _Standing(view, model.card.name)
        ensured = ensure_plan(model, key, found, plans_folder(), limits, standing.report, standing.note)
        account = None
        if layers is not None:
            account = inspect_build(model, key, found, limits, standing.report, standing.note)
            _write(layers, account_facts(account, key))
    if as_json:
        console.print_json(_facts(model, ensured) | _layer_facts(account, layers))
    elif not quiet:
        _print(model, ensured)
        if account is not None:
            console.results.print(f"  {summary(account, key)}: {layers}")


class _Standing:
    """Tells a view how far a build is."""

    def __init__(self, view: View, name: str) -> None:
        self._view, self._name = view, name
        self._began = time.monotonic()
        self._shown = 0.0

    def report(self, share: float, phase: str) -> None:
        """Show where it stands; on a terminal ten times a second, elsewhere every few seconds."""
        seconds = time.monotonic() - self._began
        if seconds - self._shown < (0.0 if console.remarks.is_terminal else 5.0):
            return
        self._shown = seconds
        event = {"event": "build", "model": self._name, "share": share, "phase": phase, "seconds": round(seconds, 1)}
        self._view.show(self._name, share, f"{phase}  {clock_text(seconds)}", event)

    def note(self, message: str) -> None:
        """Log a warning of the library."""
        _log.debug("%s", message)


def _print(model: Model, ensured: Ensured) -> None:
    plan, card = ensured.plan, model.card
    how = f"built in {plan.seconds:.1f} s" if ensured.was_built else "built before"
    size = f"{plan.payload.nbytes / 1e6:.1f} MB"
    console.results.print(f"{card.name}: {card.precision}, {size}, {how}, for {plan.key.targets}: {plan.path}")
    console.results.print(
        f"  licence {card.licence}; commercial use {COMMERCIAL_USE[card.commercial_use]}; from {card.source}"
    )
    if card.reference_model is not None:
        console.remarks.print(
            f"{card.name} knows reference pictures through {card.reference_model}, which needs an engine of its own"
        )


def _facts(model: Model, ensured: Ensured) -> dict[str, Any]:
    plan, card = ensured.plan, model.card
    return {
        "name": card.name,
        "precision": card.precision,
        "model": str(model.path),
        "plan": str(plan.path),
        "was_built": ensured.was_built,
        "seconds": plan.seconds,
        "size_bytes": plan.payload.nbytes,
        "licence": card.licence,
        "commercial_use": card.commercial_use,
        "source": card.source,
        "key": plan.key.as_json(),
    }


def _layer_facts(account: Account | None, path: Path | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"layers": str(path), "convolutions": share_facts(shares(convolutions(account.layers)))}


def _check(path: Path) -> None:
    if path.suffix != ".json":
        raise ConfigError(f"--layers {path}: wanted a name that ends in .json")
    if not path.parent.is_dir():
        raise ConfigError(f"--layers {path}: folder {path.parent} is not there; make it, or choose another")


def _write(path: Path, facts: dict[str, Any]) -> None:
    with writing(path):
        partial(path).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        publish(partial(path), path)


def _list(name: str | None, *, as_json: bool) -> None:
    if name is not None:
        raise ConfigError(f"--list: got {name!r} with it; wanted --list alone, which shows every engine")
    entries = list(list_plans(plans_folder(), time.time()))
    if as_json:
        console.print_json([_entry_facts(entry) for entry in entries])
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("model", "precision", "sizes", "for", "library", "MB", "age", "file"):
        table.add_column(header, justify="right" if header in ("MB", "age") else "left", no_wrap=True)
    for entry in entries:
        row = _described(entry.key) if entry.key is not None else ("damaged", "", "", "", "")
        table.add_row(*row, f"{entry.file_bytes / 1e6:.1f}", _age(entry.age_seconds), str(entry.path))
    console.print_table(console.results, table)


def _described(key: PlanKey) -> tuple[str, str, str, str, str]:
    return key.model, key.precision, _sizes_text(key), str(key.targets), f"{TITLES[key.library]} {key.version}"


def _entry_facts(entry: PlanEntry) -> dict[str, Any]:
    return {
        "plan": str(entry.path),
        "size_bytes": entry.file_bytes,
        "age_seconds": round(entry.age_seconds),
        "key": None if entry.key is None else entry.key.as_json(),
    }


def _what(key: PlanKey) -> str:
    return f"{key.model} {key.precision} for {key.targets}, sizes {_sizes_text(key)}"


def _sizes_text(key: PlanKey) -> str:
    """Return "64x64 to 1920x1088, best at 640x480" of the largest picture among the inputs."""
    pictures = [shapes for shapes in key.profile.values() if len(shapes.usual) == 4]
    if not pictures:
        return "fixed"
    whole = max(pictures, key=lambda shapes: shapes.usual[2] * shapes.usual[3])
    low, best, high = (f"{shape[3]}x{shape[2]}" for shape in (whole.smallest, whole.usual, whole.largest))
    return best if low == high else f"{low} to {high}, best at {best}"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _parse_size(option: str, text: str | None) -> Size | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})[x×]([1-9]\d{0,4})", text.strip().lower())
    if match is None:
        raise ConfigError(f"{option}: got {text!r}; wanted WIDTHxHEIGHT such as 1920x1080")
    return int(match[2]), int(match[1])


def _positive(option: str, value: float | None) -> float | None:
    if value is not None and value <= 0:
        raise ConfigError(f"{option}: got {value:g}; wanted more than 0")
    return value


def _scaled(option: str, value: float | None, unit: float) -> int | None:
    checked = _positive(option, value)
    return None if checked is None else round(checked * unit)
