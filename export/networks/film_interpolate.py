"""film-interpolate: motion from a moment between two frames to both of them, and which of the two to believe.

Motion between the frames is found before, in both directions, by whatever the device does best
(`engine.stages.dense_motion` on a processor); this network judges and mends it. Seen from the moment, each direction is
a proposal, and standing still is a third. The network weighs them place by place, adds what all three miss, looks at
the frames along the result, mends once more, and says where which frame shows what is hidden in the other. It gives
flow and mask at quarter size and never a picture: whoever runs it warps both full-size frames, and their chroma.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.networks.film_restore import ResidualConv, start_calmly
from export.networks.motion import warp

FULL_TO_OWN = 0.25
"""Own pixels are those of a quarter of the size."""


class FilmInterpolate(nn.Module):
    """Judge and mend the motion between two frames for a moment between them.

    Notes
    -----
    A fresh network takes the mean of both directions' proposals, and its mask is ``1 - timestep``.
    """

    size_multiple = 16
    flow_fraction = 4

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(32, 32, 3, padding=1)
        self.body4 = ResidualConv(32)
        self.down8 = nn.Conv2d(32, 48, 3, stride=2, padding=1)
        self.body8 = nn.Sequential(ResidualConv(48), ResidualConv(48))
        self.down16 = nn.Conv2d(48, 64, 3, stride=2, padding=1)
        self.body16 = nn.Sequential(ResidualConv(64), ResidualConv(64), ResidualConv(64))
        self.up8 = nn.Conv2d(64, 192, 1)
        self.merge8 = nn.Sequential(ResidualConv(48), ResidualConv(48))
        self.up4 = nn.Conv2d(48, 128, 1)
        self.merge4 = nn.Sequential(ResidualConv(32), ResidualConv(32))
        self.propose = nn.Conv2d(32, 8, 3, padding=1)
        self.look = nn.Conv2d(48, 32, 3, padding=1)
        self.mend = nn.Sequential(ResidualConv(32), ResidualConv(32))
        self.leave = nn.Conv2d(32, 5, 3, padding=1)
        self.still_level = nn.Parameter(torch.tensor(0.015))
        start_calmly(self)
        for last in (self.propose, self.leave):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        with torch.no_grad():
            self.propose.bias[2] = -3.0  # standing still must be argued for

    def forward(self, first: Tensor, second: Tensor, timestep: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Return flow and mask.

        Parameters
        ----------
        first, second : float (N, 1, H, W), 0..1; H and W multiples of 16
        timestep : float (N,) or (1,), in (0, 1); near 0 the moment is near ``first``
        motion : float (N, 4, H/4, W/4): where each place of ``first`` lies in ``second`` (x, y), and the other way
            round, in full-size pixels

        Returns
        -------
        flow : float32 (N, 4, H/4, W/4): motion from the moment to ``first`` (x, y) and to ``second`` (x, y), in
            full-size pixels
        mask : float32 (N, 1, H/4, W/4): weight of ``first``, 0..1
        """
        *_, result = self.stages(first, second, timestep, motion)
        return result[:, :4] / FULL_TO_OWN, self.mask(result, timestep)

    def stages(self, first: Tensor, second: Tensor, timestep: Tensor, motion: Tensor) -> list[Tensor]:
        """Return flow in own pixels and mask logit, (N, 5, H/4, W/4): as weighed, and as mended."""
        when = timestep.view(-1, 1, 1, 1)
        one, other = functional.avg_pool2d(first, 4), functional.avg_pool2d(second, 4)
        forward, backward = motion[:, 0:2] * FULL_TO_OWN, motion[:, 2:4] * FULL_TO_OWN
        by_forward = torch.cat([-when * forward, (1.0 - when) * forward], 1)
        by_backward = torch.cat([when * backward, (when - 1.0) * backward], 1)
        seen: list[Tensor] = []
        for flow in (by_forward, by_backward):
            from_one, from_other = warp(one, flow[:, 0:2]), warp(other, flow[:, 2:4])
            difference = (from_one - from_other) * 4.0
            seen += [from_one - 0.5, from_other - 0.5, difference, difference.abs()]
        moment = when + torch.zeros_like(one)
        change = functional.avg_pool2d((first - second).abs().float(), 4)
        change = functional.avg_pool2d(change, 3, 1, 1, count_include_pad=False)
        # Where the frames hardly differ both are right as they stand, and motion that strays in could only do harm.
        moves = (change / self.still_level.clamp(min=1e-3) - 1.0).clamp(0.0, 1.0)
        apart = (forward + backward) * 0.25  # what both directions disagree by, where nothing is hidden
        texture = [functional.pixel_unshuffle(functional.avg_pool2d(p, 2) - 0.5, 2) for p in (first, second)]
        change = (one - other) * 4.0
        parts = [*seen, *texture, change, change.abs(), by_forward * 0.25, by_backward * 0.25, apart, apart.abs()]
        # 32 channels here and 48 below: backends that compute in blocks of 16 take longer over odd numbers.
        hidden = self._look_around(torch.cat([*parts, moment, 1.0 - moment], 1))
        opinion = self.propose(hidden).float()
        shares = shares_of(opinion[:, 0:3])
        flow = shares[:, 0:1] * by_forward + shares[:, 1:2] * by_backward + opinion[:, 3:7]
        weighed = torch.cat([flow, opinion[:, 7:8]], 1)
        flow = flow * moves
        from_one, from_other = warp(one, flow[:, 0:2]), warp(other, flow[:, 2:4])
        difference = (from_one - from_other) * 4.0
        looked = [
            from_one - 0.5,
            from_other - 0.5,
            difference,
            difference.abs(),
            weighed,
            weighed.abs(),
            moment,
            shares[:, 2:],
        ]
        hidden = self.mend(functional.relu(self.look(torch.cat([hidden, *looked], 1))))
        return [weighed * moves, (weighed + self.leave(hidden).float()) * moves]

    def _look_around(self, parts: Tensor) -> Tensor:
        """Run the U-Net: (N, 32, h, w) to (N, 32, h, w)."""
        x4 = self.body4(functional.relu(self.enter(parts)))
        x8 = self.body8(functional.relu(self.down8(x4)))
        x16 = self.body16(functional.relu(self.down16(x8)))
        x8 = self.merge8(x8 + functional.pixel_shuffle(self.up8(x16), 2))
        return self.merge4(x4 + functional.pixel_shuffle(self.up4(x8), 2))

    @staticmethod
    def mask(result: Tensor, timestep: Tensor) -> Tensor:
        """Turn the mask's logit into the weight of the first frame, ``1 - timestep`` where the logit is zero."""
        when = timestep.view(-1, 1, 1, 1)
        return torch.sigmoid(result[:, 4:5] + torch.log((1.0 - when) / when))


def shares_of(opinions: Tensor) -> Tensor:
    """Return the softmax over channels of float (N, C, H, W).

    Written out, because ONNX Runtime's own brings the channels to the end and back: 0.5 ms of 16 for three of them.
    """
    raised = torch.exp(opinions - opinions.amax(1, keepdim=True))
    return raised / raised.sum(1, keepdim=True)
