"""Which library runs a model on a GPU, and which plan serves a session."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from engine.backends.tensorrt.device import Gpu
from engine.backends.tensorrt.ensure import Wishes, plan_key
from engine.backends.tensorrt.library import Library, find_library
from engine.backends.tensorrt.plans import PlanKey, list_plans
from engine.backends.tensorrt.profiles import ShapeRange
from engine.backends.tensorrt.targets import CURRENT, lists
from engine.errors import ConfigError, MissingExtraError
from engine.model import Model

_log = logging.getLogger(__name__)

Shapes = Mapping[str, tuple[int, ...]]


def library_for(gpu: Gpu) -> Library:
    """Return the installed library for a GPU: TensorRT for RTX where that lists it, else TensorRT.

    Where only TensorRT for RTX is installed and does not list the GPU, it is tried, with a warning.

    Raises
    ------
    MissingExtraError, ConfigError
        None is installed.
    """
    if lists(gpu):
        return find_library()
    try:
        return find_library("tensorrt")
    except ConfigError as without:
        try:
            library = find_library("rtx")
        except MissingExtraError:
            raise without from None
    _log.warning("%s does not list %s, and is tried; TensorRT is made for it", library.title, gpu.name)
    return library


def own_key(model: Model, library: Library, gpu: Gpu, shapes: Shapes) -> PlanKey:
    """Return the key of the plan that is built for a session: fastest at its shapes, and good for the usual others.

    It is the key for which `farshore build --size` builds, where that is told the same size.
    """
    key = plan_key(model, library, gpu, Wishes(families=(CURRENT,)))
    return replace(key, profile={name: _around(shapes[name], wide) for name, wide in key.profile.items()})


def serving_key(own: PlanKey, shapes: Shapes, folder: Path) -> PlanKey:
    """Return the key of the plan to use: the session's own, or one in the folder that takes its shapes too.

    Parameters
    ----------
    own : the session's own
    shapes : of its inputs
    folder : of plans; need not exist
    """
    if (folder / own.file_name).exists():
        return own
    for entry in list_plans(folder, time.time()):
        if entry.key is not None and _serves(entry.key, own, shapes):
            return entry.key
    return own


def _serves(found: PlanKey, own: PlanKey, shapes: Shapes) -> bool:
    others = replace(found, profile=own.profile, targets=own.targets, workspace_bytes=own.workspace_bytes)
    has_targets = found.targets == own.targets or (
        not own.targets.gpu
        and bool(own.targets.compute_capabilities)
        and set(own.targets.compute_capabilities) <= set(found.targets.compute_capabilities)
    )
    return (
        others == own
        and has_targets
        and found.profile.keys() == own.profile.keys()
        and all(_contains(found.profile[name], shapes[name]) for name in found.profile)
    )


def _contains(wide: ShapeRange, shape: tuple[int, ...]) -> bool:
    return all(low <= size <= high for low, size, high in zip(wide.smallest, shape, wide.largest, strict=True))


def _around(shape: tuple[int, ...], wide: ShapeRange) -> ShapeRange:
    return ShapeRange(
        smallest=tuple(map(min, wide.smallest, shape)), usual=shape, largest=tuple(map(max, wide.largest, shape))
    )
