"""film-interpolate: motion from a moment between two frames to both of them, and which of the two to believe.

Motion is found before, between four frames of which the two stand in the middle, by whatever the device does best
(`engine.stages.given_motion` on a processor), and comes with what speaks for it. This network judges it, place by
place: how far it is bent, as the frames before and after say; where nothing moves and the motion is an invention of
noise or of a neighbour that does; which frame shows what is hidden in the other. It gives flow and mask at quarter size
and never a picture: whoever runs it warps both full-size frames, and their chroma.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.networks.film_restore import ResidualConv, start_calmly

CELL = 4
"""Pixels per value of motion, evidence, flow and mask."""

OUTER_DOUBT = 0.2
"""What the frames before and after say counts by how far it can be believed; this is belief in neither of them."""

STILL_BLUR, STILL_MARGIN, STILL_SHARE, STILL_PULL, STILL_WORD = 1.1, 0.0024, 0.15, 12.0, 3.0
"""Where frames differ along the motion by no less than they do standing still, nothing speaks for it. Sampling between
pixels evens noise out: differences along the motion count `STILL_BLUR` times. By `STILL_MARGIN`, of a range of 1, and
`STILL_SHARE` of themselves less, they speak for it fully. As a logit that weighs up to half of `STILL_PULL` either way;
what the network says of it, up to `STILL_WORD`."""

CONTRAST = 24.0
"""Differences between pictures are small, and 8 bits are to show them; what is beyond 1 is large."""


class FilmInterpolate(nn.Module):
    """Judge the motion between two frames for a moment between them.

    Notes
    -----
    A fresh network bends the motion as the frames around say, stands still by the differences alone, and its mask is
    ``1 - timestep`` : the last layer starts at zero.
    """

    size_multiple = 16

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(32, 48, 3, stride=2, padding=1)
        self.body8 = nn.Sequential(ResidualConv(48), ResidualConv(48))
        self.down16 = nn.Conv2d(48, 64, 3, stride=2, padding=1)
        self.body16 = nn.Sequential(ResidualConv(64), ResidualConv(64))
        self.up8 = nn.Conv2d(64, 192, 1)
        self.merge8 = ResidualConv(48)
        self.leave = nn.Conv2d(48, 16, 3, padding=1)
        start_calmly(self)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self, first: Tensor, second: Tensor, timestep: Tensor, motion: Tensor, evidence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return flow and mask.

        Parameters
        ----------
        first, second : float (N, 1, H, W), 0..1; H and W multiples of 16
        timestep : float (N,) or (1,), in (0, 1); near 0 the moment is near ``first``
        motion : float (N, 8, H/4, W/4), full-size pixels: from the moment to ``first`` (x, y) and to ``second``, and by
            how much both lie off, by the frame before and by the one after
        evidence : float (N, 6, H/4, W/4): differences along the motion, standing still, and along it with their sign;
            the mean picture; belief in the frame before and the one after

        Returns
        -------
        flow : float32 (N, 4, H/4, W/4): motion from the moment to ``first`` (x, y) and to ``second`` (x, y), in
            full-size pixels
        mask : float32 (N, 1, H/4, W/4): weight of ``first``, 0..1
        """
        when = timestep.view(-1, 1, 1, 1)
        line, bend_before, bend_after = motion[:, :4], motion[:, 4:6], motion[:, 6:8]
        apart, still, change, mean, before, after = (evidence[:, k : k + 1] for k in range(6))
        around = functional.avg_pool2d(torch.cat([apart, still], 1), 5, 1, 2, count_include_pad=False)
        spoken = (around[:, 1:] - STILL_BLUR * around[:, :1]) / (STILL_SHARE * around[:, :1] + STILL_MARGIN)
        pull = (0.5 - spoken).clamp(-0.5, 0.5)
        differences = torch.cat([apart, still, around, change, _texture(first), _texture(second)], 1)
        moment = when + torch.zeros_like(apart)
        bends = torch.cat([bend_before, bend_after, bend_before - bend_after], 1) * 0.25
        parts = [line * 0.0625, line.abs() * 0.0625, bends, bends.abs(), (differences * CONTRAST).clamp(-1.0, 1.0)]
        told = self._look_around(torch.cat([*parts, mean - 0.5, before, after, moment], 1), pull)
        belief = before + after + OUTER_DOUBT
        bend = bend_before * (before / belief * 2.0 * torch.sigmoid(told[:, 0:1]))
        bend = bend + bend_after * (after / belief * 2.0 * torch.sigmoid(told[:, 1:2]))
        moves = torch.sigmoid(STILL_WORD * torch.tanh(told[:, 2:3] / STILL_WORD) - STILL_PULL * pull)
        mask = torch.sigmoid(told[:, 3:4] + torch.log((1.0 - when) / when))
        rest = 1.0 - when
        return (line + torch.cat([bend, bend], 1)) * moves, rest + moves * (mask - rest)

    def _look_around(self, parts: Tensor, pull: Tensor) -> Tensor:
        """Run the U-Net: (N, 31, h, w) and the pull to (N, 4, h, w), float32."""
        # 32 channels here and 48 below: backends that compute in blocks of 16 take longer over odd numbers.
        x8 = self.body8(functional.relu(self.enter(torch.cat([parts, pull], 1))))
        x16 = self.body16(functional.relu(self.down16(x8)))
        x8 = self.merge8(x8 + functional.pixel_shuffle(self.up8(x16), 2))
        return functional.pixel_shuffle(self.leave(x8).float(), 2)


def _texture(picture: Tensor) -> Tensor:
    """Return by how much one pixel of each cell of (N, 1, H, W) differs from their mean: cheap, and tells flat areas.

    Float (N, 1, H/4, W/4).
    """
    mean = functional.avg_pool2d(picture, CELL)
    return (picture[:, :, CELL // 2 :: CELL, CELL // 2 :: CELL] - mean).abs()
