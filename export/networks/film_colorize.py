"""film-colorize: colour for luma at a small working size, automatic or led by reference pictures, steady in a shot.

What things are decides what colours they have, and that is seen in a small picture as well as in a large one: the
network works at about 128x160 and reaches down to 1/32 of that. One encoder serves the picture and its references: its
features at 1/8 are what references are remembered by. Attention from 1/4 of the picture's size over the references'
tokens proposes colour, a confidence says where to follow it, automatic colour fills the rest, and the previous frame's
colour (a state) holds the result still.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

COLOURS = torch.cartesian_prod(torch.arange(-100, 101, 12.5), torch.arange(-100, 101, 12.5))
"""Every a*/110, b*/110 that training asks about by name: a grid within a circle, in steps that eyes tell apart."""
COLOURS = COLOURS[COLOURS.norm(dim=1) <= 112] / 110


@dataclass(slots=True)
class Proposal:
    """Colour at 1/4 of the size.

    Attributes
    ----------
    automatic : float (N, 2, h/4, w/4), the network's own
    found : float (N, 2, h/4, w/4), the references'
    follow : float (N, 1, h/4, w/4), 0..1, how far to follow the references
    """

    automatic: Tensor
    found: Tensor
    follow: Tensor


class NormedConv(nn.Module):
    """A convolution and the normalization of what comes out, which `fold` takes into its weights.

    Parameters
    ----------
    given, made : channels in and out
    side : of the kernel
    stride : of the convolution
    """

    def __init__(self, given: int, made: int, side: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, made, side, stride, side // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(made)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, made, h / stride, w / stride)."""
        return self.norm(self.conv(x))

    def fold(self) -> None:
        """Take the normalization into the weights, for good; what the module, which is not training, computes stays."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class Block(nn.Module):
    """Two 3x3 convolutions, added to what came in, and a ReLU; a fresh one changes nothing.

    Parameters
    ----------
    channels : channels in and out
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = NormedConv(channels, channels), NormedConv(channels, channels)
        assert isinstance(self.second.norm, nn.BatchNorm2d)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape; `x` is not negative."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class Rise(nn.Module):
    """Bring coarse features to twice the size and add them to the finer ones.

    Parameters
    ----------
    coarse, fine : channels
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.enlarge = NormedConv(coarse, 4 * fine, 1)
        self.merge = Block(fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the shape of `fine`."""
        return self.merge(functional.relu(fine + functional.pixel_shuffle(self.enlarge(coarse), 2)))


class FilmColorize(nn.Module):
    """Predict a* and b* from L*.

    Notes
    -----
    A fresh network gives neutral colour. Zero states mean "no previous frame", one token with valid 0 means "no
    reference". `guess` is for training alone: what a place may be (which of `COLOURS`) is learned by the same features
    as what it is in the mean, and sooner.
    """

    size_multiple = 32
    feature_channels = 64
    token_cell = 8
    working_size = (128, 160)
    widths = (48, 96, 144, 176)

    def __init__(self) -> None:
        super().__init__()
        fine, quarter, eighth, coarsest = self.widths
        self.stem = nn.Sequential(NormedConv(16, fine), nn.ReLU(), Block(fine))
        self.down8 = nn.Sequential(NormedConv(fine, quarter, stride=2), nn.ReLU(), Block(quarter))
        self.down16 = nn.Sequential(NormedConv(quarter, eighth, stride=2), nn.ReLU(), Block(eighth), Block(eighth))
        self.down32 = nn.Sequential(NormedConv(eighth, coarsest, stride=2), nn.ReLU(), Block(coarsest))
        self.scene = nn.Conv2d(coarsest, coarsest, 1)
        self.body32 = Block(coarsest)
        self.up16, self.up8, self.up4 = Rise(coarsest, eighth), Rise(eighth, quarter), Rise(quarter, fine)
        self.tokens = nn.Conv2d(fine, self.feature_channels, 1)
        self.automatic = nn.Conv2d(fine, 2, 1)
        self.guess = nn.Conv2d(fine, len(COLOURS), 1)
        self.follow = nn.Sequential(nn.Conv2d(fine + 6, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 3, padding=1))
        self.temperature = nn.Parameter(torch.tensor(3.0))
        self.paint4 = nn.Conv2d(fine + 3, fine, 3, padding=1)
        self.tail4 = nn.Conv2d(fine, 2 * 4, 3, padding=1)
        self.past4 = nn.Conv2d(fine + 5, 32, 3, padding=1)
        self.keep4 = nn.Conv2d(32, 1, 3, padding=1)
        for layer in (self.automatic, self.tail4, self.scene):
            nn.init.zeros_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def finished(self) -> FilmColorize:
        """Return a copy as it ships: normalizations in the weights, and without `guess`; it computes the same."""
        network = copy.deepcopy(self).eval()
        for module in network.modules():
            if isinstance(module, NormedConv):
                module.fold()
        del network.guess
        return network

    def encode(self, luma: Tensor) -> Tensor:
        """Return features (N, 48, h/4, w/4), not negative, of luma (N, 1, h, w), 0..1."""
        x4 = self.stem(functional.pixel_unshuffle(luma - 0.5, 4))
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        x32 = self.down32(x16)
        x32 = self.body32(functional.relu(x32 + self.scene(x32.mean(dim=(2, 3), keepdim=True))))
        return self.up4(self.up8(self.up16(x32, x16), x8), x4)

    def describe(self, x4: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit-length tokens to ask with (N, 64, h/4, w/4) and to remember (N, 64, h/8, w/8)."""
        tokens = self.tokens(x4).float()
        return _unit(tokens), _unit(functional.avg_pool2d(tokens, 2))

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
        luma : float (N, 1, h, w), L*/100; h and w multiples of 32
        reference_features : float (N, 64, K), tokens of all reference pictures together
        reference_ab : float (N, 2, K), a*/110 and b*/110 beside them
        reference_valid : float (N, K), 1 or 0
        previous_luma : float (N, 1, h, w), the frame before, zeros at the start of a shot
        previous_ab : float (N, 2, h, w), its colour as given by this network, zeros at the start of a shot

        Returns
        -------
        ab : float (N, 2, h, w)
        confidence : float (N, 1, h, w), 0..1, how far a reference was followed
        features : float (N, 64, h/8, w/8), what `reference_features` takes
        next_luma, next_ab : the states for the next frame
        """
        x4 = self.encode(luma)
        query, features = self.describe(x4)
        proposal = self.propose(x4, query, reference_features, reference_ab, reference_valid)
        ab = self.steady(x4, luma, self.paint(x4, proposal), previous_luma, previous_ab)
        confidence = functional.interpolate(proposal.follow, scale_factor=4.0, mode="bilinear", align_corners=False)
        return ab, confidence, features, luma + 0.0, ab + 0.0

    def propose(
        self, x4: Tensor, query: Tensor, reference_features: Tensor, reference_ab: Tensor, reference_valid: Tensor
    ) -> Proposal:
        """Propose colour at 1/4: the network's own, the reference's, and how far to follow the latter."""
        automatic = self.automatic(x4).float()
        alike = torch.matmul(query.flatten(2).transpose(1, 2), reference_features)
        valid = reference_valid.unsqueeze(1)
        weights = torch.softmax(alike * torch.exp(self.temperature) + (valid - 1.0) * 1e4, dim=-1)
        found = torch.matmul(weights, reference_ab.transpose(1, 2)).transpose(1, 2)
        likeness = (alike * valid + valid - 1.0).amax(dim=-1).unsqueeze(1)
        surprise = (weights * weights).sum(-1).unsqueeze(1)
        given = torch.cat([found, likeness, surprise], 1)
        given = given.reshape(x4.shape[0], 4, x4.shape[2], x4.shape[3])
        any_valid = valid.amax(dim=-1, keepdim=True).unsqueeze(-1)
        follow = torch.sigmoid(self.follow(torch.cat([x4, given, automatic], 1)).float()) * any_valid
        return Proposal(automatic=automatic, found=given[:, :2], follow=follow)

    def paint(self, x4: Tensor, proposal: Proposal) -> Tensor:
        """Bring a proposal to half the picture's size along its edges: (N, 2, h/2, w/2)."""
        guided = proposal.automatic + (proposal.found - proposal.automatic) * proposal.follow
        seen = functional.relu(self.paint4(torch.cat([x4, guided, proposal.follow], 1)))
        base = functional.interpolate(guided, scale_factor=2.0, mode="bilinear", align_corners=False)
        return base + functional.pixel_shuffle(self.tail4(seen), 2).float()

    def automatic_colour(self, luma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Colour a picture without references or past, as `forward` does: features at 1/4, colour at 1/4 and at 1/2."""
        x4 = self.encode(luma)
        own = self.automatic(x4).float()
        return x4, own, self.paint(x4, Proposal(automatic=own, found=own, follow=torch.zeros_like(own[:, :1])))

    def steady(self, x4: Tensor, luma: Tensor, fresh: Tensor, previous_luma: Tensor, previous_ab: Tensor) -> Tensor:
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


def shipped(network: nn.Module) -> nn.Module:
    """Return a network as its file holds it, not training: `finished` where it has parts for training alone."""
    return network.finished() if isinstance(network, FilmColorize) else network.eval()


def _unit(tokens: Tensor) -> Tensor:
    return tokens * torch.rsqrt((tokens * tokens).sum(1, keepdim=True) + 1e-6)
