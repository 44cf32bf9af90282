"""Networks as models of a role: the tensors that ``engine/models/README.md`` names, around the authors' networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.networks.published.deoldify import DEVIATION, MEAN, Deoldify
from export.networks.published.exemplar import Exemplar, unit_length
from export.networks.published.rife import Rife
from export.networks.published.rife_paper import RifePaper

AB_RANGE = 110.0
EXEMPLAR_GAIN = 1.25
"""The authors strengthen the colours of deep exemplar colorization by this before they are shown."""
WHITE = (0.95047, 1.0, 1.08883)
RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)


class Plain(nn.Module):
    """A network that already takes one picture and gives one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> Tensor:
        """Run the network."""
        return self.network(picture)


class Halved(nn.Module):
    """An enlarger by four whose result is made half as large, bicubic: how its authors enlarge by two."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor) -> Tensor:
        """Map (1, 3, H, W) to (1, 3, 2H, 2W)."""
        return functional.interpolate(self.network(picture), scale_factor=0.5, mode="bicubic", align_corners=False)


class Interpolator(nn.Module):
    """RIFE as an interpolator; the flow is handed on in full-size pixels."""

    def __init__(self, network: Rife | RifePaper) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return flow (1, 4, H, W), mask (1, 1, H, W) and frame (1, 3, H, W)."""
        made = self.network(first, second, timestep)
        return made.flow, made.mask, made.frame


class MiddleInterpolator(nn.Module):
    """As `Interpolator`, for a network that knows the middle between two frames alone."""

    def __init__(self, network: RifePaper) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return flow (1, 4, H, W), mask (1, 1, H, W) and frame (1, 3, H, W)."""
        made = self.network(first, second)
        return made.flow, made.mask, made.frame


class DeoldifyColorizer(nn.Module):
    """DeOldify as a colorizer without references: lightness in, a and b out."""

    mean: Tensor
    deviation: Tensor
    matrix: Tensor

    def __init__(self, network: Deoldify) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1))
        matrix = torch.tensor(RGB_TO_XYZ) / torch.tensor(WHITE).view(3, 1)
        self.register_buffer("matrix", matrix.view(3, 3, 1, 1))

    def forward(self, luma: Tensor) -> tuple[Tensor, Tensor]:
        """Colour.

        Parameters
        ----------
        luma : float (1, 1, h, w), L* / 100

        Returns
        -------
        ab : float (1, 2, h, w), a* / 110 and b* / 110
        confidence : float (1, 1, h, w), zeros: no reference was followed
        """
        grey = gray_from_lightness(luma)
        y = self.network((grey.expand(-1, 3, -1, -1) - self.mean) / self.deviation)
        rgb = (y * self.deviation + self.mean).clamp(0.0, 1.0)
        linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
        xyz = functional.conv2d(linear, self.matrix)
        root = torch.where(xyz > 0.008856, xyz.clamp(min=0.008856) ** (1.0 / 3.0), 7.787 * xyz + 16.0 / 116.0)
        a = (root[:, 0:1] - root[:, 1:2]) * (500.0 / AB_RANGE)
        b = (root[:, 1:2] - root[:, 2:3]) * (200.0 / AB_RANGE)
        return torch.cat([a, b], 1), torch.zeros_like(luma)


class ExemplarColorizerModel(nn.Module):
    """Deep exemplar colorization as a colorizer: one frame after references whose tokens are known already."""

    def __init__(self, network: Exemplar) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        luma: Tensor,
        reference_features: Tensor,
        reference_ab: Tensor,
        reference_valid: Tensor,
        previous_luma: Tensor,
        previous_ab: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Colour a frame.

        Parameters
        ----------
        luma : float (1, 1, h, w), L* / 100
        reference_features : float (1, 256, K), of `ExemplarReferenceModel`, all references one after the other
        reference_ab : float (1, 2, K), a* / 110 and b* / 110
        reference_valid : float (1, K), 1 or 0
        previous_luma, previous_ab : states, zeros at the start of a shot

        Returns
        -------
        ab : float (1, 2, h, w), a* / 110 and b* / 110
        confidence : float (1, 1, h, w), 0..1, how alike the best match is
        next_luma, next_ab : states
        """
        net, matcher = self.network, self.network.nonlocal_net
        centred = luma * 100.0 - 50.0
        maps = [unit_length(found) for found in net.vggnet(luma.expand(-1, 3, -1, -1))[1:]]
        likeness = torch.bmm(matcher.describe_frame(maps).transpose(1, 2), reference_features)
        similarity, best = (likeness + (reference_valid[:, None, :] - 1.0) * 4.0).max(2)
        colors = torch.gather(reference_ab, 2, best[:, None, :].expand(-1, 2, -1)) * AB_RANGE
        height, width = luma.shape[2] // 4, luma.shape[3] // 4
        warped = functional.interpolate(colors.view(1, 2, height, width), scale_factor=4.0, mode="nearest")
        alike = functional.interpolate(similarity.view(1, 1, height, width), scale_factor=4.0, mode="nearest")
        alike = alike.clamp(min=0.0)
        last = torch.cat([previous_luma * 50.0, previous_ab * AB_RANGE], 1)
        ab = net.colornet(torch.cat([centred, warped, alike, last], 1)) / AB_RANGE
        return ab * EXEMPLAR_GAIN, alike.clamp(max=1.0), centred / 50.0, ab


class ExemplarReferenceModel(nn.Module):
    """The other half of deep exemplar colorization: a reference picture to tokens, once per reference."""

    def __init__(self, network: Exemplar) -> None:
        super().__init__()
        self.network = network

    def forward(self, luma: Tensor, ab: Tensor) -> Tensor:
        """Map L* / 100 (1, 1, h, w) and a*, b* / 110 (1, 2, h, w) to features (1, 256, h/4, w/4)."""
        lab = torch.cat([luma * 100.0 - 50.0, ab * AB_RANGE], 1)
        return self.network.encode(lab).features.view(1, 256, luma.shape[2] // 4, luma.shape[3] // 4)


def gray_from_lightness(luma: Tensor) -> Tensor:
    """Turn L* / 100 into the sRGB value of that grey, 0..1."""
    root = (luma * 100.0 + 16.0) / 116.0
    linear = torch.where(luma > 0.08, root**3, luma * (100.0 / 903.3))
    gamma = 1.055 * linear.clamp(min=0.0031308) ** (1.0 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, gamma, linear * 12.92).clamp(0.0, 1.0)
