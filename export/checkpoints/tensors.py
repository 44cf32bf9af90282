"""Read the tensors of a checkpoint file, and nothing else of it.

Most published checkpoints are Python pickles, which can name any function to be called while they are read. Here they
are read by PyTorch's restricted reader, which knows tensors and plain containers and refuses every name outside its
list; ours adds ``slice``, which fastai leaves in its files. Nothing from a file is ever called.
"""

from __future__ import annotations

import pickle
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from engine.errors import WeightsError

ALLOWED: list[Any] = [slice]
"""What a file may name beside tensors and plain containers."""
WRAPPERS = ("params_ema", "params", "g_ema", "state_dict", "model_state_dict", "model")
"""Entries under which training programs keep the weights, the better ones first."""
PREFIXES = ("module.", "_orig_mod.")
"""Beginnings of keys that wrappers of networks leave; where some keys have one, the others are left out."""
PICKLES = (".pth", ".pt", ".pkl", ".ckpt", ".tar", ".bin")


def load_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read a checkpoint's tensors by their published keys.

    Parameters
    ----------
    path : a ``.safetensors`` file, a pickle of PyTorch (``.pth``, ``.pkl``, ...), or a ``.zip`` with one of these

    Returns
    -------
    Tensors on the host by key, without the entries and beginnings of keys that training programs wrap around them.

    Raises
    ------
    WeightsError
        The file is missing, damaged, holds no tensors, or asks for something to be run.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"checkpoint {path}: no such file; check the path")
    found = strip_wrappers(_reader(path)(path))
    if not found:
        raise WeightsError(f"checkpoint {path}: holds no tensors by name; it is not a checkpoint of a network")
    return found


def strip_wrappers(found: Any) -> dict[str, Tensor]:
    """Find the tensors by name within what a file holds; none where there are none."""
    while isinstance(found, Mapping) and not any(isinstance(value, Tensor) for value in found.values()):
        inner = next((found[name] for name in WRAPPERS if isinstance(found.get(name), Mapping)), None)
        if inner is None:
            return {}
        found = inner
    if not isinstance(found, Mapping):
        return {}
    tensors = {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, Tensor)}
    for prefix in PREFIXES:
        if any(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return tensors


def _reader(path: Path) -> Callable[[Path], Any]:
    return {".safetensors": _read_safetensors, ".zip": _read_archive}.get(path.suffix.lower(), _read_pickle)


def _read_archive(path: Path) -> Any:
    """Read the one checkpoint of an archive, as authors pack it beside their code."""
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            members = [name for name in archive.namelist() if _is_checkpoint(PurePosixPath(name))]
            if len(members) != 1:
                what = f"{len(members)} checkpoints ({', '.join(members[:5])})" if members else "no checkpoint"
                raise WeightsError(f"archive {path}: holds {what}; wanted one; unpack it and import the right one")
            target = Path(folder) / PurePosixPath(members[0]).name
            with archive.open(members[0]) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
            return _reader(target)(target)
    except (zipfile.BadZipFile, OSError) as error:
        raise WeightsError(f"archive {path}: cannot be read ({error}); fetch it again") from error


def _is_checkpoint(path: PurePosixPath) -> bool:
    return path.suffix.lower() in (*PICKLES, ".safetensors") and not path.name.startswith("._")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"checkpoint {path}: not a readable safetensors file ({error}); fetch it again") from error


def _read_pickle(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(ALLOWED), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of unusual pickle protocols: they are read, or refused
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error)) or re.search(r"`?([\w.]+)`? was not an allowed", str(error))
        if asked:
            raise WeightsError(
                f"checkpoint {path}: refused, for it asks to run {asked[1]}, and weights need nothing run; get it from "
                "its official home"
            ) from None
        raise WeightsError(f"checkpoint {path}: refused, for it is more than weights; get it from its home") from None
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise WeightsError(f"checkpoint {path}: cannot be read ({reason}); fetch it again") from error
