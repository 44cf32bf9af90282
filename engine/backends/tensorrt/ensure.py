"""A model's engine: from the cache where it is there and whole, else built."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.backends.tensorrt.builder import Note
from engine.backends.tensorrt.device import Gpu
from engine.backends.tensorrt.library import Library
from engine.backends.tensorrt.plans import Plan, PlanKey, publish_plan, read_plan, sweep_unfinished, unfinished_path
from engine.backends.tensorrt.process import Limits, run_build
from engine.backends.tensorrt.profiles import Sizes, build_profile
from engine.backends.tensorrt.progress import Report
from engine.backends.tensorrt.targets import choose_targets
from engine.errors import PlanMismatchError
from engine.model import Model

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What an engine is wanted to be.

    sizes : of pictures, and how many reference tokens
    families : GPU families by name; none: as `targets.choose_targets` says
    workspace_bytes : most scratch memory of one operation on the GPU; None: what the GPU has
    """

    sizes: Sizes = field(default_factory=Sizes)
    families: Sequence[str] = ()
    workspace_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensured:
    """A plan, and whether it had to be built just now."""

    plan: Plan
    was_built: bool


def plan_key(model: Model, library: Library, gpu: Gpu | None, wishes: Wishes) -> PlanKey:
    """Return the key of the plan that fulfils the wishes.

    Raises
    ------
    ConfigError, NoDeviceError
        Library, GPUs and sizes do not go together.
    UnsupportedModelError
        The model's inputs are open in a way that its role does not explain.
    """
    return PlanKey(
        model=model.card.name,
        model_sha256=model.sha256,
        precision=model.card.precision,
        profile=build_profile(model, wishes.sizes),
        library=library.flavour,
        version=library.version,
        targets=choose_targets(library, wishes.families, gpu),
        workspace_bytes=wishes.workspace_bytes,
    )


def ensure_plan(
    model: Model, key: PlanKey, library: Library, folder: Path, limits: Limits, report: Report, note: Note
) -> Ensured:
    """Return the plan of a key, built if the folder holds none that is whole.

    Parameters
    ----------
    model, key, library : the key is of this model and library
    folder : of plans; need not exist
    limits : what building may take
    report, note : take progress and warnings while it is built

    Raises
    ------
    BuildError
        It cannot be built; the folder is as it was.
    """
    try:
        return Ensured(plan=read_plan(folder / key.file_name, key), was_built=False)
    except FileNotFoundError:
        pass
    except PlanMismatchError as error:
        _log.warning("%s; building it again", error)
    folder.mkdir(parents=True, exist_ok=True)
    sweep_unfinished(folder)
    unfinished = unfinished_path(folder, key)
    run_build(library.name, model.data, key, unfinished, limits, report, note)
    return Ensured(plan=publish_plan(unfinished, key), was_built=True)
