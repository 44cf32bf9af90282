"""Weights of our networks in a store: imported from published files, kept as safetensors, loaded into networks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import safetensors
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.errors import ModelError, WeightsError
from engine.file_hash import file_sha256
from export.checkpoints.catalogue import Checkpoint, find_checkpoints, known_file
from export.checkpoints.identify import identify
from export.checkpoints.published import cure
from export.checkpoints.store import Store
from export.checkpoints.tensors import load_tensors
from export.networks.published.registry import find_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What travels with weights into every model made of them."""

    licence: str
    commercial_use: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Weights that a store now holds.

    network : their network
    family : its architecture
    path : the safetensors file
    terms : licence, commercial use and source, also in the file
    """

    network: str
    family: str
    path: Path
    terms: Terms


def import_checkpoint(path: Path, store: Store, *, name: str | None = None) -> Imported:
    """Take a checkpoint file of a known family into a store.

    Parameters
    ----------
    path : ``.pth``, ``.pkl``, ``.safetensors``, or a ``.zip`` with one of these
    store : where its weights go
    name : its network, where tensors alone cannot tell (RIFE 4.25 and 4.26 have the same); a file that the catalogue
        knows by its hash needs none

    Raises
    ------
    WeightsError
        The file cannot be read, or is more than weights.
    UnsupportedModelError
        No network of ours has its tensors.
    ModelError
        Several networks have them and neither hash nor name tells which.
    """
    tensors = load_tensors(path)
    identity = identify(tensors)
    sha256 = file_sha256(path)
    known = known_file(sha256)
    known = known if known is not None and known.network in identity.variants else None
    if known is not None and name not in (None, known.network):
        raise ModelError(f"checkpoint {path}: is {known.name}, the published {known.network}, not {name}")
    name = name or (known.network if known else None)
    if name is None and len(identity.variants) > 1:
        raise ModelError(f"checkpoint {path}: could be {' or '.join(identity.variants)}; name one of them (--name)")
    name = name or identity.variant
    if name not in identity.variants:
        raise ModelError(f"checkpoint {path}: holds {' or '.join(identity.variants)}, not {name}")
    return _keep(name, tensors, terms_of(known, sha256), store)


def convert_fetched(name: str, store: Store) -> Imported:
    """Turn the fetched files of a network into its weights; a network of several files gets them together.

    Raises
    ------
    WeightsError
        A file is not here, or cannot be read.
    """
    tensors: dict[str, Tensor] = {}
    checkpoints = [entry for entry in find_checkpoints(name) if entry.network == name]
    for checkpoint in checkpoints:
        found = load_tensors(store.path(checkpoint))
        tensors.update({checkpoint.part + key: tensor for key, tensor in found.items()})
    return _keep(name, tensors, terms_of(checkpoints[0]), store)


def load_network(name: str, store: Store) -> tuple[nn.Module, Terms]:
    """Build a network with the weights that a store holds, and return it with their terms.

    Raises
    ------
    ModelError
        There is no such network, or the store lacks its weights.
    """
    network = find_network(name)
    path = store.network_path(name)
    if not path.exists():
        raise missing_weights(name, store)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            noted = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise WeightsError(f"weights {path}: cannot be read ({error}); import them again") from error
    unknown = {"licence": "unknown", "commercial_use": "ask", "source": "unknown"}
    terms = Terms(**{key: noted.get(key, default) for key, default in unknown.items()})
    return network.load(load_tensors(path).items()), terms


def missing_weights(name: str, store: Store) -> ModelError:
    """Return the error of a network whose weights are not in a store."""
    return ModelError(f"network {name}: its weights are not in {store.folder}; fetch or import them: {cure(name)}")


def terms_of(checkpoint: Checkpoint | None, sha256: str = "") -> Terms:
    """Return the terms of a published file; those of a file that the catalogue does not know are unknown."""
    if checkpoint is None:
        return Terms(licence="unknown", commercial_use="ask", source=f"file {sha256}")
    return Terms(licence=checkpoint.licence, commercial_use=checkpoint.commercial_use, source=checkpoint.urls[0])


def _keep(name: str, tensors: dict[str, Tensor], terms: Terms, store: Store) -> Imported:
    """Check that the tensors load, then write them whole."""
    network = find_network(name)
    network.load(tensors.items())
    kept = {key: tensors[key].detach().clone().contiguous() for key in network.shapes()}  # a file may share memory
    path = store.network_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    metadata = {"licence": terms.licence, "commercial_use": terms.commercial_use, "source": terms.source}
    save_file(kept, unfinished, metadata=metadata)
    os.replace(unfinished, path)
    return Imported(network=name, family=network.family, path=path, terms=terms)
