"""The training loop that all recipes share: schedule, averaged weights, curves, checkpoints that resume exactly.

A run writes into its folder: ``NAME.safetensors`` (averaged weights, what `export_models` reads), ``NAME.json`` (the
last validation's metrics), ``NAME.ckpt`` (everything needed to go on) and ``NAME.csv`` (curves).
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Protocol

import cv2
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

log = logging.getLogger(__name__)

WARM_UP_STEPS = 100


class Recipe(Protocol):
    """What one model brings to the loop."""

    name: str

    def network(self) -> nn.Module:
        """Make the untrained network."""
        ...

    def loss(self, network: nn.Module, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Return the loss of one step and figures for the curves."""
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Measure the network on held-out material."""
        ...

    def close(self) -> None:
        """Free what the recipe holds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How long and how to train.

    Attributes
    ----------
    out : folder for everything that the run writes
    seed : of weights and material
    minutes : wall-clock length, or None when `steps` counts
    steps : number of steps, or None when `minutes` counts
    resume : go on from the checkpoint in `out`, if there is one
    learning_rate : at its highest; it falls to a hundredth along a cosine
    average : share of the old average kept per step by the averaged weights, once warm
    validate_minutes : wall-clock minutes between validations
    save_seconds : wall-clock seconds between checkpoints
    bfloat16 : compute convolutions in bfloat16
    threads : for torch
    """

    out: Path
    seed: int = 0
    minutes: float | None = None
    steps: int | None = None
    resume: bool = False
    learning_rate: float = 1e-3
    average: float = 0.999
    validate_minutes: float = 6.0
    save_seconds: float = 90.0
    bfloat16: bool = True
    threads: int = 2

    def __post_init__(self) -> None:
        """Refuse a run without one end."""
        if (self.minutes is None) == (self.steps is None):
            raise ValueError(f"run: got minutes={self.minutes} and steps={self.steps}; wanted exactly one of them")


@dataclass(slots=True)
class _State:
    """What a checkpoint holds, beside weights and optimizer."""

    step: int = 0
    seconds: float = 0.0


def train(recipe: Recipe, settings: RunSettings, *, clock: Callable[[], float] = time.monotonic) -> dict[str, float]:
    """Train a network and return the last validation's metrics.

    Parameters
    ----------
    recipe : the material and the loss
    settings : how long and where to
    clock : seconds
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(settings.seed)
    network = recipe.network().to(memory_format=torch.channels_last)
    averaged = {name: value.detach().clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    state = _State()
    checkpoint = settings.out / f"{recipe.name}.ckpt"
    if settings.resume and checkpoint.exists():
        state = _load(checkpoint, network, averaged, optimizer)
        log.info("resuming %s at step %d", recipe.name, state.step)
    began = clock() - state.seconds
    saved = validated = clock()
    with contextlib.closing(_Curves(settings.out / f"{recipe.name}.csv", keep=state.step > 0)) as curves:
        while (progress := _progress(settings, state)) < 1:
            rate = learning_rate(settings.learning_rate, progress, state.step)
            figures = _step(recipe, network, optimizer, rate, settings, state.step)
            _average(averaged, network, settings.average, state.step)
            state.step += 1
            state.seconds = clock() - began
            curves.add(state, figures)
            if clock() - saved >= settings.save_seconds:
                _save(checkpoint, network, averaged, optimizer, state)
                saved = clock()
            if clock() - validated > settings.validate_minutes * 60:
                _validate(recipe, averaged, settings.out, state)
                validated = clock()
                began = validated - state.seconds
    _save(checkpoint, network, averaged, optimizer, state)
    return _validate(recipe, averaged, settings.out, state)


def learning_rate(highest: float, progress: float, step: int) -> float:
    """Return the rate: linear warm-up, then a cosine down to a hundredth of the highest."""
    cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return highest * cosine * min(1.0, (step + 1) / WARM_UP_STEPS)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that every recipe takes."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="holds photos/ and clips/")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for weights, checkpoint and curves")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep decoded clips here")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=8)


def run_settings(options: argparse.Namespace) -> RunSettings:
    """Return the settings that the options of `add_run_arguments` say."""
    return RunSettings(
        out=options.out,
        seed=options.seed,
        minutes=options.minutes,
        steps=options.steps,
        resume=options.resume,
        threads=options.threads,
        learning_rate=options.learning_rate,
    )


def _step(
    recipe: Recipe,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    rate: float,
    settings: RunSettings,
    step: int,
) -> dict[str, float]:
    """Take one step and return its figures."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
        loss, figures = recipe.loss(network, step)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return {"loss": float(loss.detach()), **figures}


def _progress(settings: RunSettings, state: _State) -> float:
    if settings.steps is not None:
        return state.step / settings.steps
    return state.seconds / (60 * (settings.minutes or 1))


def _average(averaged: dict[str, Tensor], network: nn.Module, keep: float, step: int) -> None:
    keep = min(keep, (1 + step) / (10 + step))
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                averaged[name].lerp_(value, 1 - keep)
            else:
                averaged[name].copy_(value)


def _validate(recipe: Recipe, averaged: Mapping[str, Tensor], out: Path, state: _State) -> dict[str, float]:
    network = recipe.network()
    network.load_state_dict(averaged)
    with torch.no_grad():
        metrics = recipe.validate(network.eval())
    weights = out / f"{recipe.name}.safetensors"
    unfinished = weights.with_suffix(".part")
    save_file({name: value.contiguous() for name, value in averaged.items()}, unfinished)
    unfinished.replace(weights)
    noted = {name: round(value, 4) for name, value in metrics.items()}
    weights.with_suffix(".json").write_text(json.dumps({**noted, "training_steps": state.step}, indent=1) + "\n")
    with (out / f"{recipe.name}-validation.jsonl").open("a") as lines:
        lines.write(json.dumps({"step": state.step, "minutes": round(state.seconds / 60, 2), **noted}) + "\n")
    log.info("%s step %d, %.1f min: %s", recipe.name, state.step, state.seconds / 60, noted)
    return metrics


def _save(
    path: Path, network: nn.Module, averaged: dict[str, Tensor], optimizer: torch.optim.Optimizer, state: _State
) -> None:
    unfinished = path.with_suffix(".ckpt.part")
    torch.save(
        {
            "network": network.state_dict(),
            "averaged": averaged,
            "optimizer": optimizer.state_dict(),
            "step": state.step,
            "seconds": state.seconds,
        },
        unfinished,
    )
    unfinished.replace(path)


def _load(path: Path, network: nn.Module, averaged: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> _State:
    kept = torch.load(path, weights_only=True)
    network.load_state_dict(kept["network"])
    optimizer.load_state_dict(kept["optimizer"])
    averaged.update(kept["averaged"])
    return _State(step=kept["step"], seconds=kept["seconds"])


class _Curves:
    """Means of the figures over 50 steps, one CSV row each; a figure that only some steps have is their mean.

    Which figures there are is settled by the first row.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        names = path.read_text().partition("\n")[0].split(",")[2:] if keep and path.exists() else []
        self._figures: dict[str, list[float]] = {name: [] for name in names}
        self._is_headed = bool(names)
        self._file = path.open("a" if keep else "w", newline="")
        self._writer = csv.writer(self._file)

    def add(self, state: _State, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._figures.setdefault(name, []).append(value)
        if state.step % 50 == 0:
            if not self._is_headed:
                self._writer.writerow(["step", "minutes", *self._figures])
                self._is_headed = True
            means = [f"{fmean(values):.6f}" if values else "" for values in self._figures.values()]
            self._writer.writerow([state.step, f"{state.seconds / 60:.2f}", *means])
            self._file.flush()
            for values in self._figures.values():
                values.clear()

    def close(self) -> None:
        self._file.close()
