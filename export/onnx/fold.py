"""Fold what is constant in a network into ordinary layers before it is exported."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Foldable(Protocol):
    """A layer that can say what ordinary layer computes the same."""

    def folded(self) -> nn.Module:
        """Return it."""
        ...


def fold(network: nn.Module) -> nn.Module:
    """Replace every layer that can be by what it folds to: equalised, spectral and weight norms, modulation.

    The network is changed in place and returned; its published keys are gone afterwards.
    """
    for name, child in network.named_children():
        if isinstance(child, Foldable):
            setattr(network, name, child.folded())
        else:
            fold(child)
    return network.eval().requires_grad_(requires_grad=False)
