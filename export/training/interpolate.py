"""Train film-interpolate on real clips, and on photographs in motion.

``python -m export.training.interpolate --data DIR --out DIR --minutes 35 [--resume]``

The network is given what the runtime would give it (`engine.stages.given_motion`), and the picture it makes must look
like the true one between.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.stages.given_motion import CELL, GivenMotion
from export.networks.film_interpolate import FilmInterpolate
from export.networks.motion import upsample, warp
from export.training.footage import load_footage
from export.training.loop import add_run_arguments, run_settings, train
from export.training.motion import clip_piece, moving_photo
from export.training.pool import Pool, step_generator
from export.training.restore import psnr

PIECE = 288
GAPS = (2, 2, 2, 3, 3, 4, 4, 6, 8)
UNEVEN = 0.3
"""How much photographs in motion speed up or slow down: of a unit of time squared."""

MISSING = 0.12
"""How often a frame before, or after, is missing."""

AS_FILMED = 0.5
"""Of the pieces of clips, how many keep the clip's own pixels: enlarged or reduced ones are blurred otherwise."""

PLACE = 32
"""Side of the squares over which errors are averaged before their logarithm is taken, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Two frames and what is between them.

    Attributes
    ----------
    first, second : float32 (1, H, W), 0..1, what the network is shown; sometimes with a little noise and flicker
    middle : float32 (1, H, W), the truth
    timestep : when the middle is, in (0, 1)
    motion, evidence : as the runtime gives them, float32 (8, H/4, W/4) and (6, H/4, W/4)
    """

    first: np.ndarray
    second: np.ndarray
    middle: np.ndarray
    timestep: float
    motion: np.ndarray
    evidence: np.ndarray


class InterpolateRecipe:
    """Material and loss for film-interpolate.

    Parameters
    ----------
    data : folder with photos/ and clips/
    seed : of the material
    batch : samples per step
    crop : side of a training crop in pixels
    cache : folder for decoded clips
    blocks : how many blocks of material a step draws from
    """

    name = "film-interpolate"

    def __init__(
        self, data: Path, *, seed: int = 0, batch: int = 4, crop: int = 256, cache: Path | None = None, blocks: int = 10
    ) -> None:
        self._seed, self._batch, self._crop = seed, batch, crop
        self._train = load_footage(data, "train", cache=cache)
        self._held_out = load_footage(data, "held-out", cache=cache, photos=False)
        self._pool = Pool(self._make_block, seed=seed, blocks=blocks, steps_per_block=3)

    def network(self) -> nn.Module:
        """Make the untrained network."""
        return FilmInterpolate()

    def loss(self, network: nn.Module, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Return the loss of one step: of the picture made along the flow."""
        assert isinstance(network, FilmInterpolate)
        rng = step_generator(self._seed, step)
        moments = self._pool.at(step)
        samples = [self._sample(moments[int(rng.integers(len(moments)))], rng) for _ in range(self._batch)]
        first, second, middle, timestep, motion, evidence = (
            torch.from_numpy(np.stack(parts)) for parts in zip(*samples, strict=True)
        )
        flow, mask = network(first, second, timestep, motion, evidence)
        error = blend(first, second, flow, mask) - middle
        # The logarithm weighs a place by how much better it could be in dB, not by how much is hidden in it.
        squares = functional.avg_pool2d(error**2, PLACE)
        total = 0.02 * torch.log(squares + 1e-6).mean() + 0.5 * torch.sqrt(error**2 + 1e-6).mean()
        return total, {"psnr": -10 * float(np.log10(float((error.detach() ** 2).mean()) + 1e-9))}

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return PSNR on held-out clips, beside blending and warping along DIS flow, for three gaps."""
        metrics: dict[str, float] = {}
        for label, gap, at in (("slow", 2, 1), ("quarter", 4, 1), ("fast", 8, 4)):
            scores = np.array(
                [score for clip in self._held_out.clips for score in held_out_scores(network, clip, gap, at)]
            )
            for name, value in zip(("model", "blend", "dis"), scores.mean(0), strict=True):
                metrics[f"{label}_psnr_{name}"] = float(value)
        return metrics

    def close(self) -> None:
        """Stop making material."""
        self._pool.close()

    def _make_block(self, rng: np.random.Generator) -> list[Moment]:
        return [self._from_clip(rng), self._from_clip(rng), self._from_photos(rng)]

    def _from_clip(self, rng: np.random.Generator) -> Moment:
        if not self._train.clips:
            return self._from_photos(rng)
        gap = GAPS[int(rng.integers(len(GAPS)))]
        at = int(rng.integers(1, gap))
        clip = self._train.clips[int(rng.integers(len(self._train.clips)))]
        zoom = (1.0, 1.0) if rng.random() < AS_FILMED else (0.8, 1.5)
        before, first, middle, second, after = clip_piece(
            clip, (0, gap, gap + at, 2 * gap, 3 * gap), PIECE, rng, zoom=zoom
        )
        return _moment((before, first, second, after), middle, at / gap, rng)

    def _from_photos(self, rng: np.random.Generator) -> Moment:
        if not self._train.photos:
            return self._from_clip(rng)
        timestep = float(rng.uniform(0.1, 0.9)) if rng.random() < 0.5 else 0.5
        times = np.array([-1.0, 0.0, timestep, 1.0, 2.0])
        times += rng.uniform(-UNEVEN, UNEVEN) * times * (times - 1.0)
        before, first, middle, second, after = moving_photo(
            self._train.photos, times, PIECE, rng, speed=40, layers=int(rng.integers(0, 4))
        )
        return _moment((before, first, second, after), middle, timestep, rng)

    def _sample(self, moment: Moment, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Crop, turn and mirror."""
        height, width = moment.first.shape[1:]
        top, left = (CELL * int(rng.integers(0, (extent - self._crop) // CELL + 1)) for extent in (height, width))
        cut = np.s_[:, top : top + self._crop, left : left + self._crop]
        small = np.s_[:, top // CELL : (top + self._crop) // CELL, left // CELL : (left + self._crop) // CELL]
        pictures = [p[cut] for p in (moment.first, moment.second, moment.middle)]
        given = np.concatenate([moment.motion[small], moment.evidence[small]])
        timestep = moment.timestep
        if rng.random() < 0.5:
            pictures, given = [p[..., ::-1] for p in pictures], given[..., ::-1].copy()
            given[0:8:2] *= -1
        if rng.random() < 0.5:
            pictures, given = [p[..., ::-1, :] for p in pictures], given[..., ::-1, :].copy()
            given[1:8:2] *= -1
        if rng.random() < 0.3:
            pictures = [p.transpose(0, 2, 1) for p in pictures]
            given = given.transpose(0, 2, 1)[[1, 0, 3, 2, 5, 4, 7, 6, *range(8, 14)]]
        if rng.random() < 0.5:
            pictures = [pictures[1], pictures[0], pictures[2]]
            given = given[[2, 3, 0, 1, 6, 7, 4, 5, 8, 9, 10, 11, 13, 12]]
            given[10] *= -1
            timestep = 1 - timestep
        first, second, middle = (np.ascontiguousarray(p) for p in pictures)
        motion, evidence = np.ascontiguousarray(given[:8]), np.ascontiguousarray(given[8:])
        return first, second, middle, np.float32([timestep]), motion, evidence


def _moment(frames: Sequence[np.ndarray], middle: np.ndarray, timestep: float, rng: np.random.Generator) -> Moment:
    """Make a moment of pictures (3, H, W), those before and after among them; in two of ten the network sees noise."""
    pictures: list[np.ndarray | None] = [grey(frame) for frame in frames]
    if rng.random() < 0.2:
        noise = np.float32(rng.uniform(0, 0.015))
        pictures = [
            np.float32(rng.normal(1, 0.01)) * p + noise * rng.standard_normal(p.shape, np.float32) for p in pictures
        ]
    for outer in (0, 3):
        if rng.random() < MISSING:
            pictures[outer] = None
    before, first, second, after = pictures
    motion, evidence = given_to_network(before, first, second, after, timestep)
    return Moment(
        first=first[None],
        second=second[None],
        middle=grey(middle)[None],
        timestep=timestep,
        motion=motion,
        evidence=evidence,
    )


def given_to_network(
    before: np.ndarray | None, first: np.ndarray, second: np.ndarray, after: np.ndarray | None, timestep: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return motion (8, H/4, W/4) and evidence (6, H/4, W/4) of pictures (H, W), with the runtime's own code."""
    given = GivenMotion(*first.shape)
    for picture in (before, first, second, after):
        if picture is not None:
            given.append(np.ascontiguousarray(picture))
    if after is None:
        given.finish()
    given.aim(timestep)
    return given.motion[0], given.evidence[0]


def blend(first: Tensor, second: Tensor, flow: Tensor, mask: Tensor) -> Tensor:
    """Warp pictures (N, C, H, W) along flow (N, 4, H/4, W/4), bicubic, and blend them by mask, as the runtime does."""
    flow, mask = upsample(flow, CELL), upsample(mask, CELL)
    return mask * warp(first, flow[:, 0:2], "bicubic") + (1 - mask) * warp(second, flow[:, 2:4], "bicubic")


def make_between(network: nn.Module, frames: Sequence[np.ndarray | None], timestep: float) -> np.ndarray:
    """Make the picture at a moment, as the runtime does: float32 (H, W), 0..1, any size.

    Parameters
    ----------
    frames : the one before the two, if any, the two, and the one after; float32 (H, W)
    """
    height, width = next(frame.shape for frame in frames if frame is not None)
    multiple = FilmInterpolate.size_multiple
    pad = ((0, -height % multiple), (0, -width % multiple))
    before, first, second, after = (None if p is None else np.pad(p, pad, mode="reflect") for p in frames)
    assert first is not None
    assert second is not None
    given = [torch.from_numpy(part[None]) for part in given_to_network(before, first, second, after, timestep)]
    pair = [torch.from_numpy(p[None, None]) for p in (first, second)]
    with torch.no_grad():
        flow, mask = network(*pair, torch.tensor([timestep]), *given)
        return blend(*pair, flow, mask)[0, 0, :height, :width].numpy()


def dis_between(first: np.ndarray, second: np.ndarray, timestep: float) -> np.ndarray:
    """Make the picture at a moment between two by warping along DIS flow: the classical answer to beat."""
    flow = dis_flow(first, second)
    y, x = np.mgrid[0 : first.shape[0], 0 : first.shape[1]].astype(np.float32)
    from_first = cv2.remap(
        first, x - timestep * flow[0], y - timestep * flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    rest = 1 - timestep
    from_second = cv2.remap(
        second, x + rest * flow[0], y + rest * flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return rest * from_first + timestep * from_second


def dis_flow(origin: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Return OpenCV's DIS flow (2, H, W) between float32 pictures (H, W) in [0, 1]."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    pair = [np.clip(p * 255, 0, 255).astype(np.uint8) for p in (origin, goal)]
    return search.calc(*pair, None).transpose(2, 0, 1)


def held_out_scores(network: nn.Module, clip: np.ndarray, gap: int, at: int, *, moments: int = 4) -> list[list[float]]:
    """Return [model, blend, dis] PSNR at a few moments of a clip, uint8 (T, H, W, 3)."""
    scores = []
    for start in np.linspace(0, len(clip) - gap - 1, moments).astype(int):
        before, first, middle, second, after = (
            grey(clip[start + k].transpose(2, 0, 1).astype(np.float32) / 255) if 0 <= start + k < len(clip) else None
            for k in (-gap, 0, at, gap, 2 * gap)
        )
        timestep = at / gap
        made = (
            make_between(network, (before, first, second, after), timestep),
            (1 - timestep) * first + timestep * second,
            dis_between(first, second, timestep),
        )
        scores.append([psnr(picture, middle) for picture in made])
    return scores


def grey(picture: np.ndarray) -> np.ndarray:
    """Return the luma (H, W) of RGB (3, H, W), float32, 0..1."""
    return 0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recipe."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_run_arguments(parser)
    parser.add_argument("--crop", type=int, default=256)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = InterpolateRecipe(
        options.data, seed=options.seed, batch=options.batch, crop=options.crop, cache=options.cache
    )
    try:
        train(recipe, run_settings(options))
    finally:
        recipe.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
