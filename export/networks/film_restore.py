"""film-restore: a small temporal network that takes grain, dust, scratches, flicker and mild blur away.

Everything heavy happens at half size and below: the luma comes in pixel-unshuffled beside the half-size chroma, a
U-Net reaches down to 1/16 where a global mean sees the flicker of the whole picture, and the network predicts only
what must be *added* to the frame being made. Plain 3x3 convolutions with ReLU quantize well.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


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
    """

    size_multiple = 16

    def __init__(self, *, past: int = 2, future: int = 2, scale: int = 1) -> None:
        super().__init__()
        if scale not in (1, 2):
            raise ValueError(f"scale: got {scale}; this network has heads for 1 and 2")
        self.past, self.future, self.scale = past, future, scale
        self.stem = nn.Conv2d(6 * (past + 1 + future) + 2, 32, 3, padding=1)
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
        self.tail = nn.Conv2d(width, 6 * scale * scale + 10, 3, padding=1)
        self.steady = nn.Conv2d(48, 1, 3, padding=1)
        start_calmly(self)
        for last in (self.tail, self.steady):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, luma: Tensor, chroma: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
        """Restore one frame.

        Parameters
        ----------
        luma : float (N, T, H, W), 0..1, oldest first, neighbours aligned to the middle; H and W multiples of 16
        chroma : float (N, 2T, H/2, W/2), Cb then Cr of each frame, aligned too, neutral at 0.5
        strength : float (N,) or (1,), 0..1: how much of grain and damage goes

        Returns
        -------
        luma_out : float (N, 1, sH, sW)
        chroma_out : float (N, 2, sH/2, sW/2)
        """
        middle = self.past
        luma_now = luma[:, middle : middle + 1]
        chroma_now = chroma[:, 2 * middle : 2 * middle + 2]
        luma_add, chroma_add = self._residual(luma, chroma, luma_now, chroma_now, strength)
        gate = (strength * 2).clamp(0, 1).view(-1, 1, 1, 1)
        if self.scale == 2:
            luma_now = functional.interpolate(luma_now, scale_factor=2.0, mode="bilinear", align_corners=False)
            chroma_now = functional.interpolate(chroma_now, scale_factor=2.0, mode="bilinear", align_corners=False)
        return luma_now + luma_add * gate, chroma_now + chroma_add * gate

    def _residual(
        self, luma: Tensor, chroma: Tensor, luma_now: Tensor, chroma_now: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict what must be added to luma and chroma, float32 at their output sizes.

        It is a free part and a mixture: of the differences to the neighbouring frames (averaging over time), to two
        blurred versions of the frame itself, and of what makes its brightness that of its neighbours, with weights
        predicted per 2x2 pixels.
        """
        frames = self.past + 1 + self.future
        neighbours = [index for index in range(frames) if index != self.past]
        luma_changes = [luma[:, i : i + 1] - luma_now for i in neighbours]
        chroma_changes = [chroma[:, 2 * i : 2 * i + 2] - chroma_now for i in neighbours]
        half = functional.pixel_unshuffle(torch.cat([luma_now - 0.5, *luma_changes], 1), 2)
        level = strength.view(-1, 1, 1, 1) + torch.zeros_like(chroma_now[:, :1])
        # 32 channels: a backend that computes in blocks of 16 takes twice as long over 31.
        parts = [half, chroma_now - 0.5, *chroma_changes, level, 1.0 - level]
        features, steadiness = self._features(torch.cat(parts, 1))
        scale2 = self.scale * self.scale
        weights = features[:, 6 * scale2 :]
        blurs = [
            functional.avg_pool2d(luma_now, size, 1, size // 2, count_include_pad=False) - luma_now for size in (3, 7)
        ]
        near = functional.pixel_unshuffle(torch.cat(blurs, 1), 2)
        mixed = weights[:, 4:5] * near[:, :4] + weights[:, 5:6] * near[:, 4:]
        gain = gain_of_neighbours(luma_now, torch.cat(luma_changes, 1))
        shift = functional.interpolate(gain, scale_factor=16.0, mode="bilinear", align_corners=False) * luma_now
        mixed = mixed + steadiness * functional.pixel_unshuffle(shift, 2)
        chroma_mixed = torch.zeros_like(chroma_now)
        for k, change in enumerate(chroma_changes):
            mixed = mixed + weights[:, k : k + 1] * half[:, 4 * k + 4 : 4 * k + 8]
            chroma_mixed = chroma_mixed + weights[:, 6 + k : 7 + k] * change
        if self.scale == 1:
            return functional.pixel_shuffle(features[:, :4] + mixed, 2), features[:, 4:6] + chroma_mixed
        luma_mixed = functional.interpolate(
            functional.pixel_shuffle(mixed, 2), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        chroma_mixed = functional.interpolate(chroma_mixed, scale_factor=2.0, mode="bilinear", align_corners=False)
        free_luma, free_chroma = (
            functional.pixel_shuffle(features[:, :16], 4),
            functional.pixel_shuffle(features[:, 16:24], 2),
        )
        return luma_mixed + free_luma, chroma_mixed + free_chroma

    def _features(self, half: Tensor) -> tuple[Tensor, Tensor]:
        """Run the U-Net on (N, 32, H/2, W/2); float32 (N, 6 s^2 + 10, H/2, W/2) and (N, 1, H/2, W/2)."""
        x2 = functional.relu(self.stem(half))
        x4 = self.encode4(functional.relu(self.down4(x2)))
        x8 = self.body8(functional.relu(self.down8(x4)))
        x16 = self.body16(functional.relu(self.down16(x8)))
        x8 = self.merge8(x8 + functional.pixel_shuffle(self.up8(x16), 2))
        x4 = self.merge4(x4 + functional.pixel_shuffle(self.up4(x8), 2))
        x2 = functional.relu(x2 + functional.pixel_shuffle(self.up2(x4), 2))
        steadiness = functional.interpolate(
            self.steady(x4).float(), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return self.tail(functional.relu(self.head(x2))).float(), steadiness


def gain_of_neighbours(luma_now: Tensor, changes: Tensor) -> Tensor:
    """Return by what share the mean of all frames is brighter than the frame itself, region by region.

    Flicker changes whole regions. Where a neighbour shows something else, its difference counts little.

    Parameters
    ----------
    luma_now : float (N, 1, H, W)
    changes : float (N, K, H, W), the aligned neighbours less ``luma_now``

    Returns
    -------
    float32 (N, 1, H/16, W/16)
    """
    change = functional.avg_pool2d(changes.float(), 4)
    level = functional.avg_pool2d(luma_now.float(), 4)
    trust = 1.0 / (1.0 + (change * 16.0) ** 2)
    total = torch.cat([trust * change, trust * level], 1)
    total = functional.avg_pool2d(functional.avg_pool2d(total, 4), 5, 1, 2, count_include_pad=False)
    count = changes.shape[1]
    gains = total[:, :count] / (total[:, count:] + 0.02)
    return gains.sum(1, keepdim=True) / (count + 1)
