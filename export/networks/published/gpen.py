"""GPEN: faces restored, or coloured, by an encoder that steers a StyleGAN2 generator.

Nothing is random: where StyleGAN2 adds noise, the encoder's features of the same size are laid beside the channels.
A variant is the size of the picture and two factors on the channels.

References
----------
Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild", CVPR 2021, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export.networks.published.stylegan2 import (
    BiasLeaky,
    Blur,
    EqualConv,
    EqualLinear,
    ModulatedConv,
    ToPicture,
    mapping_network,
)

STYLE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class GpenVariant:
    """What tells one GPEN from another.

    size : height and width of the picture, a power of two
    wide : factor on the channels from 64 pixels upwards
    narrow : factor on all channels
    """

    size: int
    wide: int = 2
    narrow: float = 1.0

    def channels(self, size: int) -> int:
        """Return the channels at a size."""
        if size <= 32:
            return int(512 * self.narrow)
        return int(256 * 64 // size * self.wide * self.narrow)


GPEN_VARIANTS = {
    "gpen-512": GpenVariant(size=512),
    "gpen-256": GpenVariant(size=256, wide=1, narrow=0.5),
    "gpen-1024": GpenVariant(size=1024),
    "gpen-2048": GpenVariant(size=2048),
    "gpen-colorization": GpenVariant(size=1024),
}


class EncoderNoise(nn.Module):
    """Lay the encoder's features, scaled, beside the generator's."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, feature: Tensor) -> Tensor:
        """Map two (N, C, H, W) to (N, 2C, H, W)."""
        return torch.cat([x, self.weight * feature], 1)


class StyledConv(nn.Module):
    """A modulated convolution, the encoder's features beside it, bias and activation."""

    def __init__(self, inputs: int, outputs: int, *, double: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, STYLE, double=double)
        self.noise = EncoderNoise()
        self.activate = BiasLeaky(2 * outputs)

    def forward(self, x: Tensor, style: Tensor, feature: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, 2 · outputs, H, W), or twice that size."""
        return self.activate(self.noise(self.conv(x, style), feature))


class ConstantInput(nn.Module):
    """The picture of 4x4 features from which every generation starts, (1, channels, 4, 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class Generator(nn.Module):
    """StyleGAN2's generator with the encoder's features in the place of noise."""

    def __init__(self, variant: GpenVariant) -> None:
        super().__init__()
        sizes = [2**power for power in range(3, variant.size.bit_length())]
        first = variant.channels(4)
        self.style = mapping_network(STYLE, 8)
        self.input = ConstantInput(first)
        self.conv1 = StyledConv(first, first)
        self.to_rgb1 = ToPicture(2 * first, STYLE, double=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        below = first
        for size in sizes:
            channels = variant.channels(size)
            self.convs.append(StyledConv(2 * below, channels, double=True))
            self.convs.append(StyledConv(2 * channels, channels))
            self.to_rgbs.append(ToPicture(2 * channels, STYLE))
            below = channels

    def forward(self, style: Tensor, features: list[Tensor]) -> Tensor:
        """Make a picture.

        Parameters
        ----------
        style : float (N, 512), after the mapping
        features : float (N, C, s, s), s = 4, 8, ... up to the size

        Returns
        -------
        float (N, 3, size, size), about -1..1
        """
        x = self.conv1(self.input.input, style, features[0])
        picture = self.to_rgb1(x, style, None)
        for index, (to_picture, feature) in enumerate(zip(self.to_rgbs, features[1:], strict=True)):
            x = self.convs[2 * index](x, style, feature)
            x = self.convs[2 * index + 1](x, style, feature)
            picture = to_picture(x, style, picture)
        return picture


class Gpen(nn.Module):
    """Restore or colour an aligned face.

    Parameters
    ----------
    variant : size and channels
    """

    def __init__(self, variant: GpenVariant) -> None:
        super().__init__()
        self.size = variant.size
        self.generator = Generator(variant)
        first = variant.channels(variant.size)
        self.ecd0 = nn.Sequential(nn.Sequential(EqualConv(3, first, 1), BiasLeaky(first)))
        self.depth = variant.size.bit_length() - 2
        for level in range(1, self.depth):
            above, here = (variant.channels(variant.size >> (level - back)) for back in (1, 0))
            setattr(self, f"ecd{level}", nn.Sequential(_encoder_step(above, here)))
        self.final_linear = nn.Sequential(EqualLinear(variant.channels(4) * 16, STYLE, activate=True))

    def forward(self, face: Tensor) -> Tensor:
        """Restore.

        Parameters
        ----------
        face : float (N, 3, size, size), RGB -1..1, aligned as for ArcFace

        Returns
        -------
        float (N, 3, size, size), RGB, about -1..1, not clamped
        """
        features, style = self.describe(face)
        return self.generator(style, features)

    def describe(self, face: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the encoder's features, 4x4 first, and the style (N, 512) of a face."""
        features = []
        for level in range(self.depth):
            face = getattr(self, f"ecd{level}")(face)
            features.append(face)
        style = self.generator.style(self.final_linear(features[-1].flatten(1)))
        return features[::-1], style


def _encoder_step(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(Blur(inputs, padding=2), EqualConv(inputs, outputs, 3, stride=2), BiasLeaky(outputs))
