"""film-interpolate: motion from a moment between two frames to both of them, coarse to fine, on luma alone.

The network gives flow and an occlusion mask at quarter size and never a picture: whoever runs it warps both full-size
frames (and their chroma) along the flow. At 1/16, 1/8 and 1/4 of the size each, motion is first found by matching
(normalised correlation over small windows, nothing learned but its sharpness) and then mended by convolutions, which
learn what matching cannot know: occlusion, smooth areas, the edges of what moves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.networks.film_restore import ResidualConv, start_calmly


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Sample a picture at ``x + flow``, bilinear, edges repeated.

    Parameters
    ----------
    picture : float (N, C, h, w)
    flow : float32 (N, 2, h, w), x then y, in this picture's own pixels

    Returns
    -------
    float (N, C, h, w)
    """
    height, width = picture.shape[2], picture.shape[3]
    x = torch.arange(width, device=picture.device, dtype=torch.float32).view(1, 1, 1, -1)
    y = torch.arange(height, device=picture.device, dtype=torch.float32).view(1, 1, -1, 1)
    grid_x = (flow[:, 0:1] + x + 0.5) * (2.0 / width) - 1.0
    grid_y = (flow[:, 1:2] + y + 0.5) * (2.0 / height) - 1.0
    grid = torch.cat([grid_x, grid_y], 1).permute(0, 2, 3, 1)
    # A half-precision grid is off by tenths of a pixel, so sampling stays in float32.
    return functional.grid_sample(picture.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)


def upsample(x: Tensor, factor: int) -> Tensor:
    """Enlarge by an integer factor, bilinear with pixel centres aligned: (N, C, h, w) → (N, C, fh, fw)."""
    return functional.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)


class FlowLevel(nn.Module):
    """Improve flow and mask at one size, looking at both frames' features already brought along the flow so far.

    Parameters
    ----------
    features : channels of one frame's features
    width : channels inside
    depth : residual convolutions
    above : channels handed down by the coarser level, or by the matching
    """

    def __init__(self, *, features: int, width: int, depth: int, above: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(2 * features + above + 6, width, 3, padding=1)
        self.body = nn.Sequential(*[ResidualConv(width) for _ in range(depth)])
        self.leave = nn.Conv2d(width, 5, 3, padding=1)

    def forward(
        self, first: Tensor, second: Tensor, motion: Tensor, timestep: Tensor, above: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (hidden (N, width, h, w), motion (N, 5, h, w)): four flow channels in own pixels and a mask logit."""
        when = timestep.view(-1, 1, 1, 1) + torch.zeros_like(motion[:, :1])
        parts = [warp(first, motion[:, 0:2]), warp(second, motion[:, 2:4]), motion * 0.25, when, above]
        hidden = self.body(functional.relu(self.enter(torch.cat(parts, 1))))
        return hidden, motion + self.leave(hidden).float()


class LocalMatching(nn.Module):
    """Find what is still missing in the motion, by correlating small windows over all shifts up to a radius.

    Parameters
    ----------
    radius : largest shift in own pixels, each axis
    """

    def __init__(self, radius: int) -> None:
        super().__init__()
        side = 2 * radius + 1
        self.radius = radius
        self.count = side * side
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        shifts = torch.stack([x.flatten(), y.flatten()]).float() - radius
        self.register_buffer("pick", torch.eye(self.count).view(self.count, 1, side, side), persistent=False)
        self.register_buffer("shifts", shifts.view(2, self.count, 1, 1), persistent=False)
        self.sharpness = nn.Parameter(torch.tensor(3.5))
        self.habit = nn.Parameter(-1.0 * shifts.square().sum(0).view(1, self.count, 1, 1))

    def forward(self, first: Tensor, second: Tensor, motion: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """Return motion (N, 5, h, w), improved, and the correlations (N, count, h, w) it was read from.

        ``first`` and ``second`` (N, 1, h, w) are pictures as `normalised` makes them.
        """
        when = timestep.view(-1, 1, 1, 1)
        one, other = warp(first, motion[:, 0:2]), warp(second, motion[:, 2:4])
        shifted = functional.conv2d(other, self.pick.to(other.dtype), padding=self.radius)
        alike = functional.avg_pool2d(one * shifted, 5, 1, 2).float()
        weights = torch.softmax(alike * torch.exp(self.sharpness) + self.habit, dim=1)
        rest = functional.conv2d(weights, self.shifts.to(weights.dtype)).float()
        motion = torch.cat([motion[:, 0:2] - rest * when, motion[:, 2:4] + rest * (1.0 - when), motion[:, 4:5]], 1)
        return motion, alike


def normalised(luma: Tensor, factor: int) -> Tensor:
    """Shrink luma (N, 1, H, W) by a factor and give it zero mean and about unit contrast around every pixel."""
    small = functional.avg_pool2d(luma, factor)
    small = small - functional.avg_pool2d(small, 5, 1, 2, count_include_pad=False)
    return small * torch.rsqrt(functional.avg_pool2d(small * small, 5, 1, 2, count_include_pad=False) + 2e-4)


class FilmInterpolate(nn.Module):
    """Find the motion from a moment between two frames to both of them.

    Notes
    -----
    A fresh network's mask is ``1 - timestep``, and its motion is what matching alone finds.
    """

    size_multiple = 16
    flow_fraction = 4

    def __init__(self) -> None:
        super().__init__()
        self.encode4 = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 16, 3, padding=1))
        self.encode8 = nn.Sequential(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(), ResidualConv(32))
        self.encode16 = nn.Sequential(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(), ResidualConv(64))
        self.find16 = nn.ModuleList([LocalMatching(4), LocalMatching(2)])
        self.find8 = LocalMatching(2)
        self.find4 = LocalMatching(2)
        self.level16 = FlowLevel(features=64, width=64, depth=3, above=25)
        self.level8 = FlowLevel(features=32, width=64, depth=3, above=64 + 25)
        self.shrink4 = nn.Conv2d(64, 32, 1)
        self.level4 = FlowLevel(features=16, width=32, depth=3, above=32 + 25)
        start_calmly(self)
        for level in (self.level16, self.level8, self.level4):
            nn.init.zeros_(level.leave.weight)
            nn.init.zeros_(level.leave.bias)

    def forward(self, first: Tensor, second: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """Return flow and mask.

        Parameters
        ----------
        first, second : float (N, 1, H, W), 0..1; H and W multiples of 16
        timestep : float (N,) or (1,), in (0, 1); near 0 the moment is near ``first``

        Returns
        -------
        flow : float32 (N, 4, H/4, W/4): motion from the moment to ``first`` (x, y) and to ``second`` (x, y), in
            full-size pixels
        mask : float32 (N, 1, H/4, W/4): weight of ``first``, 0..1
        """
        *_, motion = self.pyramid(first, second, timestep)
        return motion[:, :4] * 4.0, self.mask(motion, timestep)

    def pyramid(self, first: Tensor, second: Tensor, timestep: Tensor) -> list[Tensor]:
        """Return flow and mask logit, (N, 5, h, w) in own pixels: as matched at 1/16, then at 1/16, 1/8 and 1/4."""
        count = first.shape[0]
        pair = torch.cat([first, second], 0)
        f4 = self.encode4(functional.pixel_unshuffle(pair - 0.5, 4))
        f8 = self.encode8(f4)
        f16 = self.encode16(f8)
        seen = normalised(pair, 16)
        motion = torch.zeros_like(f16[:count, :5]).float()
        for find in self.find16:
            motion, alike = find(seen[:count], seen[count:], motion, timestep)
        motions = [motion]
        hidden, motion = self.level16(f16[:count], f16[count:], motion, timestep, alike)
        motions.append(motion)
        for find, level, features, factor in (
            (self.find8, self.level8, f8, 8),
            (self.find4, self.level4, f4, 4),
        ):
            above = upsample(self.shrink4(hidden) if factor == 4 else hidden, 2)
            seen = normalised(pair, factor)
            motion, alike = find(seen[:count], seen[count:], double_motion(motion), timestep)
            above = torch.cat([above, alike], 1)
            hidden, motion = level(features[:count], features[count:], motion, timestep, above)
            motions.append(motion)
        return motions

    @staticmethod
    def mask(motion: Tensor, timestep: Tensor) -> Tensor:
        """Turn the mask's logit into the weight of the first frame, ``1 - timestep`` where the logit is zero."""
        when = timestep.view(-1, 1, 1, 1)
        return torch.sigmoid(motion[:, 4:5] + torch.log((1.0 - when) / when))


def double_motion(motion: Tensor) -> Tensor:
    """Bring (N, 5, h, w) flow and mask logit to twice the size, flow values doubled with it."""
    larger = upsample(motion, 2)
    return torch.cat([larger[:, :4] * 2.0, larger[:, 4:5]], 1)
