"""`python -m export.peers`: write the models that are compared, or time their networks in PyTorch."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.backends.tensorrt.profiles import usual_shapes
from engine.model import Model, find_model
from export.networks.plain_loop import network_of
from export.peers.drawn import SUBJECTS, read_drawn, weights_path, write_drawn
from export.peers.timing import WAYS, How, Precision, time_network

BY_NAME = {"-".join(way): way for way in WAYS}
BUILT_IN = ("film-restore", "film-interpolate", "film-colorize")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m export.peers", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    write = verbs.add_parser("write", help="write published networks with drawn weights as models")
    write.add_argument("folder", type=Path)
    write.add_argument("--model", action="append", help="only this one; may be repeated")
    run = verbs.add_parser("time", help="time networks; JSON on standard output")
    run.add_argument("folder", type=Path, help="that `write` filled")
    run.add_argument("--size", required=True, metavar="WxH")
    run.add_argument("--device", default="cuda:0")
    run.add_argument("--way", action="append", choices=BY_NAME, help="only so; may be repeated")
    run.add_argument("--model", action="append", help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    if options.verb == "write":
        options.folder.mkdir(parents=True, exist_ok=True)
        for name in options.model or SUBJECTS:
            _tell(f"writing {name}")
            write_drawn(name, options.folder)
        return 0
    width, height = (int(side) for side in options.size.split("x"))
    names = options.model or [*BUILT_IN, *SUBJECTS]
    ways = [BY_NAME[name] for name in options.way or BY_NAME]
    found = time_all(names, options.folder, (height, width), torch.device(options.device), ways)
    sys.stdout.write(json.dumps(found, allow_nan=False) + "\n")
    return 0


def time_all(
    names: Sequence[str],
    folder: Path,
    size: tuple[int, int],
    device: torch.device,
    ways: Sequence[tuple[How, Precision]],
) -> Mapping[str, Any]:
    """Return every network's timings as plain values, and what ran them.

    Parameters
    ----------
    names : of models, built in or drawn
    folder : of the drawn ones
    size : height and width of the pictures, where a model leaves them open
    ways : how each is run
    """
    rows: list[Mapping[str, Any]] = []
    for name in names:
        model, network = _subject(name, folder)
        liked = model.own_size or size
        for timing in time_network(name, network, usual_shapes(model, liked), liked, device, ways):
            _tell(f"{name}: {timing.how}, {timing.precision}: {timing.reason or f'{timing.milliseconds:.2f} ms'}")
            rows.append(asdict(timing))
    is_gpu = device.type == "cuda"
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda if is_gpu else None,
        "device": torch.cuda.get_device_name(device) if is_gpu else device.type,
        "rows": rows,
    }


def _subject(name: str, folder: Path) -> tuple[Model, nn.Module]:
    if weights_path(name, folder).exists():
        return Model.load(folder / f"{name}.onnx"), read_drawn(name, folder)
    model = find_model(name, None)
    return model, network_of(model).eval()


def _tell(text: str) -> None:
    sys.stderr.write(f"PyTorch: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
