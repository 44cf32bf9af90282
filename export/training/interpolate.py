"""Train film-interpolate on real clips, and on photographs in motion whose flow is known.

``python -m export.training.interpolate --data DIR --out DIR --minutes 35 [--resume]``

The picture made by warping must look like the true one between; flow is led by the known motion of the photographs
and, in real clips, by OpenCV's DIS flow from the true frame between to both neighbours, which the network never sees.
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

from engine.stages.flow_model import GivenMotion
from export.networks.film_interpolate import FilmInterpolate
from export.networks.motion import upsample, warp
from export.training.footage import load_footage
from export.training.loop import add_run_arguments, run_settings, train
from export.training.motion import clip_piece, layered_flow, moving_photo
from export.training.pool import Pool, step_generator
from export.training.restore import psnr

PIECE = 288
GAPS = (2, 2, 2, 3, 3, 4, 4, 6, 8)
FLOW_WEIGHT = 0.006
TEACHER_WEIGHT = 0.003
PLACE = 32
"""Side of the squares over which errors are averaged before their logarithm is taken, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Two frames and what is between them.

    Attributes
    ----------
    first, middle, second : float32 (1, H, W), 0..1
    timestep : when the middle is, in (0, 1)
    flow : float32 (4, H/4, W/4), from the middle to first and to second, full-size pixels: the truth, or nearly
    flow_weight : how far the flow is to be believed
    seen_first, seen_second : float32 (1, H, W), what the network is shown; sometimes a little noise and flicker
    motion : float32 (4, H/4, W/4), between these two as the runtime finds it, full-size pixels
    """

    first: np.ndarray
    middle: np.ndarray
    second: np.ndarray
    timestep: float
    flow: np.ndarray
    flow_weight: float
    seen_first: np.ndarray
    seen_second: np.ndarray
    motion: np.ndarray


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
        """Return the loss of one step: the picture made along the flow, its edges, and the flow itself."""
        assert isinstance(network, FilmInterpolate)
        rng = step_generator(self._seed, step)
        moments = self._pool.at(step)
        samples = [self._sample(moments[int(rng.integers(len(moments)))], rng) for _ in range(self._batch)]
        first, middle, second, timestep, flow, weight, seen_first, seen_second, motion = (
            torch.from_numpy(np.stack(parts)) for parts in zip(*samples, strict=True)
        )
        total = torch.zeros(())
        for share, result in zip((0.3, 1.0), network.stages(seen_first, seen_second, timestep, motion), strict=True):
            found = result[:, :4] * 4.0
            distance = torch.sqrt(((found - flow) ** 2).unflatten(1, (2, 2)).sum(2) + 1e-2)
            # Logarithmic: what is hidden or jumped too far must not drown what can be learned.
            total = total + share * (torch.log1p(distance).mean((1, 2, 3)) * weight).mean()
            made = blend(first, second, upsample(found, 4), upsample(network.mask(result, timestep), 4))
            error = made - middle
            # The logarithm weighs a place by how much better it could be in dB, not by how much is hidden in it.
            squares = functional.avg_pool2d(error.float() ** 2, PLACE)
            total = total + share * (0.02 * torch.log(squares + 3e-6).mean() + 0.5 * _charbonnier(error))
        figures = {
            "epe": float(distance.detach().mean()),
            "psnr": -10 * float(np.log10(float((error.detach() ** 2).mean()) + 1e-9)),
        }
        return total, figures

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
        piece = clip_piece(clip, (0, at, gap), PIECE, rng, zoom=(0.8, 1.5))
        first, middle, second = (grey(picture) for picture in piece)
        flow = np.concatenate([dis_flow(middle, first), dis_flow(middle, second)])
        return _moment(first, middle, second, at / gap, flow, TEACHER_WEIGHT, rng)

    def _from_photos(self, rng: np.random.Generator) -> Moment:
        if not self._train.photos:
            return self._from_clip(rng)
        timestep = float(rng.uniform(0.1, 0.9)) if rng.random() < 0.5 else 0.5
        times = np.array([0.0, timestep, 1.0])
        frames, stack, top = moving_photo(
            self._train.photos, times, PIECE, rng, speed=40, layers=int(rng.integers(0, 4))
        )
        first, middle, second = (grey(frame) for frame in frames)
        flow = np.concatenate([layered_flow(stack, top, 1, 0), layered_flow(stack, top, 1, 2)])
        return _moment(first, middle, second, timestep, flow, FLOW_WEIGHT, rng)

    def _sample(self, moment: Moment, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Crop, turn and mirror."""
        height, width = moment.first.shape[1:]
        top, left = (4 * int(rng.integers(0, (extent - self._crop) // 4 + 1)) for extent in (height, width))
        cut = np.s_[:, top : top + self._crop, left : left + self._crop]
        small = np.s_[:, top // 4 : (top + self._crop) // 4, left // 4 : (left + self._crop) // 4]
        pictures = [p[cut] for p in (moment.first, moment.middle, moment.second, moment.seen_first, moment.seen_second)]
        flows = [moment.flow[small].copy(), moment.motion[small].copy()]
        timestep = moment.timestep
        if rng.random() < 0.5:
            pictures, flows = [p[..., ::-1] for p in pictures], [f[..., ::-1].copy() for f in flows]
            for flow in flows:
                flow[0::2] *= -1
        if rng.random() < 0.5:
            pictures, flows = [p[..., ::-1, :] for p in pictures], [f[..., ::-1, :].copy() for f in flows]
            for flow in flows:
                flow[1::2] *= -1
        if rng.random() < 0.3:
            pictures = [p.transpose(0, 2, 1) for p in pictures]
            flows = [f.transpose(0, 2, 1)[[1, 0, 3, 2]] for f in flows]
        first, middle, second, seen_first, seen_second = (np.ascontiguousarray(p) for p in pictures)
        flow, motion = (np.ascontiguousarray(f) for f in flows)
        if rng.random() < 0.5:
            first, second, seen_first, seen_second = second, first, seen_second, seen_first
            flow, motion, timestep = flow[[2, 3, 0, 1]], motion[[2, 3, 0, 1]], 1 - timestep
        weight = np.float32(moment.flow_weight)
        return first, middle, second, np.float32([timestep]), flow, weight, seen_first, seen_second, motion


def _moment(
    first: np.ndarray,
    middle: np.ndarray,
    second: np.ndarray,
    timestep: float,
    flow: np.ndarray,
    flow_weight: float,
    rng: np.random.Generator,
) -> Moment:
    """Make a moment of pictures (H, W) and flow (4, H, W); in three of ten the network sees noise and flicker."""
    seen = [first, second]
    if rng.random() < 0.3:
        noise = np.float32(rng.uniform(0, 0.02))
        seen = [
            np.float32(rng.normal(1, 0.01)) * p + noise * rng.standard_normal(p.shape, np.float32)
            for p in (first, second)
        ]
    return Moment(
        first=first[None],
        middle=middle[None],
        second=second[None],
        timestep=timestep,
        flow=quartered(flow),
        flow_weight=flow_weight,
        seen_first=seen[0][None],
        seen_second=seen[1][None],
        motion=motion_between(*seen),
    )


def quartered(flow: np.ndarray) -> np.ndarray:
    """Average 4x4 places of a flow (C, H, W), H and W multiples of 4; values stay as they are."""
    count, height, width = flow.shape
    return flow.reshape(count, height // 4, 4, width // 4, 4).mean((2, 4), dtype=np.float32)


def motion_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return motion (4, H/4, W/4) between pictures (H, W), H and W multiples of 4, with the runtime's own code."""
    given = GivenMotion(*first.shape)
    given.find(np.ascontiguousarray(first), np.ascontiguousarray(second))
    return given.tensor[0]


def blend(first: Tensor, second: Tensor, flow: Tensor, mask: Tensor) -> Tensor:
    """Warp pictures (N, C, h, w) along flow (N, 4, h, w), in own pixels, and blend them by mask (N, 1, h, w)."""
    return mask * warp(first, flow[:, 0:2]) + (1 - mask) * warp(second, flow[:, 2:4])


def make_between(network: nn.Module, first: np.ndarray, second: np.ndarray, timestep: float) -> np.ndarray:
    """Make the picture at a moment between two, as the runtime does: float32 (H, W), 0..1, any size."""
    height, width = first.shape
    multiple = FilmInterpolate.size_multiple
    pad = ((0, -height % multiple), (0, -width % multiple))
    pair = [torch.from_numpy(np.pad(p, pad, mode="reflect")[None, None]) for p in (first, second)]
    with torch.no_grad():
        motion = torch.from_numpy(motion_between(*(p[0, 0].numpy() for p in pair))[None])
        flow, mask = network(*pair, torch.tensor([timestep]), motion)
        return blend(*pair, upsample(flow, 4), upsample(mask, 4))[0, 0, :height, :width].numpy()


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
        first, middle, second = (
            grey(clip[start + k].transpose(2, 0, 1).astype(np.float32) / 255) for k in (0, at, gap)
        )
        timestep = at / gap
        made = (
            make_between(network, first, second, timestep),
            (1 - timestep) * first + timestep * second,
            dis_between(first, second, timestep),
        )
        scores.append([psnr(picture, middle) for picture in made])
    return scores


def grey(picture: np.ndarray) -> np.ndarray:
    """Return the luma (H, W) of RGB (3, H, W), float32, 0..1."""
    return 0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2]


def _charbonnier(error: Tensor) -> Tensor:
    return torch.sqrt(error.float() ** 2 + 1e-6).mean()


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
