"""The matcher of deep exemplar colorization: for each place of a frame, the most alike place of a reference.

References
----------
Zhang et al., "Deep Exemplar-based Video Colorization", CVPR 2019, section 3.2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALL = 2.2204e-16
SHRINK = 4
"""Matches are sought at a quarter of the size."""


class Match(NamedTuple):
    """Where a frame's colours come from.

    warped : float (N, 3, H, W), the reference's Lab
    similarity : float (N, 1, H, W), the cosine of the best match
    """

    warped: Tensor
    similarity: Tensor


class SharedResidual(nn.Module):
    """Two convolutions and a short cut; one PReLU serves both places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        y = self.prelu(functional.instance_norm(self.conv1(reflect(x))))
        return self.prelu(functional.instance_norm(self.conv2(reflect(y))) + x)


class ExemplarMatcher(nn.Module):
    """Match VGG features of a frame with those of a reference.

    Parameters
    ----------
    temperature : None takes the best match; a number takes a softmax of similarity ÷ temperature
    """

    def __init__(self, *, temperature: float | None = None) -> None:
        super().__init__()
        self.temperature = temperature
        self.layer2_1 = _branch(128, 128, (2, 1), 1)
        self.layer3_1 = _branch(256, 128, (1, 1), 1)
        self.layer4_1 = _branch(512, 256, (1, 1), 2)
        self.layer5_1 = _deepest_branch(512, 256)
        self.layer = nn.Sequential(*[SharedResidual(256) for _ in range(3)])
        self.theta = nn.Conv2d(256, 256, 1)
        self.phi = nn.Conv2d(256, 256, 1)

    def describe_frame(self, maps: list[Tensor]) -> Tensor:
        """Return (N, 256, K), unit length, for a frame's maps at 1/2, 1/4, 1/8 and 1/16 (N, C, h, w)."""
        return centred(self.theta(self._join(maps)))

    def describe_reference(self, maps: list[Tensor]) -> Tensor:
        """Return (N, 256, K), unit length, for a reference's maps."""
        return centred(self.phi(self._join(maps)))

    def colors(self, reference: Tensor) -> Tensor:
        """Return (N, 3, K): Lab (N, 3, H, W) averaged over 4x4 pixels."""
        return functional.avg_pool2d(reference, SHRINK).flatten(2)

    def match(self, maps: list[Tensor], features: Tensor, colors: Tensor) -> Match:
        """Bring a reference's colours to a frame.

        Parameters
        ----------
        maps : of the frame
        features : float (N, 256, K), from `describe_reference`
        colors : float (N, 3, K), from `colors`
        """
        height, width = maps[1].shape[2:]  # a quarter of the frame
        likeness = torch.bmm(self.describe_frame(maps).transpose(1, 2), features)
        if self.temperature is None:
            similarity, best = likeness.max(2)
            found = torch.gather(colors, 2, best[:, None, :].expand(-1, colors.shape[1], -1))
        else:
            similarity = likeness.amax(2)
            found = torch.bmm(colors, functional.softmax(likeness / self.temperature, 2).transpose(1, 2))
        return Match(_enlarge(found, height, width), _enlarge(similarity[:, None, :], height, width))

    def forward(self, frame_maps: list[Tensor], reference_maps: list[Tensor], reference: Tensor) -> Match:
        """Match a frame's maps with a reference's and bring its Lab (N, 3, H, W)."""
        return self.match(frame_maps, self.describe_reference(reference_maps), self.colors(reference))

    def _join(self, maps: list[Tensor]) -> Tensor:
        """Bring four maps to a quarter of the picture's size and to 256 channels together."""
        joined = [branch(x) for branch, x in zip(
            (self.layer2_1, self.layer3_1, self.layer4_1, self.layer5_1), maps, strict=True
        )]  # fmt: skip
        height = joined[0].shape[2]
        if joined[3].shape[2] != height:  # 1/16 was rounded down
            joined[3] = functional.pad(joined[3], (0, 0, 1, 1), mode="replicate")
        return self.layer(torch.cat(joined, 1))


def reflect(x: Tensor) -> Tensor:
    """Pad (N, C, H, W) by one, reflected."""
    return functional.pad(x, (1, 1, 1, 1), mode="reflect")


def centred(x: Tensor) -> Tensor:
    """Take each channel's mean over all places away, then bring each place to unit length: (N, C, h, w) → (N, C, K)."""
    x = x.flatten(2)
    x = x - x.mean(2, keepdim=True)
    return x / (x.pow(2).sum(1, keepdim=True).sqrt() + SMALL)


def _enlarge(x: Tensor, height: int, width: int) -> Tensor:
    """Lay (N, C, K) out as (N, C, height, width) and repeat each value 4x4."""
    x = x.view(x.shape[0], x.shape[1], height, width)
    return functional.interpolate(x, scale_factor=float(SHRINK), mode="nearest")


def _branch(inputs: int, inner: int, strides: tuple[int, int], enlarge: int) -> nn.Sequential:
    """Two convolutions to 64 channels; the second may halve the size, the end may enlarge it."""
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(1),
        nn.Conv2d(inputs, inner, 3),
        nn.InstanceNorm2d(inner),
        nn.PReLU(),
        nn.ReflectionPad2d(1),
        nn.Conv2d(inner, 64, 3, stride=strides[0]),
        nn.InstanceNorm2d(64),
        nn.PReLU(),
    ]
    if enlarge > 1:
        layers.append(nn.Upsample(scale_factor=enlarge))
    return nn.Sequential(*layers)


def _deepest_branch(inputs: int, inner: int) -> nn.Sequential:
    """As `_branch`, enlarged twice: between the convolutions and at the end."""
    return nn.Sequential(
        nn.ReflectionPad2d(1),
        nn.Conv2d(inputs, inner, 3),
        nn.InstanceNorm2d(inner),
        nn.PReLU(),
        nn.Upsample(scale_factor=2),
        nn.ReflectionPad2d(1),
        nn.Conv2d(inner, 64, 3),
        nn.InstanceNorm2d(64),
        nn.PReLU(),
        nn.Upsample(scale_factor=2),
    )
