"""The building blocks of StyleGAN2, of which GPEN is made too.

Weights are stored raw and scaled where they are used ("equalised"), so a block that is run often is better `folded`:
the same numbers as an ordinary layer. Modulation is written with constant weights — the style scales what goes into a
convolution and the demodulation what comes out — which allows any batch and exports cleanly.

References
----------
Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, sections 2 and 3.
Karras et al., "Progressive Growing of GANs", ICLR 2018, section 4.1 (equalised learning rate).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALL = 1e-8


def leaky(x: Tensor) -> Tensor:
    """Return sqrt(2) · leaky ReLU 0.2: the activation that keeps the variance."""
    return functional.leaky_relu(x, 0.2) * math.sqrt(2.0)


class BiasLeaky(nn.Module):
    """Add a bias per channel, then `leaky`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        return leaky(x + self.bias.view(1, -1, 1, 1))


class EqualLinear(nn.Module):
    """A linear layer whose stored weight counts ``rate / sqrt(inputs)`` and whose bias counts ``rate``.

    Parameters
    ----------
    inputs, outputs : sizes
    rate : 0.01 in the mapping network, 1 elsewhere
    activate : apply `leaky` afterwards
    """

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1.0, activate: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.rate = rate
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs) to (N, outputs)."""
        scale = self.rate / math.sqrt(self.weight.shape[1])
        x = functional.linear(x, self.weight * scale, self.bias * self.rate)
        return leaky(x) if self.activate else x

    def folded(self) -> nn.Module:
        """Return the same as an ordinary linear layer, with its activation."""
        outputs, inputs = self.weight.shape
        linear = nn.Linear(inputs, outputs)
        linear.weight.data = self.weight.data * (self.rate / math.sqrt(inputs))
        linear.bias.data = self.bias.data * self.rate
        return nn.Sequential(linear, Leaky()) if self.activate else linear


class Leaky(nn.Module):
    """`leaky` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return leaky(x)


class EqualConv(nn.Module):
    """A convolution without bias whose stored weight counts ``1 / sqrt(inputs · k · k)``."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, (H - k) / stride + 1, ...)."""
        return functional.conv2d(x, self.weight * _equal_scale(self.weight), stride=self.stride)

    def folded(self) -> nn.Module:
        """Return the same as an ordinary convolution."""
        outputs, inputs, size, _ = self.weight.shape
        convolution = nn.Conv2d(inputs, outputs, size, stride=self.stride, bias=False)
        convolution.weight.data = self.weight.data * _equal_scale(self.weight)
        return convolution


class Blur(nn.Module):
    """Smooth with a 4x4 kernel that the checkpoint carries.

    Parameters
    ----------
    channels : in and out
    padding : zeros on all sides: H becomes H + 2 · padding - 3
    """

    kernel: Tensor

    def __init__(self, channels: int, *, padding: int, gain: float = 1.0) -> None:
        super().__init__()
        self.channels = channels
        self.padding = padding
        self.register_buffer("kernel", binomial_kernel() * gain)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, channels, H + 2 · padding - 3, ...)."""
        return functional.conv2d(x, self._weight(), padding=self.padding, groups=self.channels)

    def folded(self) -> nn.Module:
        """Return the same as an ordinary convolution per channel."""
        convolution = nn.Conv2d(self.channels, self.channels, 4, padding=self.padding, groups=self.channels, bias=False)
        convolution.weight.data = self._weight().clone()
        return convolution

    def _weight(self) -> Tensor:
        return self.kernel.flip(0, 1).expand(self.channels, 1, 4, 4)


class Double(nn.Module):
    """Double the size of a picture: zeros between the pixels, then smooth with a 4x4 kernel of gain 4."""

    kernel: Tensor

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("kernel", binomial_kernel() * 4.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, channels, 2H, 2W)."""
        weight = self.kernel.expand(self.channels, 1, 4, 4)
        return functional.conv_transpose2d(x, weight, stride=2, padding=1, groups=self.channels)

    def folded(self) -> nn.Module:
        """Return the same as an ordinary transposed convolution per channel."""
        convolution = nn.ConvTranspose2d(
            self.channels, self.channels, 4, stride=2, padding=1, groups=self.channels, bias=False
        )
        convolution.weight.data = self.kernel.expand(self.channels, 1, 4, 4).clone()
        return convolution


class PixelNorm(nn.Module):
    """Bring each row to unit mean square."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C) to the same shape."""
        return x * torch.rsqrt((x * x).mean(1, keepdim=True) + SMALL)


class ModulatedConv(nn.Module):
    """A convolution whose inputs a style scales, and whose outputs are brought back to unit variance.

    Parameters
    ----------
    inputs, outputs, size : of the convolution
    style : length of the style
    demodulate : bring the outputs back; off where a picture is made
    double : double the size with a transposed convolution, then smooth
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, style: int, *, demodulate: bool = True, double: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, size, size))
        self.modulation = EqualLinear(style, inputs)
        self.modulation.bias.data.fill_(1.0)
        self.demodulate = demodulate
        self.blur = Blur(outputs, padding=1, gain=4.0) if double else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map (N, inputs, H, W) and a style (N, S) to (N, outputs, H, W), or twice that size."""
        weight = self.weight[0] * _equal_scale(self.weight[0])
        energy = (weight * weight).sum((2, 3)) if self.demodulate else None
        return modulate(x, self.modulation(style), weight, energy, self.blur)

    def folded(self) -> nn.Module:
        """Return the same with scaled weights and their energy stored."""
        return FoldedModulatedConv(self)


class FoldedModulatedConv(nn.Module):
    """`ModulatedConv` with what does not depend on the style computed once."""

    energy: Tensor | None

    def __init__(self, source: ModulatedConv) -> None:
        super().__init__()
        weight = source.weight.data[0] * _equal_scale(source.weight[0])
        self.weight = nn.Parameter(weight)
        self.register_buffer("energy", (weight * weight).sum((2, 3)) if source.demodulate else None)
        self.modulation = source.modulation.folded()
        self.blur = None if source.blur is None else source.blur.folded()

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """As `ModulatedConv.forward`."""
        return modulate(x, self.modulation(style), self.weight, self.energy, self.blur)


def modulate(x: Tensor, scales: Tensor, weight: Tensor, energy: Tensor | None, blur: nn.Module | None) -> Tensor:
    """Convolve with inputs scaled per channel and outputs brought back to unit variance.

    Parameters
    ----------
    x : float (N, I, H, W)
    scales : float (N, I)
    weight : float (O, I, k, k)
    energy : float (O, I), the sum of squares of each kernel; None to leave the outputs as they are
    blur : where given, a transposed convolution doubles the size and this smooths the result
    """
    x = x * scales[:, :, None, None]
    if blur is None:
        x = functional.conv2d(x, weight, padding=weight.shape[2] // 2)
    else:
        x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    if energy is not None:
        x = x * torch.rsqrt(functional.linear(scales * scales, energy) + SMALL)[:, :, None, None]
    return x if blur is None else blur(x)


class ToPicture(nn.Module):
    """Add what one resolution has to say about the picture to the picture so far, doubled."""

    def __init__(self, inputs: int, style: int, *, double: bool = True) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Double() if double else None
        self.conv = ModulatedConv(inputs, 3, 1, style, demodulate=False)

    def forward(self, x: Tensor, style: Tensor, picture: Tensor | None) -> Tensor:
        """Map features (N, inputs, H, W) and a picture (N, 3, H/2, W/2) to a picture (N, 3, H, W)."""
        made = self.conv(x, style) + self.bias
        if self.upsample is None or picture is None:
            return made
        return made + self.upsample(picture)


def mapping_network(style: int, depth: int) -> nn.Sequential:
    """Return the network that turns a code into a style: a norm, then ``depth`` slow linear layers; (N, S) → (N, S)."""
    return nn.Sequential(PixelNorm(), *[EqualLinear(style, style, rate=0.01, activate=True) for _ in range(depth)])


def binomial_kernel() -> Tensor:
    """Return the 4x4 smoothing kernel, sum 1."""
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(row, row) / 64.0


def _equal_scale(weight: Tensor) -> float:
    return 1.0 / math.sqrt(weight.shape[1] * weight.shape[2] * weight.shape[3])
