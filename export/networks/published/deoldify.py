"""DeOldify: grey pictures coloured by a U-Net on a ResNet, with one attention over all positions.

The authors' network is fastai's U-Net with hooks; here it is a plain forward over modules of the same names. Stable and
video differ in their weights only.

References
----------
Antic, "DeOldify", 2018 to 2020 (no paper; method "NoGAN").
Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.networks.published.resnet import BasicBlock, Bottleneck, ResnetEncoder
from export.networks.published.weight_norms import SpectralConv, WeightNormConv

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of the RGB values that the encoder was trained with: what goes in and comes out is ``(value - mean) / deviation``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeoldifyVariant:
    """What tells one DeOldify from another.

    bottlenecks : the encoder's blocks are bottlenecks
    depths : blocks in the encoder's four stages
    raised : channels of each decoder step after doubling the size
    widths : channels that each decoder step gives
    convolutions : in each decoder step
    render_factor : the authors' default; the picture's side is 16 times that
    base : channels of the encoder's first convolution
    """

    bottlenecks: bool
    depths: tuple[int, int, int, int]
    raised: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    convolutions: int
    render_factor: int
    base: int = 64


_STABLE = DeoldifyVariant(
    bottlenecks=True,
    depths=(3, 4, 23, 3),
    raised=(512, 512, 512, 256),
    widths=(512, 512, 512, 256),
    convolutions=1,
    render_factor=35,
)
DEOLDIFY_VARIANTS = {
    "deoldify-artistic": DeoldifyVariant(
        bottlenecks=False,
        depths=(3, 4, 6, 3),
        raised=(256, 384, 384, 336),
        widths=(768, 768, 672, 300),
        convolutions=2,
        render_factor=35,
    ),
    "deoldify-stable": _STABLE,
    "deoldify-video": replace(_STABLE, render_factor=21),
}


class SelfAttention(nn.Module):
    """Let every position take from all others, as alike as they are."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = SpectralConv(channels, channels // 8, 1, dimensions=1)
        self.key = SpectralConv(channels, channels // 8, 1, dimensions=1)
        self.value = SpectralConv(channels, channels, 1, dimensions=1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        flat = x.flatten(2)
        likeness = torch.bmm(self.query(flat).transpose(1, 2), self.key(flat))
        gathered = torch.bmm(self.value(flat), functional.softmax(likeness, dim=1))
        return (self.gamma * gathered).view_as(x) + x


class PixelShuffle(nn.Module):
    """Double the size: a 1x1 convolution to four times the channels, laid side by side, then smoothed."""

    def __init__(self, convolution: nn.Sequential) -> None:
        super().__init__()
        self.conv = convolution

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, raised, 2H, 2W)."""
        x = functional.pixel_shuffle(functional.relu(self.conv(x)), 2)
        return functional.avg_pool2d(functional.pad(x, (1, 0, 1, 0), mode="replicate"), 2, stride=1)


class DecoderStep(nn.Module):
    """Double the size and take in what the encoder saw there; convolutions are named by how many there are."""

    def __init__(self, inputs: int, skip: int, raised: int, width: int, convolutions: int, *, attend: bool) -> None:
        super().__init__()
        spectral = SpectralConv(inputs, 4 * raised, 1)
        self.shuf = PixelShuffle(nn.Sequential(spectral, nn.BatchNorm2d(4 * raised)))
        self.bn = nn.BatchNorm2d(skip)
        self.names = ["conv"] if convolutions == 1 else [f"conv{index + 1}" for index in range(convolutions)]
        channels = raised + skip
        for name in self.names:
            layers = _conv(channels, width)
            if attend and name == self.names[-1]:
                layers.append(SelfAttention(width))
            setattr(self, name, layers)
            channels = width

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map (N, inputs, H, W) and (N, skip, 2H, 2W), or one row or column less, to (N, width) of the skip's size."""
        x = self.shuf(x)
        if (
            x.shape[2:] != skip.shape[2:]
        ):  # nearest resizing from n + 1 to n, as the authors do, is leaving the last out
            x = x[:, :, : skip.shape[2], : skip.shape[3]]
        x = functional.relu(torch.cat([x, self.bn(skip)], 1))
        for name in self.names:
            x = getattr(self, name)(x)
        return x


class ResidualPair(nn.Module):
    """Two convolutions whose result is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(SpectralConv(channels, channels, 3, bias=True), nn.ReLU()) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x + self.layers[1](self.layers[0](x))


class Deoldify(nn.Module):
    """Colour a grey picture.

    Parameters
    ----------
    variant : encoder and decoder sizes
    """

    def __init__(self, variant: DeoldifyVariant) -> None:
        super().__init__()
        encoder = ResnetEncoder(Bottleneck if variant.bottlenecks else BasicBlock, variant.depths, variant.base)
        deepest = encoder.channels[-1]
        middle = nn.Sequential(_conv(deepest, 2 * deepest), _conv(2 * deepest, deepest))
        steps: list[nn.Module] = []
        channels = deepest
        for index, (raised, width) in enumerate(zip(variant.raised, variant.widths, strict=True)):
            skip = encoder.channels[3 - index]
            steps.append(DecoderStep(channels, skip, raised, width, variant.convolutions, attend=index == 1))
            channels = width
        last = PixelShuffle(nn.Sequential(WeightNormConv(channels, 4 * channels)))
        self.layers = nn.ModuleList(
            [
                encoder,
                nn.BatchNorm2d(deepest),
                nn.ReLU(),
                middle,
                *steps,
                last,
                nn.Identity(),  # where the authors' list joins the picture to the features
                ResidualPair(channels + 3),
                nn.Sequential(SpectralConv(channels + 3, 3, 1, bias=True)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Colour.

        Parameters
        ----------
        x : float (N, 3, H, W), the grey picture on three channels, less `MEAN`, over `DEVIATION`; H and W even; the
            authors give it squares of 16 times the render factor

        Returns
        -------
        float (N, 3, H, W), RGB as the input, in (-3, 3)
        """
        encoder = self.layers[0]
        assert isinstance(encoder, ResnetEncoder)
        skips = encoder.maps(x)
        y = self.layers[3](functional.relu(self.layers[1](skips[-1])))
        for index in range(4):
            y = self.layers[4 + index](y, skips[3 - index])
        y = torch.cat([self.layers[8](y), x], 1)
        return torch.sigmoid(self.layers[11](self.layers[10](y))) * 6.0 - 3.0


def _conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(SpectralConv(inputs, outputs, 3), nn.ReLU(), nn.BatchNorm2d(outputs))
