"""Sampling along motion, and resizing of it, as graphs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def warp(picture: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """Sample a picture at ``x + flow``, edges repeated.

    Parameters
    ----------
    picture : float (N, C, h, w)
    flow : float32 (N, 2, h, w), x then y, in this picture's own pixels
    mode : bilinear, or bicubic (cubic convolution with a = -0.75, as OpenCV has it)

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
    return functional.grid_sample(picture.float(), grid, mode=mode, padding_mode="border", align_corners=False)


def upsample(x: Tensor, factor: int) -> Tensor:
    """Enlarge by an integer factor, bilinear with pixel centres aligned: (N, C, h, w) → (N, C, fh, fw)."""
    return functional.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)
