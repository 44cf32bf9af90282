"""Real-ESRGAN: RRDBNet, large and slow, and SRVGGNetCompact, small and quick; single pictures, enlarged.

References
----------
Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021.
Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class RrdbVariant:
    """What tells one RRDBNet from another.

    scale : output size ÷ input size: 4, 2 or 1; below 4 the picture is first folded into channels
    blocks : residual-in-residual blocks
    """

    scale: int
    blocks: int = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactVariant:
    """What tells one SRVGGNetCompact from another: the number of its inner convolutions; scale is 4."""

    convolutions: int


RRDB_VARIANTS = {
    "realesrgan-x4plus": RrdbVariant(scale=4),
    "realesrgan-x2plus": RrdbVariant(scale=2),
    "realesrgan-x4plus-anime-6b": RrdbVariant(scale=4, blocks=6),
}
COMPACT_VARIANTS = {
    "realesr-animevideov3": CompactVariant(convolutions=16),
    "realesr-general-x4v3": CompactVariant(convolutions=32),
    "realesr-general-wdn-x4v3": CompactVariant(convolutions=32),
}


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each of the first four seeing everything before it; a fifth of the last is added.

    Parameters
    ----------
    channels : in and out
    growth : channels that each inner convolution adds
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(channels + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(channels + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(channels + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(channels + 4 * growth, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        seen = [x]
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen.append(functional.leaky_relu(convolution(torch.cat(seen, 1)), 0.2))
        return x + 0.2 * self.conv5(torch.cat(seen, 1))


class ResidualInResidual(nn.Module):
    """Three dense blocks, a fifth of whose result is added."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(channels, growth)
        self.rdb2 = ResidualDenseBlock(channels, growth)
        self.rdb3 = ResidualDenseBlock(channels, growth)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RrdbNet(nn.Module):
    """Enlarge a picture with residual-in-residual dense blocks.

    Parameters
    ----------
    variant : scale and depth
    """

    def __init__(self, variant: RrdbVariant) -> None:
        super().__init__()
        channels, growth = 64, 32
        self.fold = 4 // variant.scale
        self.conv_first = nn.Conv2d(3 * self.fold**2, channels, 3, padding=1)
        self.body = nn.Sequential(*[ResidualInResidual(channels, growth) for _ in range(variant.blocks)])
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge.

        Parameters
        ----------
        x : float (N, 3, H, W), RGB 0..1; H and W multiples of 4 ÷ scale

        Returns
        -------
        float (N, 3, scale·H, scale·W), RGB, about 0..1, not clamped
        """
        if self.fold > 1:
            x = functional.pixel_unshuffle(x, self.fold)
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for enlarge in (self.conv_up1, self.conv_up2):
            x = functional.leaky_relu(enlarge(functional.interpolate(x, scale_factor=2.0, mode="nearest")), 0.2)
        return self.conv_last(functional.leaky_relu(self.conv_hr(x), 0.2))


class CompactNet(nn.Module):
    """Enlarge a picture with a plain stack of convolutions at its own size (SRVGGNetCompact).

    Parameters
    ----------
    variant : depth
    """

    scale = 4

    def __init__(self, variant: CompactVariant) -> None:
        super().__init__()
        channels = 64
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.PReLU(channels)]
        for _ in range(variant.convolutions):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.PReLU(channels)]
        layers.append(nn.Conv2d(channels, 3 * self.scale**2, 3, padding=1))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge: float (N, 3, H, W), RGB 0..1 → float (N, 3, 4H, 4W), RGB, about 0..1, not clamped."""
        larger = functional.interpolate(x, scale_factor=float(self.scale), mode="nearest")
        return functional.pixel_shuffle(self.body(x), self.scale) + larger
