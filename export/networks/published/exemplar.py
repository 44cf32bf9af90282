"""Deep exemplar colorization: three networks that together colour a frame after a reference picture.

`ExemplarFeatures` (VGG-19) looks at both pictures, `ExemplarMatcher` finds for each place of the frame the most alike
place of the reference and brings its colours, `ExemplarColorizer` makes the colours of the frame from those and from
the frame before. `Exemplar` is the step that joins them. Lab throughout: L less 50, in -50..50; a and b as they are.

References
----------
Zhang et al., "Deep Exemplar-based Video Colorization", CVPR 2019, section 3.
Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.networks.published.exemplar_colorizer import ExemplarColorizer
from export.networks.published.exemplar_features import ExemplarFeatures
from export.networks.published.exemplar_matcher import ExemplarMatcher


class Reference(NamedTuple):
    """What is kept of a reference picture; K places are those of its maps at a quarter of its size.

    features : float (N, 256, K), unit length
    colors : float (N, 3, K), Lab
    """

    features: Tensor
    colors: Tensor


class ExemplarStep(NamedTuple):
    """What a frame came to.

    ab : float (N, 2, H, W)
    warped : float (N, 3, H, W), the reference's Lab where the frame took it from
    similarity : float (N, 1, H, W), the best match's cosine
    """

    ab: Tensor
    warped: Tensor
    similarity: Tensor


class Exemplar(nn.Module):
    """Colour frames one after the other after one reference.

    Keys are those of the three published files with ``vggnet.``, ``nonlocal_net.`` and ``colornet.`` before them.

    Parameters
    ----------
    temperature : None takes the best match alone, as the authors do for video; a number takes a softmax of
        similarity ÷ temperature over all of them
    """

    def __init__(self, *, temperature: float | None = None) -> None:
        super().__init__()
        self.vggnet = ExemplarFeatures()
        self.nonlocal_net = ExemplarMatcher(temperature=temperature)
        self.colornet = ExemplarColorizer()

    def encode(self, reference: Tensor) -> Reference:
        """Look at a reference picture once: Lab (N, 3, H, W), H a multiple of 8 and W of 16."""
        maps = [unit_length(found) for found in self.vggnet(lab_to_rgb(reference))[1:]]
        return Reference(self.nonlocal_net.describe_reference(maps), self.nonlocal_net.colors(reference))

    def forward(self, luma: Tensor, reference: Reference, last: Tensor) -> ExemplarStep:
        """Colour a frame.

        Parameters
        ----------
        luma : float (N, 1, H, W), L less 50; H a multiple of 8 and W of 16
        reference : from `encode`
        last : float (N, 3, H, W), Lab of the frame before with the ab made for it; zeros at the start of a shot
        """
        grey = (luma + 50.0) / 100.0
        maps = [unit_length(found) for found in self.vggnet(grey.expand(-1, 3, -1, -1))[1:]]
        warped, similarity = self.nonlocal_net.match(maps, reference.features, reference.colors)
        ab = self.colornet(torch.cat([luma, warped[:, 1:3], similarity, last], 1))
        return ExemplarStep(ab, warped, similarity)


def unit_length(features: Tensor) -> Tensor:
    """Divide each position of (N, C, H, W) by the length of its channels."""
    return features / (features.pow(2).sum(1, keepdim=True).sqrt() + 2.2e-16)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Turn Lab (N, 3, H, W), L less 50, into sRGB 0..1."""
    y = (lab[:, 0:1] + 50.0 + 16.0) / 116.0
    x = lab[:, 1:2] / 500.0 + y
    z = (y - lab[:, 2:3] / 200.0).clamp(min=0.0)
    xyz = torch.cat([x, y, z], 1)
    xyz = torch.where(xyz > 0.2068966, xyz.clamp(min=0.0) ** 3, (xyz - 16.0 / 116.0) / 7.787)
    xyz = xyz * torch.tensor([0.95047, 1.0, 1.08883], device=lab.device).view(1, 3, 1, 1)
    matrix = torch.tensor(
        [
            [3.24048134, -1.53715152, -0.49853633],
            [-0.96925495, 1.87599, 0.04155593],
            [0.05564664, -0.20404134, 1.05731107],
        ],
        device=lab.device,
    )
    linear = functional.conv2d(xyz, matrix.view(3, 3, 1, 1))
    gamma = 1.055 * linear.clamp(min=0.0031308) ** (1.0 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, gamma, linear * 12.92).clamp(0.0, 1.0)
