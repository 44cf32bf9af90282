"""Published models by name: from the weights of a store to files that every command finds."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from engine.errors import BuildError, MissingExtraError, ModelError
from engine.model import Model
from engine.places import models_folder
from export.checkpoints.published import cure, find_published, model_stem
from export.checkpoints.store import Store
from export.checkpoints.weights import Terms, convert_fetched, load_network, missing_weights, terms_of
from export.onnx.adopt import READY_MODELS, adopt
from export.onnx.recipes import RECIPES
from export.onnx.rtx import try_build
from export.onnx.write import OnStep, Precision, write_published


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A model that was exported.

    name : of the model
    path : the file
    nodes : of its graph
    size_bytes : of the file
    difference : the largest between ONNX Runtime and PyTorch, relative to outputs above 1; None for a file that was
        published as ONNX
    seconds : that it took
    engine : whether TensorRT for RTX builds it, and if not at which node it stops
    """

    name: str
    path: Path
    precision: Precision
    terms: Terms
    nodes: int
    size_bytes: int
    difference: float | None
    seconds: float
    engine: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "path": str(self.path)}


def export_model(
    name: str,
    store: Store,
    *,
    precision: Precision = "fp32",
    path: Path | None = None,
    on_step: OnStep = lambda _: None,
) -> tuple[Exported, ...]:
    """Make a published model of the weights that a store holds, and what it needs beside it.

    Parameters
    ----------
    name : of the model
    store : holds its weights, or the files that were fetched
    precision : what is needed beside it is float32 always
    path : the file; None: in the user's models folder, under its name
    on_step : called before each step

    Returns
    -------
    The model; then, for a colorizer that cannot encode references itself, the model that does, beside it.

    Raises
    ------
    ModelError
        There is no such model, its weights are not here, or ONNX Runtime does not compute what PyTorch does.
    """
    model = find_published(name)
    target = path if path is not None else models_folder() / f"{model_stem(name, precision)}.onnx"
    if path is None:
        target.parent.mkdir(parents=True, exist_ok=True)
    if name in READY_MODELS:
        return (_adopted(name, store, target, precision, on_step),)
    if not model.has_weights(store):
        raise missing_weights(model.network, store)
    began = time.perf_counter()
    on_step("load")
    if not store.network_path(model.network).exists():
        convert_fetched(model.network, store)
    module, terms = load_network(model.network, store)
    wanted: list[tuple[str, Path, Precision]] = [(name, target, precision)]
    companion = RECIPES[name].metadata.get("reference_model")
    if companion is not None:
        wanted.append((companion, target.with_name(f"{companion}.onnx"), "fp32"))
    made: list[Exported] = []
    for each, file, kind in wanted:
        written = write_published(RECIPES[each], module, file, terms=terms, precision=kind, on_step=on_step)
        difference = max(written.differences.values())
        on_step("try")
        made.append(_exported(each, file, kind, terms, written.nodes, difference, time.perf_counter() - began))
        began = time.perf_counter()
    return tuple(made)


def _adopted(name: str, store: Store, target: Path, precision: Precision, on_step: OnStep) -> Exported:
    if precision != "fp32":
        raise ModelError(f"model {name}: is used as it was published, in fp32; export it without --precision")
    (checkpoint,) = find_published(name).checkpoints
    source = store.path(checkpoint)
    if not source.exists():
        raise ModelError(f"model {name}: its file is not in {store.folder}; fetch it: {cure(name)}")
    began = time.perf_counter()
    on_step("write")
    terms = terms_of(checkpoint)
    adopt(source, target, terms=terms)
    nodes = len(onnx.load(target, load_external_data=False).graph.node)
    return _exported(name, target, precision, terms, nodes, None, time.perf_counter() - began)


def _exported(
    name: str, path: Path, precision: Precision, terms: Terms, nodes: int, difference: float | None, seconds: float
) -> Exported:
    return Exported(
        name=name,
        path=path,
        precision=precision,
        terms=terms,
        nodes=nodes,
        size_bytes=path.stat().st_size,
        difference=difference,
        seconds=seconds,
        engine=_tried(path),
    )


def _tried(path: Path) -> str:
    """Build an engine and throw it away: what a library cannot build is to be known before somebody waits for it."""
    try:
        trial = try_build(Model.load(path))
    except MissingExtraError:
        return "not tried: TensorRT for RTX is not installed (the rtx extra)"
    except BuildError as error:
        return f"cannot be built: {error}"
    return f"builds in {trial.seconds:.1f} s, {trial.megabytes:.1f} MB"
