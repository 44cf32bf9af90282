"""film-colorize: colour for luma at a small working size, automatic or led by reference pictures, steady in a shot.

One encoder serves the picture and its references: its features at 1/8 are what references are remembered by. Attention
over the references' tokens proposes colour, a confidence says where to follow it, automatic colour fills the rest, and
the previous frame's colour (a state) holds the result still.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.networks.film_restore import GlobalShift, ResidualConv, start_calmly


@dataclass(slots=True)
class Proposal:
    """Colour at 1/8 of the size.

    Attributes
    ----------
    automatic : float (N, 2, h/8, w/8), the network's own
    found : float (N, 2, h/8, w/8), the references'
    follow : float (N, 1, h/8, w/8), 0..1, how far to follow the references
    """

    automatic: Tensor
    found: Tensor
    follow: Tensor


class FilmColorize(nn.Module):
    """Predict a* and b* from L*.

    Notes
    -----
    A fresh network gives neutral colour. Zero states mean "no previous frame", one token with valid 0 means "no
    reference".
    """

    size_multiple = 16
    feature_channels = 64
    working_size = (256, 336)

    def __init__(self) -> None:
        super().__init__()
        tokens = self.feature_channels
        self.encode4 = nn.Sequential(nn.Conv2d(16, 64, 3, padding=1), nn.ReLU(), ResidualConv(64))
        self.encode8 = nn.Sequential(nn.Conv2d(64, 96, 3, stride=2, padding=1), nn.ReLU(), ResidualConv(96))
        self.encode16 = nn.Sequential(
            nn.Conv2d(96, 160, 3, stride=2, padding=1),
            nn.ReLU(),
            ResidualConv(160),
            GlobalShift(160),
            ResidualConv(160),
        )
        self.up8 = nn.Conv2d(160, 96 * 4, 1)
        self.merge8 = ResidualConv(96)
        self.tokens = nn.Conv2d(96, tokens, 1)
        self.automatic = nn.Conv2d(96, 2, 1)
        self.follow = nn.Sequential(
            nn.Conv2d(96 + 2 + 2 + 2, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 3, padding=1)
        )
        self.temperature = nn.Parameter(torch.tensor(3.0))
        self.colour8 = nn.Sequential(nn.Conv2d(96 + 3, 96, 3, padding=1), nn.ReLU(), ResidualConv(96))
        self.up4 = nn.Conv2d(96, 64 * 4, 1)
        self.merge4 = ResidualConv(64)
        self.past4 = nn.Conv2d(64 + 2 + 2 + 1, 32, 3, padding=1)
        self.head4 = nn.Conv2d(64, 32, 3, padding=1)
        self.tail4 = nn.Conv2d(32, 2 * 4, 3, padding=1)
        self.keep4 = nn.Conv2d(32, 1, 3, padding=1)
        start_calmly(self)
        for layer in (self.automatic, self.tail4):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def encode(self, luma: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at 1/4 (N, 64, h/4, w/4) and at 1/8 (N, 96, h/8, w/8) of luma (N, 1, h, w), 0..1."""
        x4 = self.encode4(functional.pixel_unshuffle(luma - 0.5, 4))
        x8 = self.encode8(x4)
        x8 = self.merge8(x8 + functional.pixel_shuffle(self.up8(self.encode16(x8)), 2))
        return x4, x8

    def describe(self, x8: Tensor) -> Tensor:
        """Return unit-length tokens (N, 64, h/8, w/8): what `features` gives and `reference_features` takes."""
        tokens = self.tokens(x8).float()
        return tokens * torch.rsqrt((tokens * tokens).sum(1, keepdim=True) + 1e-6)

    def forward(
        self,
        luma: Tensor,
        reference_features: Tensor,
        reference_ab: Tensor,
        reference_valid: Tensor,
        previous_luma: Tensor,
        previous_ab: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Colour one frame.

        Parameters
        ----------
        luma : float (N, 1, h, w), L*/100; h and w multiples of 16
        reference_features : float (N, 64, K), tokens of all reference pictures together
        reference_ab : float (N, 2, K), a*/110 and b*/110 beside them
        reference_valid : float (N, K), 1 or 0
        previous_luma : float (N, 1, h, w), the frame before, zeros at the start of a shot
        previous_ab : float (N, 2, h, w), its colour as given by this network, zeros at the start of a shot

        Returns
        -------
        ab : float (N, 2, h, w)
        confidence : float (N, 1, h, w), 0..1, how far a reference was followed
        features : float (N, 64, h/8, w/8)
        next_luma, next_ab : the states for the next frame
        """
        x4, x8 = self.encode(luma)
        features = self.describe(x8)
        proposal = self.propose(x8, features, reference_features, reference_ab, reference_valid)
        ab = self.paint(x4, x8, luma, proposal, previous_luma, previous_ab)
        confidence = functional.interpolate(proposal.follow, scale_factor=8.0, mode="bilinear", align_corners=False)
        return ab, confidence, features, luma + 0.0, ab + 0.0

    def propose(
        self, x8: Tensor, features: Tensor, reference_features: Tensor, reference_ab: Tensor, reference_valid: Tensor
    ) -> Proposal:
        """Propose colour at 1/8: the network's own, the reference's, and how far to follow the latter."""
        automatic = self.automatic(x8).float()
        query = features.flatten(2).transpose(1, 2)
        alike = torch.matmul(query, reference_features)
        valid = reference_valid.unsqueeze(1)
        weights = torch.softmax(alike * torch.exp(self.temperature) + (valid - 1.0) * 1e4, dim=-1)
        found = torch.matmul(weights, reference_ab.transpose(1, 2)).transpose(1, 2)
        likeness = (alike * valid + valid - 1.0).amax(dim=-1).unsqueeze(1)
        surprise = (weights * weights).sum(-1).unsqueeze(1)
        given = torch.cat([found, likeness, surprise], 1)
        given = given.reshape(x8.shape[0], 4, x8.shape[2], x8.shape[3])
        any_valid = valid.amax(dim=-1, keepdim=True).unsqueeze(-1)
        follow = torch.sigmoid(self.follow(torch.cat([x8, given, automatic], 1)).float()) * any_valid
        return Proposal(automatic=automatic, found=given[:, :2], follow=follow)

    def paint(
        self, x4: Tensor, x8: Tensor, luma: Tensor, proposal: Proposal, previous_luma: Tensor, previous_ab: Tensor
    ) -> Tensor:
        """Bring the proposal to the picture's size along its edges, steadied by the previous frame: (N, 2, h, w)."""
        guided = proposal.automatic + (proposal.found - proposal.automatic) * proposal.follow
        x8 = self.colour8(torch.cat([x8, guided, proposal.follow], 1))
        x4 = self.merge4(x4 + functional.pixel_shuffle(self.up4(x8), 2))
        base = functional.interpolate(guided, scale_factor=4.0, mode="bilinear", align_corners=False)
        fresh = base + functional.pixel_shuffle(self.tail4(functional.relu(self.head4(x4))), 2).float()
        return self._steady(x4, luma, fresh, previous_luma, previous_ab)

    def _steady(self, x4: Tensor, luma: Tensor, fresh: Tensor, previous_luma: Tensor, previous_ab: Tensor) -> Tensor:
        """Blend fresh colour (N, 2, h/2, w/2) with the previous frame's where nothing changed; (N, 2, h, w)."""
        small_fresh = functional.avg_pool2d(fresh, 2)
        small_past = functional.avg_pool2d(previous_ab, 4)
        change = functional.avg_pool2d((luma - previous_luma).abs(), 4)
        exists = (previous_luma.amax(dim=(2, 3), keepdim=True) * 1e4).clamp(0, 1)
        seen = torch.cat([x4, small_fresh, small_past, change * 4.0], 1)
        keep = torch.sigmoid(self.keep4(functional.relu(self.past4(seen))).float()) * exists
        keep = functional.interpolate(keep, scale_factor=4.0, mode="bilinear", align_corners=False)
        ab = functional.interpolate(fresh, scale_factor=2.0, mode="bilinear", align_corners=False)
        return ab + (previous_ab - ab) * keep
