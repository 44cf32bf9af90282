"""Checks and measures everything that runs on a GPU, and writes it down: `python -m bench.gpu.check`.

What `make gpu-check` runs after the tests that need a GPU.
"""

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any

from bench.gpu.chain import LEAST_EFFICIENCY, run_chain
from bench.gpu.film import check_film, draw_film, film_lines
from bench.gpu.kernels import table, time_kernels
from bench.gpu.launcher import DeviceLauncher
from bench.gpu.models import ModelResult, check_model
from bench.gpu.outcome import failures, refusals
from bench.gpu.peers import Peers, beside
from bench.gpu.product import PARTS
from bench.gpu.roof import COPY_BYTES, PRODUCTS, SIDE, Precision, Roof, measure_roof
from bench.latency.head import head
from engine.backends.base import Backend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.chain import open_backend
from engine.device.base import Device
from engine.errors import EngineError, FarshoreError
from engine.model import Model, builtin_models, find_model, installed_models
from engine.settings import RuntimeSettings
from kernels.case import cases, run_case
from kernels.catalogue import ELEMENTS, sources

BACKENDS = ("tensorrt", "cuda")
SIZES = ((640, 480), (1920, 1080))
CHAIN_FRAMES = 400
"""Of the chain's runs, and of the film at least."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
"""Of the chain's models."""


def check_kernels(device: Device) -> Iterator[dict[str, Any]]:
    """Yield for each kernel and element: cases, largest error, and those beyond their tolerance or not run at all.

    `error` is None where a result is not finite or a case could not be run; `failed` then names the case.
    """
    for source in sources():
        for element in ELEMENTS:
            launcher = DeviceLauncher(device, element)
            found: dict[str, dict[str, Any]] = {}
            for case in cases(source, element):
                row = found.setdefault(
                    case.kernel, {"kernel": case.kernel, "element": element, "cases": 0, "error": 0.0, "failed": []}
                )
                row["cases"] += 1
                try:
                    outcome = run_case(case, launcher)
                except FarshoreError as error:
                    row["error"] = None
                    row["failed"].append(f"{case.label}: {error}")
                    continue
                if not isfinite(outcome.error):
                    row["error"] = None
                elif row["error"] is not None:
                    row["error"] = max(row["error"], outcome.error)
                if not outcome.passed:
                    row["failed"].append(case.label)
            yield from found.values()


def check_models(
    device: Device, backend: Backend, roof: Roof, sizes: Sequence[tuple[int, int]], published: Sequence[Model] = ()
) -> Iterator[ModelResult]:
    """Yield a result for every built-in, installed and given model; a file that cannot be read is told.

    Parameters
    ----------
    sizes : width and height
    published : others, which do not count as built in
    """
    reference = OnnxRuntimeBackend()
    builtin = builtin_models()
    turned = [(height, width) for width, height in sizes]
    for name in [*builtin, *(name for name in installed_models() if name not in builtin)]:
        try:
            model = find_model(name, None)
        except FarshoreError as error:
            yield ModelResult(
                model=name,
                network=name,
                sha256="",
                precision="",
                builtin=name in builtin,
                outcome="failed" if name in builtin else "refused",
                reason=str(error),
            )
            continue
        yield check_model(device, backend, reference, model, turned, roof, builtin=name in builtin)
    for model in published:
        yield check_model(device, backend, reference, model, turned, roof, builtin=False)


def check(
    device: Device,
    backends: Mapping[str, Backend],
    tell: Callable[[str], None],
    save: Callable[[dict[str, Any]], object],
    *,
    film: Path,
    traces: Path,
    refused: Mapping[str, str] | None = None,
    peers: Peers | None = None,
    **small: Any,
) -> dict[str, Any]:
    """Check and measure; return everything as plain values.

    Parameters
    ----------
    device : the GPU
    backends : what runs models there, by name
    tell : takes what is being done
    save : takes everything found so far, after the kernels and after each backend
    film : of the last of the sizes, as `bench.gpu.film.draw_film` writes it
    traces : folder for the trace of each backend's film
    refused : backends that could not be opened → why
    peers : PyTorch; None: nothing is compared with it
    small : `sizes`, `frames`, `precisions`, `least`, `copy_bytes`, `side`, `products` and `parts` instead of the usual
        ones, for tests
    """
    sizes, frames = small.get("sizes", SIZES), small.get("frames", CHAIN_FRAMES)
    tell("kernels")
    found: dict[str, Any] = {
        "device": {
            "name": device.name,
            "compute_capability": device.compute_capability,
            "memory_bytes": device.memory()[1],
        },
        "head": head([]),
        "kernels": list(check_kernels(device)),
        "kernel_times": {},
        "backends": {},
        "refused": dict(refused or {}),
        "peers": {"reason": "PyTorch was not asked for", "rows": []},
    }
    width, height = sizes[-1]
    tell(f"kernels: how long they take at {width}x{height}")
    found["kernel_times"] = time_kernels(
        device,
        width=width,
        height=height,
        parts=small.get("parts", PARTS),
        copy_bytes=small.get("copy_bytes", COPY_BYTES),
    ).to_json()
    save(found)
    published: list[Model] = []
    if peers is not None:
        tell("PyTorch: published networks with drawn weights")
        try:
            published = peers.write()
        except EngineError as error:
            found["peers"], peers = {"reason": str(error), "rows": []}, None
    for name, backend in backends.items():
        tell(f"{name}: what the device can do")
        roof = measure_roof(
            device,
            backend,
            copy_bytes=small.get("copy_bytes", COPY_BYTES),
            side=small.get("side", SIDE),
            products=small.get("products", PRODUCTS),
        )
        row: dict[str, Any] = {"roof": asdict(roof), "models": [], "chains": [], "films": []}
        for result in check_models(device, backend, roof, sizes, published):
            tell(f"{name}: {result.model}: {result.outcome}")
            row["models"].append(asdict(result))
        for (width, height), precision in product(sizes, small.get("precisions", PRECISIONS)):
            tell(f"{name}: chain {width}x{height} {precision}")
            chain = run_chain(
                backend,
                width=width,
                height=height,
                frames=frames,
                precision=precision,
                least=small.get("least", LEAST_EFFICIENCY),
            )
            row["chains"].append(chain.to_json())
        tell(f"{name}: film, from file to file")
        for ran in check_film(
            name,
            device,
            film,
            traces / f"{_file_name(device.name)}-{name}.trace.json.gz",
            size=sizes[-1],
            least=small.get("least", LEAST_EFFICIENCY),
        ):
            row["films"].append(ran.to_json())
        found["backends"][name] = row
        save(found)
    if peers is not None:
        tell("PyTorch: the same networks")
        try:
            width, height = sizes[-1]
            found["peers"] = {"reason": None, **peers.time(width, height, f"cuda:{device.ordinal}")}
        except EngineError as error:
            found["peers"] = {"reason": str(error), "rows": []}
        save(found)
    return found


def write(found: dict[str, Any], folder: Path) -> Path:
    """Write what was found as ``NAME-OF-THE-GPU.json``; return where.

    Raises
    ------
    ValueError
        A figure is not finite: JSON knows no such number.
    """
    name = _file_name(found["device"]["name"])
    text = json.dumps(found, indent=1, sort_keys=True, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
    return path


def _file_name(device: str) -> str:
    """Return a GPU's name as files are called by it."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def main() -> int:
    """Run from the command line; 1 where something is not as it should be or no backend could be opened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="0", help="number or UUID of the GPU")
    parser.add_argument("--backend", choices=BACKENDS, action="append", help="only this one; may be repeated")
    parser.add_argument("--torch", metavar="PYTHON", help="interpreter with PyTorch for this GPU, to compare with")
    parser.add_argument("--out", type=Path, default=Path("bench/results"), help="folder of results")
    options = parser.parse_args()
    backends: dict[str, Backend] = {}
    refused: dict[str, str] = {}
    for name in options.backend or BACKENDS:
        try:
            backends[name] = open_backend(RuntimeSettings(backend=name, device=options.device))
        except FarshoreError as error:
            refused[name] = str(error)
            _tell(f"{name}: {error}")
    if not backends:
        return 1
    device = next(iter(backends.values())).device
    assert device is not None
    with tempfile.TemporaryDirectory(prefix="farshore-gpu-check-") as folder:
        peers = None if options.torch is None else Peers(options.torch, Path(folder))
        _tell("drawing a film")
        film = draw_film(Path(folder), SIZES[-1], CHAIN_FRAMES)
        found = check(
            device,
            backends,
            _tell,
            lambda part: write(part, options.out),
            film=film,
            traces=options.out,
            refused=refused,
            peers=peers,
        )
    sys.stdout.write(f"{write(found, options.out)}\n")
    return conclude(found, _tell)


def conclude(found: Mapping[str, Any], tell: Callable[[str], None]) -> int:
    """Tell kernels' times, what PyTorch took, how films ran, what is refused and what failed; return the exit status.

    Failures alone decide it.
    """
    for line in (*table(found["kernel_times"]), *beside(found), *film_lines(found)):
        tell(line)
    refused, failed = refusals(found), failures(found)
    for line in refused:
        tell(f"refused: {line}")
    for line in failed:
        tell(f"failed: {line}")
    tell(f"{len(refused)} refused, {len(failed)} failed")
    return int(bool(failed))


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
