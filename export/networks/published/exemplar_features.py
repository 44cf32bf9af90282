"""VGG-19's features as deep exemplar colorization uses them, and the grey VGG-19 that its repository also carries.

References
----------
Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
"""Convolutions and channels between two poolings."""
BGR_MEAN = (0.40760392, 0.45795686, 0.48501961)
GRAY_KEPT = (5, 10, 19, 28)
"""Convolutions of the flat list whose activations the grey network gives."""


class ExemplarFeatures(nn.Module):
    """VGG-19 up to conv5_2; the convolutions beyond it are in the checkpoint and have no effect."""

    def __init__(self) -> None:
        super().__init__()
        inputs = 3
        for stage, (count, channels) in enumerate(STAGES, start=1):
            for number in range(1, count + 1):
                setattr(self, f"conv{stage}_{number}", nn.Conv2d(inputs, channels, 3, padding=1))
                inputs = channels

    def forward(self, rgb: Tensor) -> list[Tensor]:
        """Return the maps after conv1_2, conv2_2, conv3_2, conv4_2 and conv5_2.

        Parameters
        ----------
        rgb : float (N, 3, H, W), RGB 0..1

        Returns
        -------
        float (N, 64, H, W), (N, 128, H/2, W/2), (N, 256, H/4, W/4), (N, 512, H/8, W/8), (N, 512, H/16, W/16), sizes
        rounded down
        """
        bgr = torch.cat([rgb[:, 2:3], rgb[:, 1:2], rgb[:, 0:1]], 1)
        x = (bgr - torch.tensor(BGR_MEAN, device=rgb.device).view(1, 3, 1, 1)) * 255.0
        kept = []
        for stage, (count, _) in enumerate(STAGES, start=1):
            for number in range(1, (2 if stage == len(STAGES) else count) + 1):
                x = functional.relu(getattr(self, f"conv{stage}_{number}")(x))
                if number == 2:
                    kept.append(x)
            x = functional.max_pool2d(x, 2) if stage < len(STAGES) else x
        return kept


class GrayFeatures(nn.Sequential):
    """VGG-19 trained on luminance, poolings rounded up; in the authors' archive, not used when films are coloured."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        inputs = 3
        for count, channels in STAGES:
            for _ in range(count):
                layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
                inputs = channels
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        super().__init__(*layers[:-1])

    def maps(self, luma: Tensor) -> list[Tensor]:
        """Return the maps after relu2_1, relu3_1, relu4_1 and relu5_1 of a luminance 0..255 on three channels."""
        kept = []
        for index, layer in enumerate(self):
            luma = layer(luma)
            if index - 1 in GRAY_KEPT:
                kept.append(luma)
            if index > max(GRAY_KEPT):
                break
        return kept
