"""film-restore: a small temporal network that takes grain, dust, scratches, flicker and mild blur away.

Everything heavy happens at half size and below: the luma comes in pixel-unshuffled beside the half-size chroma, a
U-Net reaches down to 1/16 where a global mean sees the flicker of the whole picture, and the network predicts only
what must be *added* to the frame being made. Plain 3x3 convolutions with ReLU quantize well.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

FREE_SHARE = 0.125
"""What the network adds is so much smaller than the weights that it predicts in the same layer; in 8 bits both are
rounded alike."""

GAIN_SHARE = 4.0
"""The weight of the gain is so much larger than the others."""


def start_calmly(network: nn.Module) -> None:
    """Give every convolution weights that keep the signal's size through ReLUs, and residual ones a fraction."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ResidualConv):
            with torch.no_grad():
                module.conv.weight.mul_(0.3)


class ResidualConv(nn.Module):
    """Add a 3x3 convolution's ReLU to its input.

    Parameters
    ----------
    channels : channels in and out
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x + relu(conv(x))``, same shape."""
        return x + functional.relu(self.conv(x))


class GlobalShift(nn.Module):
    """Shift every channel by what the whole picture's mean says: how flicker of a whole frame is seen.

    Parameters
    ----------
    channels : channels in and out
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x + mix(mean(x))``, same shape."""
        return x + self.mix(x.mean(dim=(2, 3), keepdim=True))


class FilmRestore(nn.Module):
    """Restore the middle frame of a window.

    Parameters
    ----------
    past, future : frames needed before and after the frame being made
    scale : 1, or 2 for the sibling that also doubles the size

    Notes
    -----
    A fresh network is the identity (or plain bilinear doubling): the last layer starts at zero. ``strength`` 0 is the
    identity whatever the weights; from 0.5 upwards dust, scratches and flicker go entirely, and what still grows with
    it is how much of the grain goes.

    In graphs for ONNX the network is written with what runs fast there (`depth_from_space`), and computes the same.
    """

    size_multiple = 16

    def __init__(self, *, past: int = 2, future: int = 2, scale: int = 1) -> None:
        super().__init__()
        if scale not in (1, 2):
            raise ValueError(f"scale: got {scale}; this network has heads for 1 and 2")
        self.past, self.future, self.scale = past, future, scale
        frames = past + 1 + future
        self.stem = nn.Conv2d(6 * frames + 2, 32, 3, padding=1)
        self.down4 = nn.Conv2d(32, 48, 3, stride=2, padding=1)
        self.encode4 = ResidualConv(48)
        self.down8 = nn.Conv2d(48, 64, 3, stride=2, padding=1)
        self.body8 = nn.Sequential(ResidualConv(64), ResidualConv(64))
        self.down16 = nn.Conv2d(64, 64, 3, stride=2, padding=1)
        self.body16 = nn.Sequential(ResidualConv(64), GlobalShift(64), ResidualConv(64), ResidualConv(64))
        self.up8 = nn.Conv2d(64, 256, 1)
        self.merge8 = nn.Sequential(ResidualConv(64), ResidualConv(64))
        self.up4 = nn.Conv2d(64, 192, 1)
        self.merge4 = ResidualConv(48)
        self.up2 = nn.Conv2d(48, 128, 1)
        width = 16 * scale
        self.head = nn.Conv2d(32, width, 3, padding=1)
        self.tail = nn.Conv2d(width, 2 * frames + 6 * scale * scale, 3, padding=1)
        others = torch.ones(frames)
        others[past] = 0.0
        self.others: Tensor
        self.register_buffer("others", others, persistent=False)
        start_calmly(self)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, luma: Tensor, chroma: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        """Restore one frame.

        Parameters
        ----------
        luma : float (N, T, H, W), 0..1, oldest first, neighbours aligned to the middle, those before it restored
            already; H and W multiples of 16
        chroma : float (N, 2T, H/2, W/2), Cb then Cr of each frame, aligned and restored too, neutral at 0.5
        strength : float (N,) or (1,), 0..1: how much of grain and damage goes

        Returns
        -------
        luma_out : float (N, 1, sH, sW)
        chroma_out : float (N, 2, sH/2, sW/2)
        """
        middle = self.past
        luma_now = luma[:, middle : middle + 1]
        chroma_now = chroma[:, 2 * middle : 2 * middle + 2]
        mixed, chroma_mixed, free, chroma_free = self._changes(luma, chroma, luma_now, chroma_now, strength)
        gate = (strength * 2).clamp(0, 1).view(-1, 1, 1, 1)
        if self.scale == 1:
            luma_out = luma_now + functional.pixel_shuffle(mixed + free, 2) * gate
            return luma_out, chroma_now + (chroma_mixed + chroma_free) * gate
        # Doubling is linear: what is as large as the film is added before it, which saves doubling it apart.
        luma_out = _doubled(luma_now + functional.pixel_shuffle(mixed, 2) * gate)
        chroma_out = _doubled(chroma_now + chroma_mixed * gate)
        return (
            luma_out + functional.pixel_shuffle(free, 4) * gate,
            chroma_out + functional.pixel_shuffle(chroma_free, 2) * gate,
        )

    def _changes(
        self, luma: Tensor, chroma: Tensor, luma_now: Tensor, chroma_now: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predict what is added to luma and chroma, by 2x2 pixels: mixtures of both, then their free parts, float32.

        It is a free part and a mixture: of the differences to the neighbouring frames (averaging over time), to the
        frame itself blurred, and of what makes its brightness that of its neighbours, with weights predicted per 2x2
        pixels. What stands in the middle frame's place among the differences is the frame itself: its weight times
        the gain is what makes it brighter.
        """
        frames, middle, scale2 = self.past + 1 + self.future, self.past, self.scale * self.scale
        others = self.others.view(frames, 1, 1)
        deep = depth_from_space(luma, 2).unflatten(1, (4, frames))
        deep = deep - deep[:, :, middle : middle + 1] * others
        chroma_deep = chroma.unflatten(1, (frames, 2))
        chroma_deep = (chroma_deep - chroma_now.unsqueeze(1) * others.unsqueeze(1)).flatten(1, 2)
        level = strength.view(-1, 1, 1, 1) + torch.zeros_like(chroma_now[:, :1])
        # 32 channels: a backend that computes in blocks of 16 takes twice as long over 31.
        made = self._features(torch.cat([deep.flatten(1, 2), chroma_deep, level, 1.0 - level], 1))
        sizes = (middle, 1, self.future, 1, frames - 1, 4 * scale2, 2 * scale2)
        before, steadiness, after, blur_weight, chroma_weights, free_luma, free_chroma = made.split(sizes, 1)
        gain = functional.interpolate(
            gain_of_neighbours(luma, middle), scale_factor=8.0, mode="bilinear", align_corners=False
        )
        weights = torch.cat([before, steadiness * (gain * GAIN_SHARE), after], 1)
        blur = functional.avg_pool2d(luma_now, 7, 1, 3, count_include_pad=False) - luma_now
        mixed = (deep * weights.unsqueeze(1)).sum(2) + depth_from_space(blur, 2) * blur_weight
        neighbours = [index for index in range(frames) if index != middle]
        changes = [chroma_deep[:, 2 * i : 2 * i + 2] * chroma_weights[:, k : k + 1] for k, i in enumerate(neighbours)]
        chroma_mixed = sum(changes[1:], changes[0])
        return mixed, chroma_mixed, free_luma * FREE_SHARE, free_chroma * FREE_SHARE

    def _features(self, half: Tensor) -> Tensor:
        """Run the U-Net on (N, 32, H/2, W/2); float32 (N, 2 T + 6 s^2, H/2, W/2)."""
        x2 = functional.relu(self.stem(half))
        x4 = self.encode4(functional.relu(self.down4(x2)))
        x8 = self.body8(functional.relu(self.down8(x4)))
        x16 = self.body16(functional.relu(self.down16(x8)))
        x8 = self.merge8(x8 + functional.pixel_shuffle(self.up8(x16), 2))
        x4 = self.merge4(x4 + functional.pixel_shuffle(self.up4(x8), 2))
        x2 = functional.relu(x2 + functional.pixel_shuffle(self.up2(x4), 2))
        return self.tail(functional.relu(self.head(x2))).float()


def _doubled(planes: Tensor) -> Tensor:
    return functional.interpolate(planes, scale_factor=2.0, mode="bilinear", align_corners=False)


def depth_from_space(planes: Tensor, side: int) -> Tensor:
    """Write the pixels of side x side blocks as channels, ordered by place, then by plane.

    Parameters
    ----------
    planes : float (N, C, H, W)

    Returns
    -------
    float (N, C side^2, H/side, W/side): what ONNX calls ``SpaceToDepth``
    """
    if torch.onnx.is_in_onnx_export():
        count, channels, height, width = planes.shape
        shape = (count, channels * side * side, height // side, width // side)
        return torch.onnx.ops.symbolic(
            "SpaceToDepth", (planes,), {"blocksize": side}, dtype=planes.dtype, shape=shape, version=13
        )
    deep = planes.unflatten(2, (-1, side)).unflatten(4, (-1, side))
    return deep.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)


def gain_of_neighbours(luma: Tensor, middle: int) -> Tensor:
    """Return by what share the mean of all frames is brighter than the middle one, region by region.

    Flicker changes whole regions. Where a neighbour shows something else, its difference counts little.

    Parameters
    ----------
    luma : float (N, T, H, W), aligned
    middle : the middle frame's index

    Returns
    -------
    float32 (N, 1, H/16, W/16)
    """
    small = functional.avg_pool2d(luma.float(), 4)
    level = small[:, middle : middle + 1]
    change = torch.cat([small[:, :middle], small[:, middle + 1 :]], 1) - level
    trust = 1.0 / (1.0 + (change * 16.0) ** 2)
    total = torch.cat([trust * change, trust * level], 1)
    total = functional.avg_pool2d(functional.avg_pool2d(total, 4), 5, 1, 2, count_include_pad=False)
    count = change.shape[1]
    gains = total[:, :count] / (total[:, count:] + 0.02)
    return gains.sum(1, keepdim=True) / (count + 1)
