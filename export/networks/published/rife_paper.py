"""RIFE as in the paper (v3: the middle frame; m: any moment): flow at three sizes, then a refining U-Net.

A different network from the 4.x line (`rife.py`): PReLU, no per-channel scale, context of both frames warped into a
U-Net whose result is added. Keys are those of ``flownet.pkl`` without its ``module.`` prefix; ``block_tea`` taught the
others in training and is only carried along.

References
----------
Huang et al., "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", ECCV 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from export.networks.published.rife import Interpolated, Motion, resize, warp


@dataclass(frozen=True, slots=True, kw_only=True)
class RifePaperVariant:
    """What tells one network of the paper from another.

    takes_timestep : the moment is an input; without it the frame is the middle one
    widths : channels inside each block, coarse to fine
    """

    takes_timestep: bool
    widths: tuple[int, int, int] = (240, 150, 90)


RIFE_PAPER_VARIANTS = {
    "rife-v3": RifePaperVariant(takes_timestep=False),
    "rife-m": RifePaperVariant(takes_timestep=True),
}


class PaperFlowBlock(nn.Module):
    """Refine the motion at one size; keys conv0, convblock, lastconv.

    Parameters
    ----------
    inputs : channels that come in, flow included
    width : channels inside
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_conv(inputs, width // 2, 2), _conv(width // 2, width, 2))
        self.convblock = nn.Sequential(*[_conv(width, width, 1) for _ in range(8)])
        self.lastconv = nn.ConvTranspose2d(width, 5, 4, 2, 1)

    def forward(self, seen: Tensor, flow: Tensor | None, shrink: float) -> Tensor:
        """Return the change (N, 5, H, W): flow in pixels, then mask."""
        seen = resize(seen, 1.0 / shrink)
        if flow is not None:
            seen = torch.cat([seen, resize(flow, 1.0 / shrink) * (1.0 / shrink)], 1)
        x = self.conv0(seen)
        planes = resize(self.lastconv(self.convblock(x) + x), shrink * 2.0)
        return torch.cat([planes[:, :4] * (shrink * 2.0), planes[:, 4:5]], 1)


class TwoConvs(nn.Module):
    """Halve the size, then look once more."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, outputs, 2)
        self.conv2 = _conv(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H/2, W/2)."""
        return self.conv2(self.conv1(x))


class ContextNet(nn.Module):
    """Features of a frame at 1/2, 1/4, 1/8 and 1/16, each brought along the flow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = TwoConvs(3, 16)
        self.conv2 = TwoConvs(16, 32)
        self.conv3 = TwoConvs(32, 64)
        self.conv4 = TwoConvs(64, 128)

    def forward(self, frame: Tensor, flow: Tensor) -> list[Tensor]:
        """Map (N, 3, H, W) and its flow (N, 2, H, W) to four feature maps, large to small."""
        features = []
        for level in (self.conv1, self.conv2, self.conv3, self.conv4):
            frame = level(frame)
            flow = resize(flow, 0.5) * 0.5
            features.append(warp(frame, flow))
        return features


class RefineNet(nn.Module):
    """A U-Net that says what the blend of two warped frames lacks."""

    def __init__(self) -> None:
        super().__init__()
        self.down0 = TwoConvs(17, 32)
        self.down1 = TwoConvs(64, 64)
        self.down2 = TwoConvs(128, 128)
        self.down3 = TwoConvs(256, 256)
        self.up0 = _double(512, 128)
        self.up1 = _double(256, 64)
        self.up2 = _double(128, 32)
        self.up3 = _double(64, 16)
        self.conv = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, seen: Tensor, context: list[Tensor]) -> Tensor:
        """Map (N, 17, H, W) and the context of both frames to (N, 3, H, W) in (0, 1); 0.5 changes nothing."""
        s0 = self.down0(seen)
        s1 = self.down1(torch.cat([s0, context[0]], 1))
        s2 = self.down2(torch.cat([s1, context[1]], 1))
        s3 = self.down3(torch.cat([s2, context[2]], 1))
        x = self.up0(torch.cat([s3, context[3]], 1))
        x = self.up1(torch.cat([x, s2], 1))
        x = self.up2(torch.cat([x, s1], 1))
        x = self.up3(torch.cat([x, s0], 1))
        return torch.sigmoid(self.conv(x))


class RifePaper(nn.Module):
    """Make the frame between two frames.

    Parameters
    ----------
    variant : which network
    flow_scale : 1 as trained; 0.5 looks for motion at half size

    Notes
    -----
    Height and width must be multiples of `multiple`; pad with zeros at right and bottom and crop afterwards. The
    context of both frames is computed as one batch: the same numbers, and TensorRT for RTX builds it.
    """

    def __init__(self, variant: RifePaperVariant, *, flow_scale: float = 1.0) -> None:
        super().__init__()
        self.takes_timestep = variant.takes_timestep
        self.shrinks = [shrink / flow_scale for shrink in (4, 2, 1)]
        self.multiple = max(32, int(32 / flow_scale))
        extra = int(variant.takes_timestep)
        coarse, middle, fine = variant.widths
        self.block0 = PaperFlowBlock(6 + extra, coarse)
        self.block1 = PaperFlowBlock(17 + extra, middle)
        self.block2 = PaperFlowBlock(17 + extra, fine)
        self.block_tea = PaperFlowBlock(20 + extra, fine)
        self.contextnet = ContextNet()
        self.unet = RefineNet()

    def forward(self, first: Tensor, second: Tensor, timestep: Tensor | None = None) -> Interpolated:
        """Interpolate.

        Parameters
        ----------
        first, second : float (N, 3, H, W), RGB 0..1
        timestep : float (1,) in (0, 1) for networks that take it
        """
        flow, mask = self.motions(first, second, timestep)[-1]
        warped = [warp(first, flow[:, :2]), warp(second, flow[:, 2:4])]
        both = self.contextnet(torch.cat([first, second]), torch.cat([flow[:, :2], flow[:, 2:4]]))
        context = [torch.cat(features.chunk(2), 1) for features in both]
        refined = self.unet(torch.cat([first, second, *warped, mask, flow], 1), context)
        weight = torch.sigmoid(mask)
        frame = blend(warped[0], warped[1], weight) + refined * 2.0 - 1.0
        return Interpolated(frame.clamp(0.0, 1.0), flow, weight)

    def motions(self, first: Tensor, second: Tensor, timestep: Tensor | None = None) -> list[Motion]:
        """Return the motion after each block, coarse to fine; arguments as `forward`."""
        found: list[Motion] = []
        frames = [first, second]
        if self.takes_timestep:
            if timestep is None:
                raise ValueError("timestep: this network takes one; pass a number between 0 and 1")
            frames.append(timestep.view(-1, 1, 1, 1) + torch.zeros_like(first[:, :1]))
        motion = None
        for block, shrink in zip((self.block0, self.block1, self.block2), self.shrinks, strict=True):
            if motion is None:
                motion = block(torch.cat(frames, 1), None, shrink)
            else:
                flow, mask = motion[:, :4], motion[:, 4:5]
                seen = [*frames, warp(first, flow[:, :2]), warp(second, flow[:, 2:4]), mask]
                motion = motion + block(torch.cat(seen, 1), flow, shrink)
            found.append(Motion(motion[:, :4], motion[:, 4:5]))
        return found


def blend(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    """Mix two pictures: ``weight`` of the first, the rest of the second."""
    return first * weight + second * (1.0 - weight)


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.PReLU(outputs))


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.PReLU(outputs))
