"""From a float32 model and some films to a quantized model whose loss is known and bounded."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from calib.balance import balance
from calib.bound import Search, milliseconds, search
from calib.card import save_model
from calib.collect import collect
from calib.correct import corrected_biases
from calib.footage import Choice, choose, shared_out, survey
from calib.graph import SCHEMES, Form, Range, insert, quantized_layers
from calib.loss import TRUTH_PSNR, Judge, unit_of
from calib.mixed import MIXED, mix
from calib.onnx_tools import Values, prepare
from calib.options import DEFAULT_BOUNDS, Options, Report
from calib.placement import Layers, Placement, find_layers, place
from calib.ranges import METHODS, Histogram, Method, choose_all
from calib.record import Recording, Run, read_runs, record, write_runs
from calib.simplify import channels_of, simplify
from calib.sums import within_sums
from calib.table import Table, check_fits
from calib.table import load as load_table
from calib.widen import widen
from engine.chain import open_backend
from engine.errors import CalibrationError, ConfigError, UnsupportedModelError
from engine.file_hash import named_sha256
from engine.model import Model
from engine.settings import Settings

RANKED_ON = 4
"""Pictures by which methods are compared and layers are ranked: of those that ranges were collected from."""

MIXED_ON = 8
"""Pictures by which a method is chosen for each tensor, and others on which that must lose less; of the same."""

OnStep = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it, and of how much where that is known."""


@dataclass(slots=True, kw_only=True)
class _Work:
    """The model being quantized, and what is known so far."""

    model: Model
    graph: onnx.ModelProto
    form: Form
    layers: tuple[str, ...]
    methods: Mapping[str, Method] = field(default_factory=dict[str, Method])
    ranges: Mapping[str, Range] = field(default_factory=dict[str, Range])
    biases: Mapping[str, Values] = field(default_factory=dict[str, Values])

    def place(self, layers: Sequence[str]) -> Placement:
        return place(self.graph, layers, SCHEMES[self.form].fused)

    def choose(self, histograms: Mapping[str, Histogram], methods: Mapping[str, Method]) -> None:
        """Take ranges from histograms, each tensor's by its own method."""
        self.methods = methods
        self.ranges = within_sums(self.graph.graph, choose_all(histograms, methods, SCHEMES[self.form]))

    def build(self, layers: Sequence[str]) -> onnx.ModelProto:
        made = insert(self.graph, self.place(layers), self.ranges, self.form, biases=self.biases)
        if self.form == "cpu":
            widen(made, layers)
        return made


def calibrate(
    model: Model,
    films: Sequence[Path],
    output: Path,
    options: Options | None = None,
    *,
    settings: Settings | None = None,
    table: Path | None = None,
    on_step: OnStep = lambda what, done, total: None,
) -> Report:
    """Quantize a model on footage.

    Parameters
    ----------
    model : float32, of a role that stands in the chain
    films : to calibrate on; the end of each is kept apart
    output : the .onnx file; replaced only when the new one is whole
    settings : of the restoration in which the model will stand
    table : of an earlier calibration of this very model, whose ranges are used instead of collecting them again

    Raises
    ------
    CalibrationError
        A film is damaged or too short, or the bound cannot be kept.
    """
    options, settings = options or Options(), settings or Settings()
    started = time.perf_counter()
    bound = options.max_loss or DEFAULT_BOUNDS[unit_of(model.card.role)]
    work, layers = _prepare(model, options.form)
    with tempfile.TemporaryDirectory(prefix="farshore-calibrate-") as folder:
        recording = record_films(model, films, options, settings, Path(folder), on_step)
        seen = _seen(work, films, recording, options, table, on_step)
        judge = Judge(model, options.threads)
        rank_on = _spread(recording.calibration, RANKED_ON)
        losses = _choose_method(work, seen, options, judge, rank_on, on_step)
        method: Method = min(losses, key=lambda name: losses[name])
        if options.method == "auto":
            _mix_methods(work, seen, method, judge, recording.calibration, on_step)
        is_balanced, loss = _balance(work, seen, judge, rank_on)
        is_corrected = _correct(work, judge, rank_on, loss, options, on_step)
        timed_inputs = read_runs(rank_on[0])[-1]
        is_timed = options.form == "cpu"
        found = search(
            judge,
            work.build,
            work.layers,
            max_loss=bound,
            rank_on=rank_on,
            measure_on=recording.held_apart,
            timed={} if is_timed else None,
            timed_inputs=timed_inputs,
            whole_curve=options.whole_curve,
            on_point=lambda done, total: on_step("search", done, total),
        )
        kept = set(found.points[found.chosen].kept)
        graph = work.build([name for name in work.layers if name not in kept])
        float_ms = milliseconds({"float32": model.data}, timed_inputs)["float32"] if is_timed else None
    methods: Counter[Method] = Counter(work.methods[name] for name in work.place(work.layers).tensors)
    facts = _facts(
        graph, found, method, methods, bound, options, seen, is_balanced=is_balanced, is_corrected=is_corrected
    )
    made = save_model(graph, model, output, options.form, facts)
    return Report(
        model=made,
        table=seen,
        search=found,
        layers=layers,
        method=method,
        methods=methods,
        method_losses=losses,
        is_balanced=is_balanced,
        is_bias_corrected=is_corrected,
        seconds=time.perf_counter() - started,
        float_milliseconds=float_ms,
        sizes=(len(model.data), len(made.data)),
    )


def quantize_unmeasured(model: Model, runs: Sequence[Run], output: Path, form: Form) -> Model:
    """Quantize whatever may be, with ranges that just hold a few runs; for how fast a model is, not how good.

    Its card has no loss, so that the chain refuses it.

    Parameters
    ----------
    runs : inputs by name
    output : the .onnx file; replaced only when the new one is whole

    Raises
    ------
    CalibrationError
        A tensor holds values that are not finite.
    """
    work, _ = _prepare(model, form)
    with tempfile.TemporaryDirectory(prefix="farshore-calibrate-") as folder:
        files = [Path(folder) / f"{number}.npz" for number in range(len(runs))]
        for path, run in zip(files, runs, strict=True):
            write_runs(path, [run])
        histograms = collect(work.graph, work.place(work.layers).tensors, files, threads=1)
    work.choose(histograms, dict.fromkeys(histograms, "minmax"))
    return save_model(work.build(work.layers), model, output, form, {"form": form, "layers": len(work.layers)})


def _prepare(model: Model, form: Form) -> tuple[_Work, Layers]:
    if model.card.precision != "fp32":
        raise UnsupportedModelError(
            f"model {model.card.name}: is {model.card.precision}; calibrate the float32 model that it was made of"
        )
    graph = prepare(model.data, model.card.name)
    simplify(graph, interleaves=form == "cpu")
    role = model.card.role if form == "cpu" else ""
    layers = find_layers(graph, makes_picture=role == "enhance", tells_motion=role == "interpolate")
    # TensorRT runs first layers well in half precision; on a processor they cost as much as any: the search decides.
    names = tuple(name for name in layers.candidates if form == "cpu" or name not in layers.first)
    if not names:
        raise UnsupportedModelError(f"model {model.card.name}: has no convolution that could run in 8 bits")
    return _Work(model=model, graph=graph, form=form, layers=names), layers


def record_films(
    model: Model, films: Sequence[Path], options: Options, settings: Settings, folder: Path, on_step: OnStep
) -> Recording:
    """Take down what reaches a model from the pictures of films that `options` ask for.

    Raises
    ------
    ConfigError, CalibrationError
        There is no film, or one is damaged or too short.
    """
    if not films:
        raise ConfigError("footage: got none; give one film or more")
    choices: list[Choice] = []
    frames, apart = (shared_out(count, len(films)) for count in (options.frames, options.held_apart))
    for index, film in enumerate(films):
        looks = survey(film, settings.input, lambda done: on_step("look", done, None))
        choices.append(choose(film, looks, max(1, frames[index]), max(1, apart[index])))
    total = sum(len(choice.calibration) + len(choice.held_apart) for choice in choices)
    backend = open_backend(settings.runtime)
    return record(model, choices, settings, backend, folder, lambda done: on_step("run", done, total))


def _seen(
    work: _Work,
    films: Sequence[Path],
    recording: Recording,
    options: Options,
    table: Path | None,
    on_step: OnStep,
) -> Table:
    tensors = work.place(work.layers).tensors
    if table is not None:
        known = load_table(table)
        check_fits(known, work.model.sha256, tensors, table)
        return known
    total = len(recording.calibration)
    histograms = collect(
        work.graph,
        tensors,
        recording.calibration,
        threads=options.threads,
        on_picture=lambda done: on_step("collect", done, total),
    )
    return Table(
        model=work.model.card.name,
        sha256=work.model.sha256,
        footage=tuple(named_sha256(film, "footage", CalibrationError) for film in films),
        runs=total,
        histograms=histograms,
    )


def _choose_method(
    work: _Work, seen: Table, options: Options, judge: Judge, pictures: Sequence[Path], on_step: OnStep
) -> dict[Method, float]:
    """Put the best method's ranges into the work; return the losses of those tried."""
    tried: tuple[Method, ...] = METHODS if options.method == "auto" else (options.method,)
    losses: dict[Method, float] = {}
    for done, method in enumerate(tried, start=1):
        work.choose(seen.histograms, dict.fromkeys(seen.histograms, method))
        losses[method] = judge.judge(work.build(work.layers), pictures).value
        on_step("ranges", done, len(tried))
    best = min(losses, key=lambda name: losses[name])
    work.choose(seen.histograms, dict.fromkeys(seen.histograms, best))
    return losses


def _mix_methods(
    work: _Work, seen: Table, base: Method, judge: Judge, pictures: Sequence[Path], on_step: OnStep
) -> None:
    """Put the ranges of the best method for each tensor into the work, where they lose less on other pictures too.

    Nothing is changed where there are too few pictures: what a range clamps must have had a chance to show.
    """
    if len(pictures) < 2 * MIXED_ON:
        return
    mixed_on = _spread(pictures, MIXED_ON)
    checked_on = _spread([path for path in pictures if path not in mixed_on], MIXED_ON)
    placement = work.place(work.layers)
    groups: dict[str, list[str]] = {}
    for name in placement.tensors:
        groups.setdefault(placement.group[name], []).append(name)
    ranges: dict[Method, Mapping[str, Range]] = {
        method: choose_all(seen.histograms, dict.fromkeys(seen.histograms, method), SCHEMES[work.form])
        for method in MIXED
    }

    def loss_of(tried: Mapping[str, Range]) -> float:
        changed = replace(work, ranges=within_sums(work.graph.graph, tried))
        return judge.judge(changed.build(work.layers), mixed_on).value

    methods = mix(base, ranges, list(groups.values()), loss_of, lambda done, total: on_step("mix", done, total))
    mixed = replace(work)
    mixed.choose(seen.histograms, methods)
    alike, apart = (judge.judge(each.build(work.layers), checked_on).value for each in (work, mixed))
    if apart < alike:
        work.methods, work.ranges = mixed.methods, mixed.ranges


def _balance(work: _Work, seen: Table, judge: Judge, pictures: Sequence[Path]) -> tuple[bool, float]:
    """Balance joined tensors where that loses less; return whether it did, and the loss."""
    loss = judge.judge(work.build(work.layers), pictures).value
    made_of_integers = work.place(work.layers).from_integers
    balanced = balance(work.graph, seen.histograms, channels_of(work.graph.graph), made_of_integers)
    changed = replace(work, graph=balanced.model)
    methods: dict[str, Method] = {name: work.methods[source] for name, source in balanced.sources.items()}
    methods.update(work.methods)
    changed.choose(balanced.histograms, methods)
    found = judge.judge(changed.build(work.layers), pictures).value
    if found >= loss:
        return False, loss
    work.graph, work.methods, work.ranges = changed.graph, changed.methods, changed.ranges
    return True, found


def _correct(
    work: _Work, judge: Judge, pictures: Sequence[Path], loss: float, options: Options, on_step: OnStep
) -> bool:
    """Correct biases where that loses less; return whether it did."""

    def quantize(biases: Mapping[str, Values]) -> onnx.ModelProto:
        return insert(work.graph, work.place(work.layers), work.ranges, work.form, biases=biases)

    biases = corrected_biases(work.graph, work.layers, quantize, pictures, threads=options.threads)
    on_step("correct", 1, 1)
    if judge.judge(quantize(biases), pictures).value >= loss:
        return False
    work.biases = biases
    return True


def _facts(
    graph: onnx.ModelProto,
    found: Search,
    method: Method,
    methods: Mapping[Method, int],
    bound: float,
    options: Options,
    seen: Table,
    *,
    is_balanced: bool,
    is_corrected: bool,
) -> dict[str, Any]:
    """Return what the card says: `engine/models/README.md` has the contract."""
    point = found.points[found.chosen]
    facts: dict[str, Any] = {
        "form": options.form,
        "loss": round(point.loss.value, 5),
        "worst_loss": round(point.loss.worst, 5),
        "unit": point.loss.unit,
        "max_loss": bound,
        "pictures": point.loss.pictures,
        "calibrated_on": seen.runs,
        "footage": list(seen.footage),
        "method": method,
        "methods": dict(methods),
        "balanced": is_balanced,
        "bias_corrected": is_corrected,
        "layers": len(quantized_layers(graph)),
        "layers_kept": list(point.kept),
        "source_sha256": seen.sha256,
    }
    if point.loss.psnr is not None:
        facts |= {"psnr_to_float": round(point.loss.psnr, 2), "assumed_psnr": TRUTH_PSNR}
    return facts


def _spread(pictures: Sequence[Path], count: int) -> list[Path]:
    """Return up to `count` pictures, evenly chosen."""
    return (
        [pictures[index * len(pictures) // count] for index in range(count)]
        if len(pictures) > count
        else list(pictures)
    )
