"""What film-colorize learns from: how far colours are off, as eyes see it, and what a place may be."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from export.networks.film_colorize import COLOURS

STRONG_WEIGHT = 2.0
"""By how much more a strong colour counts than grey: for each of its length (1 is 110 of a*, b*), up to 0.6."""


def colour_difference(found: Tensor, wanted: Tensor) -> Tensor:
    """Return CIEDE2000 of colours on things of one lightness, so that it can be learned from.

    The turn of blues, which the formula subtracts, is left out, and near zero the distance is rounded.

    Parameters
    ----------
    found, wanted : float (N, 2, h, w), a*/110 and b*/110

    Returns
    -------
    float32 (N, h, w)

    References
    ----------
    Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference Formula", Color Research and Application 30(1), 2005.
    """
    (a1, b1), (a2, b2) = ((110.0 * planes.float()).unbind(1) for planes in (found, wanted))
    mean = (_length(a1, b1) + _length(a2, b2)) / 2
    seventh = mean**7
    stretch = 1.5 - 0.5 * torch.sqrt(seventh / (seventh + 25.0**7) + 1e-12)
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = _length(a1, b1), _length(a2, b2)
    mean, in_chroma = (c1 + c2) / 2, c2 - c1
    in_hue = ((a1 - a2) ** 2 + (b1 - b2) ** 2 - in_chroma**2).clamp(min=0)
    hue = torch.atan2((b1 / c1 + b2 / c2).detach(), (a1 / c1 + a2 / c2).detach())
    shape = 1 - 0.17 * torch.cos(hue - math.radians(30)) + 0.24 * torch.cos(2 * hue)
    shape = shape + 0.32 * torch.cos(3 * hue + math.radians(6)) - 0.2 * torch.cos(4 * hue - math.radians(63))
    square = (in_chroma / (1 + 0.045 * mean)) ** 2 + in_hue / (1 + 0.015 * mean * shape) ** 2
    return torch.sqrt(square + 0.25) - 0.5


def _length(a: Tensor, b: Tensor) -> Tensor:
    return torch.sqrt(a * a + b * b + 1e-2)


def weighted_difference(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the difference in tens of CIEDE2000; strong colours count more, or the safest answer is grey.

    Parameters and shapes are those of `colour_difference`.
    """
    strength = torch.sqrt((wanted * wanted).sum(1)).clamp(max=0.6)
    return 0.1 * colour_difference(found, wanted) * (1.0 + STRONG_WEIGHT * strength)


def guess_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the cross-entropy of what a place may be, told by its nearest colours; of every fourth place.

    Zhang, Isola and Efros, "Colorful Image Colorization", ECCV 2016: four neighbours, weights falling with distance.

    Parameters
    ----------
    logits : float (N, len(COLOURS), h, w)
    wanted : float (N, 2, h, w), a*/110 and b*/110
    """
    spoken = logits[:, :, ::2, ::2].float().permute(0, 2, 3, 1).flatten(0, 2)
    colours = wanted[:, :, ::2, ::2].permute(0, 2, 3, 1).flatten(0, 2)
    distances, nearest = torch.cdist(colours, COLOURS).topk(4, dim=1, largest=False)
    share = torch.softmax(-((distances * 110 / 7) ** 2) / 2, 1)
    said = functional.log_softmax(spoken, 1).gather(1, nearest)
    strength = colours.norm(dim=1).clamp(max=0.6)
    return (-(said * share).sum(1) * (1.0 + STRONG_WEIGHT * strength)).mean()
