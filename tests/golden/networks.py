"""Networks with golden weights, and the assertion that every family's tests share."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from export.networks.published.registry import NETWORKS
from tests.golden.cases import Comparison, GoldenNetwork

log = logging.getLogger("golden")


def golden_network(name: str, golden: GoldenNetwork, **settings: Any) -> nn.Module:
    """Build a published network with its golden weights, loaded strictly."""
    return NETWORKS[name].load(golden.weights(), **settings)


def tensor(array: npt.NDArray[Any]) -> Tensor:
    """Make a tensor of an array."""
    return torch.from_numpy(np.ascontiguousarray(array))


def assert_golden(
    golden: GoldenNetwork, case: str, found: Mapping[str, Tensor | npt.NDArray[Any]]
) -> Sequence[Comparison]:
    """Assert that whole outputs equal the stored ones within the case's tolerance."""
    arrays = {name: value.numpy() if isinstance(value, Tensor) else value for name, value in found.items()}
    comparisons = golden.compare(case, arrays)
    for comparison in comparisons:
        log.info("%s", comparison)
    worst = max(comparisons, key=lambda comparison: comparison.share)
    assert worst.share <= 1.0, str(worst)
    return comparisons
