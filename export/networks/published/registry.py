"""The published networks by name: how each is built, and what its checkpoints hold besides.

Adding a variant of a known architecture is a row in that module's table; adding an architecture is a module and a
block of rows here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import ModelError, WeightsError
from export.networks.published.deoldify import DEOLDIFY_VARIANTS, Deoldify
from export.networks.published.exemplar import Exemplar
from export.networks.published.exemplar_colorizer import ExemplarColorizer
from export.networks.published.exemplar_features import ExemplarFeatures, GrayFeatures
from export.networks.published.exemplar_matcher import ExemplarMatcher
from export.networks.published.gpen import GPEN_VARIANTS, Gpen
from export.networks.published.realesrgan import COMPACT_VARIANTS, RRDB_VARIANTS, CompactNet, RrdbNet
from export.networks.published.rife import RIFE_VARIANTS, Rife
from export.networks.published.rife_paper import RIFE_PAPER_VARIANTS, RifePaper


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedNetwork:
    """One published network.

    name : as on the command line
    family : the architecture; networks of one family differ in numbers only
    build : makes the module, with values that mean nothing yet; keywords are the family's own settings
    unused : beginnings of keys that its checkpoints may hold for training alone; dropped on loading
    """

    name: str
    family: str
    build: Callable[..., nn.Module]
    unused: tuple[str, ...] = ()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return name and shape of every tensor of its checkpoint, without making any of them."""
        with torch.device("meta"):
            return {key: tuple(tensor.shape) for key, tensor in self.build().state_dict().items()}

    def load(self, tensors: Iterable[tuple[str, Any]], **settings: Any) -> nn.Module:
        """Build the network with weights, for inference.

        Parameters
        ----------
        tensors : (key, tensor or array) pairs, the published keys; integers and half floats become what the network
            holds
        settings : the family's own, such as RIFE's ``flow_scale``

        Raises
        ------
        WeightsError
            A key is missing, unknown or of another shape.
        """
        with torch.device("meta"):
            network = self.build(**settings)
        _assign(network, tensors, self.name, self.unused)
        return network.eval().requires_grad_(requires_grad=False)


_RIFE_UNUSED = ("teacher.", "caltime.", "block_tea.")


def _rows(
    family: str, network: Callable[..., nn.Module], variants: Mapping[str, object], unused: tuple[str, ...] = ()
) -> Iterable[PublishedNetwork]:
    for name, variant in variants.items():
        yield PublishedNetwork(name=name, family=family, build=partial(network, variant), unused=unused)


NETWORKS: dict[str, PublishedNetwork] = {
    network.name: network
    for network in (
        *_rows("rife", Rife, RIFE_VARIANTS, _RIFE_UNUSED),
        *_rows("rife-paper", RifePaper, RIFE_PAPER_VARIANTS),
        *_rows("deoldify", Deoldify, DEOLDIFY_VARIANTS),
        PublishedNetwork(name="exemplar", family="exemplar", build=Exemplar),
        PublishedNetwork(name="exemplar-features", family="exemplar-features", build=ExemplarFeatures),
        PublishedNetwork(name="exemplar-matcher", family="exemplar-matcher", build=ExemplarMatcher),
        PublishedNetwork(name="exemplar-colorizer", family="exemplar-colorizer", build=ExemplarColorizer),
        PublishedNetwork(name="exemplar-gray-features", family="exemplar-gray-features", build=GrayFeatures),
        *_rows("gpen", Gpen, GPEN_VARIANTS),
        *_rows("rrdbnet", RrdbNet, RRDB_VARIANTS),
        *_rows("srvgg", CompactNet, COMPACT_VARIANTS),
    )
}
"""Every published network by name."""


def find_network(name: str) -> PublishedNetwork:
    """Return a network by name.

    Raises
    ------
    ModelError
        There is none of that name; the message lists them.
    """
    if name not in NETWORKS:
        raise ModelError(f"network {name!r}: not known; known are {', '.join(NETWORKS)}")
    return NETWORKS[name]


def _assign(network: nn.Module, tensors: Iterable[tuple[str, Any]], name: str, unused: tuple[str, ...]) -> None:
    """Give a network its tensors, strictly: every one once, none left over."""
    own = network.state_dict()
    given: dict[str, Tensor] = {}
    for key, value in tensors:
        if key not in own:
            if any(key.startswith(beginning) for beginning in unused):
                continue
            raise WeightsError(f"weights of {name}: got {key!r}, which this network does not have")
        tensor = torch.as_tensor(value)
        if tensor.shape != own[key].shape:
            raise WeightsError(f"weights of {name}: {key!r} got {tuple(tensor.shape)}; wanted {tuple(own[key].shape)}")
        given[key] = tensor.to(own[key].dtype)
    missing = sorted(own.keys() - given.keys())
    if missing:
        raise WeightsError(
            f"weights of {name}: {len(missing)} of {len(own)} tensors are missing, such as {', '.join(missing[:3])}"
        )
    network.load_state_dict(given, assign=True)
