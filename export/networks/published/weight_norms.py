"""Convolutions whose weight is stored with a norm beside it; `folded` they are ordinary convolutions.

References
----------
Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018.
Salimans and Kingma, "Weight Normalization", NeurIPS 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SpectralConv(nn.Module):
    """A convolution divided by its largest singular value, as the stored vectors give it: nothing is iterated.

    Parameters
    ----------
    inputs, outputs, size : of the convolution; zeros are padded so that the size stays
    bias : whether it has one
    dimensions : 2, or 1 for convolutions over flattened positions
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, inputs: int, outputs: int, size: int, *, bias: bool = False, dimensions: int = 2) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.weight_orig = nn.Parameter(torch.randn(outputs, inputs, *[size] * dimensions))
        self.register_buffer("weight_u", torch.ones(outputs))
        self.register_buffer("weight_v", torch.ones(inputs * size**dimensions))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, ...) to (N, outputs, ...)."""
        return convolve(x, self.weight(), self.bias)

    def weight(self) -> Tensor:
        """Return the weight that counts."""
        return self.weight_orig / torch.dot(self.weight_u, torch.mv(self.weight_orig.flatten(1), self.weight_v))

    def folded(self) -> nn.Module:
        """Return the same as an ordinary convolution."""
        return plain_convolution(self.weight(), self.bias)


class WeightNormConv(nn.Module):
    """A 1x1 convolution stored as direction and length of each output's kernel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.weight_g = nn.Parameter(torch.ones(outputs, 1, 1, 1))
        self.weight_v = nn.Parameter(torch.randn(outputs, inputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        return convolve(x, self.weight(), self.bias)

    def weight(self) -> Tensor:
        """Return the weight that counts."""
        return self.weight_v * (self.weight_g / self.weight_v.flatten(1).norm(dim=1).view(-1, 1, 1, 1))

    def folded(self) -> nn.Module:
        """Return the same as an ordinary convolution."""
        return plain_convolution(self.weight(), self.bias)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve in one or two dimensions, keeping the size."""
    operation = functional.conv1d if weight.ndim == 3 else functional.conv2d
    return operation(x, weight, bias, padding=weight.shape[2] // 2)


def plain_convolution(weight: Tensor, bias: Tensor | None) -> nn.Module:
    """Return an ordinary convolution of a weight, keeping the size."""
    kind = nn.Conv1d if weight.ndim == 3 else nn.Conv2d
    outputs, inputs, size = weight.shape[:3]
    convolution = kind(inputs, outputs, size, padding=size // 2, bias=bias is not None)
    convolution.weight.data = weight.detach()
    if bias is not None and convolution.bias is not None:
        convolution.bias.data = bias.detach()
    return convolution
