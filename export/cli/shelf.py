"""What `farshore models` shows of published networks."""

from collections.abc import Sequence
from typing import Any

from engine.cli.shelf import Check, Offer
from engine.errors import ModelError
from engine.file_hash import file_sha256
from engine.places import checkpoints_folder
from export.checkpoints.catalogue import Checkpoint, catalogue, find_checkpoints
from export.checkpoints.published import PUBLISHED, PublishedModel, cure
from export.checkpoints.store import Store, weights_problem


class PublishedShelf:
    """The models of published networks, and the files in the user's folder of checkpoints."""

    def offers(self) -> Sequence[Offer]:
        """Return every model that can be made of published weights."""
        store = Store(checkpoints_folder())
        return [_offer(model, store) for model in PUBLISHED.values()]

    def check(self, name: str | None) -> Sequence[Check]:
        """Check fetched files against their hashes and kept weights for being whole: of one model, or all (None)."""
        store = Store(checkpoints_folder())
        if name is None:
            networks = dict.fromkeys(model.network for model in PUBLISHED.values())
            return [*_files_here(catalogue(), store), *(check for each in networks for check in _weights(each, store))]
        if name not in PUBLISHED:
            return [_checked(entry, store) for entry in _file(name)]
        model = PUBLISHED[name]
        if not model.has_weights(store):
            return [_checked(entry, store) for entry in model.checkpoints]
        return [*_files_here(model.checkpoints, store), *_weights(model.network, store)]


def _file(name: str) -> tuple[Checkpoint, ...]:
    """Return the published file of that name, none where there is none."""
    try:
        return find_checkpoints(name)
    except ModelError:
        return ()


def _files_here(checkpoints: Sequence[Checkpoint], store: Store) -> list[Check]:
    return [_checked(entry, store) for entry in checkpoints if store.path(entry).exists()]


def _weights(network: str, store: Store) -> list[Check]:
    """Return what is found of a network's weights, nothing where there are none."""
    path = store.network_path(network)
    if not path.exists():
        return []
    problem = weights_problem(path)
    sha256 = None if problem else file_sha256(path)
    return [Check(name=f"weights of {network} ({path})", sha256=sha256, reason=problem)]


def _checked(checkpoint: Checkpoint, store: Store) -> Check:
    from export.checkpoints.fetch import verify_checkpoint  # late: brings the web, which --help does not need

    verdict = verify_checkpoint(checkpoint, store)
    sha256 = None if verdict.problem else store.wanted_sha256(checkpoint)
    return Check(name=f"{checkpoint.name} ({verdict.path})", sha256=sha256, reason=verdict.problem)


def _offer(model: PublishedModel, store: Store) -> Offer:
    files = model.checkpoints
    sizes = [_size(entry, store) for entry in files]
    known = [size for size in sizes if size is not None]
    papers = dict.fromkeys(entry.paper for entry in files if entry.paper not in ("", "none"))
    state = model.state(store)
    facts: dict[str, Any] = {
        "network": model.network,
        "citation": list(papers),
        "published": [_facts(entry, store) for entry in files],
        "next": _next(model, state),
    }
    return Offer(
        name=model.name,
        role=model.role,
        state=state,
        licence=files[0].licence if files else "unknown",
        commercial_use=files[0].commercial_use if files else "ask",
        size_bytes=sum(known) if known and len(known) == len(sizes) else None,
        facts=facts,
    )


def _next(model: PublishedModel, state: str) -> str:
    """Return the command that brings a model one step nearer to use; empty where it can be used."""
    return {"not fetched": cure(model.network), "fetched": f"farshore export {model.name}"}.get(state, "")


def _facts(checkpoint: Checkpoint, store: Store) -> dict[str, Any]:
    recorded = store.wanted_sha256(checkpoint)
    return {
        "checkpoint": checkpoint.name,
        "file": checkpoint.file,
        "home": list(checkpoint.urls),
        "size_bytes": _size(checkpoint, store),
        "sha256": checkpoint.sha256
        or (f"{recorded} (recorded when it came)" if recorded else "recorded when it comes"),
        "path": str(store.path(checkpoint)) if store.path(checkpoint).exists() else None,
        "notes": checkpoint.notes,
    }


def _size(checkpoint: Checkpoint, store: Store) -> int | None:
    path = store.path(checkpoint)
    return path.stat().st_size if path.exists() else checkpoint.size
