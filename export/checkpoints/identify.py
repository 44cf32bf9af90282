"""Tell from names and shapes of tensors which network they are the weights of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from engine.errors import UnsupportedModelError
from export.networks.published.registry import NETWORKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a set of tensors is.

    family : the architecture
    variants : networks that have just these tensors; several where only their weights differ (as RIFE 4.25 and 4.26)
    """

    family: str
    variants: tuple[str, ...]

    @property
    def variant(self) -> str:
        """The network; the first of those that are alike."""
        return self.variants[0]


def identify(tensors: Mapping[str, Tensor]) -> Identity:
    """Find the network whose tensors these are, by name and shape; what serves training alone may be there or not.

    Raises
    ------
    UnsupportedModelError
        No network of ours has them; the message names the nearest.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    matching = [name for name in NETWORKS if _fits(name, shapes)]
    if matching:
        return Identity(family=NETWORKS[matching[0]].family, variants=tuple(matching))
    alike = {name: sum(shapes.get(key) == shape for key, shape in _shapes(name).items()) for name in NETWORKS}
    nearest = max(alike, key=lambda name: alike[name] / len(_shapes(name)))
    raise UnsupportedModelError(
        f"checkpoint of {len(shapes)} tensors: no network has just these; the nearest is {nearest}, with "
        f"{alike[nearest]} of {len(_shapes(nearest))}"
    )


@cache
def _shapes(name: str) -> dict[str, tuple[int, ...]]:
    return NETWORKS[name].shapes()


def _fits(name: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    wanted = _shapes(name)
    if any(shapes.get(key) != shape for key, shape in wanted.items()):
        return False
    return all(key in wanted or key.startswith(NETWORKS[name].unused or ("\0",)) for key in shapes)
