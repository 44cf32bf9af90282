"""RIFE 4.x: frames between two frames, by flow estimated straight at the moment asked for, coarse to fine.

One network and a table; the versions differ in widths, in the sizes they work at, and in whether each frame is first
encoded on its own. Keys are those of ``flownet.pkl`` without its ``module.`` prefix.

References
----------
Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class RifeVariant:
    """What tells one RIFE 4.x from another.

    widths : channels inside each block, coarse to fine
    shrinks : how much smaller than the picture each block works
    features : channels that each frame is encoded to beforehand; 0 where the version does not
    multiple : height and width must be multiples of it (at flow scale 1)
    """

    widths: tuple[int, ...]
    shrinks: tuple[int, ...]
    features: int
    multiple: int


RIFE_VARIANTS = {
    "rife-v4.6": RifeVariant(widths=(192, 128, 96, 64), shrinks=(8, 4, 2, 1), features=0, multiple=32),
    "rife-v4.25": RifeVariant(widths=(192, 128, 96, 64, 32), shrinks=(16, 8, 4, 2, 1), features=4, multiple=64),
    "rife-v4.25-lite": RifeVariant(widths=(192, 128, 96, 64, 24), shrinks=(32, 16, 8, 4, 1), features=4, multiple=128),
    "rife-v4.26": RifeVariant(widths=(192, 128, 96, 64, 32), shrinks=(16, 8, 4, 2, 1), features=4, multiple=64),
}


class Motion(NamedTuple):
    """The motion from a moment to the two frames around it.

    flow : float (N, 4, H, W), to the first frame (x, y), then to the second (x, y), in pixels
    mask : float (N, 1, H, W), the weight of the first frame before the sigmoid
    """

    flow: Tensor
    mask: Tensor


class Interpolated(NamedTuple):
    """A frame made between two others.

    frame : float (N, 3, H, W), 0..1
    flow : as in `Motion`
    mask : float (N, 1, H, W), the weight of the first frame, 0..1
    """

    frame: Tensor
    flow: Tensor
    mask: Tensor


def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """Sample a picture at ``x + flow``, bilinear, edges repeated, corners aligned.

    Parameters
    ----------
    picture : float (N, C, H, W)
    flow : float (N, 2, H, W), x then y, in pixels

    Returns
    -------
    float (N, C, H, W)
    """
    height, width = picture.shape[2], picture.shape[3]
    step_x, step_y = 2.0 / (width - 1), 2.0 / (height - 1)
    x = (torch.arange(width, device=flow.device, dtype=flow.dtype) * step_x - 1.0).view(1, 1, 1, -1)
    y = (torch.arange(height, device=flow.device, dtype=flow.dtype) * step_y - 1.0).view(1, 1, -1, 1)
    grid = torch.cat([x + flow[:, 0:1] * step_x, y + flow[:, 1:2] * step_y], 1)
    grid = grid.permute(0, 2, 3, 1)
    return functional.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=True)


def resize(x: Tensor, factor: float) -> Tensor:
    """Resize (N, C, H, W) by a factor, bilinear with pixel centres aligned, without smoothing."""
    if factor == 1.0:
        return x
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class ResidualConv(nn.Module):
    """Add a convolution, scaled per channel by ``beta``, to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.beta = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        return functional.leaky_relu(self.conv(x) * self.beta + x, 0.2)

    def folded(self) -> nn.Module:
        """Return the same with ``beta`` in the convolution."""
        return FoldedResidualConv(self)


class FoldedResidualConv(nn.Module):
    """`ResidualConv` with ``beta`` in the convolution."""

    def __init__(self, source: ResidualConv) -> None:
        super().__init__()
        beta = source.beta.data.flatten()
        self.conv = nn.Conv2d(beta.numel(), beta.numel(), 3, padding=1)
        self.conv.weight.data = source.conv.weight.data * beta.view(-1, 1, 1, 1)
        if source.conv.bias is not None:
            self.conv.bias = nn.Parameter(source.conv.bias.data * beta)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        return functional.leaky_relu(self.conv(x) + x, 0.2)


class FlowBlock(nn.Module):
    """Refine the motion at one size.

    Parameters
    ----------
    inputs : channels that come in, flow included
    width : channels inside
    planes : channels that go out
    """

    def __init__(self, inputs: int, width: int, planes: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_halve(inputs, width // 2), _halve(width // 2, width))
        self.convblock = nn.Sequential(*[ResidualConv(width) for _ in range(8)])
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * planes, 4, 2, 1), nn.PixelShuffle(2))

    def forward(self, seen: Tensor, flow: Tensor | None, shrink: float) -> Tensor:
        """Look at (N, C, H, W) and the flow so far, work ``shrink`` times smaller, return (N, planes, H, W)."""
        seen = resize(seen, 1.0 / shrink)
        if flow is not None:
            seen = torch.cat([seen, resize(flow, 1.0 / shrink) * (1.0 / shrink)], 1)
        return resize(self.lastconv(self.convblock(self.conv0(seen))), shrink)


class FrameEncoder(nn.Module):
    """Describe one frame by a few features of full size."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, 16, 3, 2, 1)
        self.cnn1 = nn.Conv2d(16, 16, 3, 1, 1)
        self.cnn2 = nn.Conv2d(16, 16, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(16, features, 4, 2, 1)

    def forward(self, frame: Tensor) -> Tensor:
        """Map float (N, 3, H, W), 0..1, to (N, features, H, W)."""
        x = frame.clamp(0.0, 1.0)
        for convolution in (self.cnn0, self.cnn1, self.cnn2):
            x = functional.leaky_relu(convolution(x), 0.2)
        return self.cnn3(x)


class Rife(nn.Module):
    """Make the frame at a moment between two frames.

    Parameters
    ----------
    variant : which version
    flow_scale : 1 as trained; 0.5 looks for motion at half size, for pictures of 4K; 2 at double size
    ensemble : also run each block with the frames exchanged, and average; versions without an encoder only

    Notes
    -----
    Height and width must be multiples of `multiple`; pad with zeros at right and bottom and crop afterwards. Another
    padding gives another picture (by 1e-3 and more), so one rule is kept per version.
    """

    def __init__(self, variant: RifeVariant, *, flow_scale: float = 1.0, ensemble: bool = False) -> None:
        super().__init__()
        if ensemble and variant.features:
            raise ValueError("ensemble: this version encodes its frames and knows no ensemble; leave it off")
        self.shrinks: Sequence[float] = [shrink / flow_scale for shrink in variant.shrinks]
        self.multiple = max(variant.multiple, int(variant.multiple / flow_scale))
        self.ensemble = ensemble
        encoded = variant.features
        extra = 8 if encoded else 0  # features handed from block to block
        planes = 13 if encoded else 6
        for index, width in enumerate(variant.widths):
            inputs = 7 + 2 * encoded if index == 0 else 12 + 2 * encoded + extra
            setattr(self, f"block{index}", FlowBlock(inputs, width, planes))
        self.encode = FrameEncoder(encoded) if encoded else None

    def forward(self, first: Tensor, second: Tensor, timestep: Tensor) -> Interpolated:
        """Interpolate.

        Parameters
        ----------
        first, second : float (N, 3, H, W), RGB 0..1
        timestep : float (1,) in (0, 1); near 0 the result is near ``first``
        """
        flow, mask = self.motions(first, second, timestep)[-1]
        weight = torch.sigmoid(mask)
        frame = weight * warp(first, flow[:, :2]) + (1.0 - weight) * warp(second, flow[:, 2:4])
        return Interpolated(frame, flow, weight)

    def motions(self, first: Tensor, second: Tensor, timestep: Tensor) -> list[Motion]:
        """Return the motion after each block, coarse to fine; arguments as `forward`."""
        when = timestep.view(-1, 1, 1, 1) + torch.zeros_like(first[:, :1])
        if self.encode is not None:
            return self._with_features(first, second, when, self.encode)
        return self._plain(first, second, when)

    def _plain(self, first: Tensor, second: Tensor, when: Tensor) -> list[Motion]:
        """Versions up to 4.6: flow and mask both add up from block to block."""
        found: list[Motion] = []
        flow = mask = None
        for index, shrink in enumerate(self.shrinks):
            block = getattr(self, f"block{index}")
            seen = [first, second] if flow is None else [warp(first, flow[:, :2]), warp(second, flow[:, 2:4])]
            change = self._change(block, seen, when, mask, flow, shrink)
            if self.ensemble:
                exchanged = self._change(
                    block, seen[::-1], 1.0 - when, _negated(mask), _exchanged(flow), shrink
                )  # fmt: skip
                other = torch.cat([exchanged[:, 2:4], exchanged[:, :2], -exchanged[:, 4:5]], 1)
                change = (change + other) / 2.0
            flow = change[:, :4] if flow is None else flow + change[:, :4]
            mask = change[:, 4:5] if mask is None else mask + change[:, 4:5]
            found.append(Motion(flow, mask))
        return found

    @staticmethod
    def _change(
        block: nn.Module, seen: list[Tensor], when: Tensor, mask: Tensor | None, flow: Tensor | None, shrink: float
    ) -> Tensor:
        planes = block(torch.cat([*seen, when] if mask is None else [*seen, when, mask], 1), flow, shrink)
        return torch.cat([planes[:, :4] * shrink, planes[:, 4:5]], 1)

    def _with_features(self, first: Tensor, second: Tensor, when: Tensor, encode: nn.Module) -> list[Motion]:
        """Versions 4.25 and later: flow adds up, the mask is replaced, features travel from block to block."""
        found: list[Motion] = []
        described = [torch.cat([frame, encode(frame)], 1) for frame in (first, second)]
        flow = mask = carried = None
        for index, shrink in enumerate(self.shrinks):
            if flow is None or mask is None or carried is None:
                a, b = described
                seen = [a[:, :3], b[:, :3], a[:, 3:], b[:, 3:], when]
            else:
                a, b = warp(described[0], flow[:, :2]), warp(described[1], flow[:, 2:4])
                seen = [a[:, :3], b[:, :3], a[:, 3:], b[:, 3:], when, mask, carried]
            planes = getattr(self, f"block{index}")(torch.cat(seen, 1), flow, shrink)
            flow = planes[:, :4] * shrink if flow is None else flow + planes[:, :4] * shrink
            mask, carried = planes[:, 4:5], planes[:, 5:]
            found.append(Motion(flow, mask))
        return found


def _halve(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2))


def _negated(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else -mask


def _exchanged(flow: Tensor | None) -> Tensor | None:
    return None if flow is None else torch.cat([flow[:, 2:4], flow[:, :2]], 1)
