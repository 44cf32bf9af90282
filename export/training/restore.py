"""Train film-restore, or its doubling sibling, on clean material damaged by `engine.damage`.

A network at work sees the past as it has restored it itself. So every damaged clip is first walked through by the
network that the run starts from, and what it made stands in the windows that are learned from. That network should not
be better than what is learned: who believes a past too much lets its own brightness drift away.

``python -m export.training.restore --data DIR --out DIR --minutes 35 [--scale 2 --start FILE] [--resume]``
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
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.damage import STRENGTHS, DamageSettings, damage_clip
from engine.stages.align import Aligner
from export.networks.film_restore import FilmRestore
from export.training.footage import Footage, load_footage
from export.training.loop import add_run_arguments, run_settings, train
from export.training.motion import clip_piece, moving_photo
from export.training.pool import Pool, step_generator

WINDOW = 5
LENGTH = 9
PIECE = 224
KINDS = ("none", "light", "medium", "heavy")
KIND_SHARES = (0.08, 0.27, 0.40, 0.25)
ENDS_SHARE = 0.25
"""Of samples whose window the clip's beginning or end cuts off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worn:
    """One damaged clip, ready for crops.

    Attributes
    ----------
    frames, target, grain : float32 (T, 3, H, W) Y, Cb, Cr, 0..1, neutral 0.5 (grain about 0)
    """

    frames: np.ndarray
    target: np.ndarray
    grain: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """A damaged clip with the windows that a network saw of it, as the stage makes them.

    Attributes
    ----------
    worn : the clip
    strength : 0..1, at which its past was restored
    luma : float32 (T, WINDOW, H, W), the window around every frame, aligned, its past restored
    chroma : float32 (T, WINDOW, 2, H/2, W/2), the same of half-size chroma
    restored : float32 (T, H, W), luma that the network made
    """

    worn: Worn
    strength: float
    luma: np.ndarray
    chroma: np.ndarray
    restored: np.ndarray


class RestoreRecipe:
    """Material and loss for film-restore.

    Parameters
    ----------
    data : folder with photos/ and clips/
    seed : of the material
    scale : 1 or 2
    batch : samples per step
    crop : side of a training crop in (input) pixels
    cache : folder for decoded clips
    blocks : how many blocks of material a step draws from
    start : weights to start from, and to restore the past with; layers of another shape keep their own
    """

    def __init__(
        self,
        data: Path,
        *,
        seed: int = 0,
        scale: int = 1,
        batch: int = 8,
        crop: int = 128,
        cache: Path | None = None,
        blocks: int = 10,
        start: Path | None = None,
    ) -> None:
        self.name = "film-restore" if scale == 1 else "film-restore-x2"
        self._seed, self._scale, self._batch, self._crop = seed, scale, batch, crop
        self._start = start
        self._train = load_footage(data, "train", cache=cache)
        self._held_out = load_footage(data, "held-out", cache=cache)
        self._walker = self.network().to(memory_format=torch.channels_last).eval()
        self._pool = Pool(self._make_block, seed=seed, blocks=blocks, steps_per_block=5)

    def network(self) -> nn.Module:
        """Make the untrained network, with the start's weights where they fit."""
        network = FilmRestore(scale=self._scale)
        if self._start is not None:
            own = network.state_dict()
            fitting = {k: v for k, v in load_file(self._start).items() if k in own and own[k].shape == v.shape}
            network.load_state_dict({**own, **fitting})
        return network

    def loss(self, network: nn.Module, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Return the loss of one step: smooth L1 on luma, its edges and chroma."""
        rng = step_generator(self._seed, step)
        clips = self._pool.at(step)
        samples = [self._sample(clips[int(rng.integers(len(clips)))], rng) for _ in range(self._batch)]
        luma, chroma, strength, luma_wanted, chroma_wanted = (
            torch.from_numpy(np.stack(parts)) for parts in zip(*samples, strict=True)
        )
        luma_out, chroma_out = network(luma, chroma, strength)
        error = luma_out - luma_wanted
        edges = _charbonnier(error[..., 1:] - error[..., :-1]) + _charbonnier(error[..., 1:, :] - error[..., :-1, :])
        luma_loss, chroma_loss = _charbonnier(error), _charbonnier(chroma_out - chroma_wanted)
        mse = float((error.detach() ** 2).mean())
        return luma_loss + 0.3 * edges + 0.5 * chroma_loss, {"psnr": -10 * float(np.log10(mse + 1e-9))}

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return PSNR of held-out clips before and after per strength, and what is left of clean film."""
        metrics: dict[str, float] = {}
        for kind in KINDS:
            before, after = [], []
            for number in range(len(self._held_out.clips) * 2):
                worn = self._held_out_clip(kind, number)
                plain = _resize(worn.frames[:, 0], self._scale)
                before.append(psnr(plain, worn.target[:, 0]))
                after.append(psnr(walk(worn, network, 1.0, self._scale).restored, worn.target[:, 0]))
            if kind == "none":
                metrics["clean_psnr"] = float(np.mean(after))
            else:
                metrics[f"{kind}_psnr_in"] = float(np.mean(before))
                metrics[f"{kind}_psnr_out"] = float(np.mean(after))
        return metrics

    def close(self) -> None:
        """Stop making material."""
        self._pool.close()

    def _make_block(self, rng: np.random.Generator) -> list[Walked]:
        return [self._walked(self._damaged(self._clean(self._train, rng), rng), rng) for _ in range(2)]

    @torch.no_grad()
    def _walked(self, worn: Worn, rng: np.random.Generator) -> Walked:
        strength = 1.0 if rng.random() < 0.6 else float(rng.uniform(0, 1))
        with torch.autocast("cpu", torch.bfloat16):
            return walk(worn, self._walker, strength, self._scale)

    def _clean(self, footage: Footage, rng: np.random.Generator) -> np.ndarray:
        """Return a clean RGB clip, float32 (LENGTH, 3, s PIECE, s PIECE)."""
        size = PIECE * self._scale
        if footage.clips and (rng.random() < 0.55 or not footage.photos):
            clip = footage.clips[int(rng.integers(len(footage.clips)))]
            piece = clip_piece(clip, range(0, LENGTH * 2, 2) if rng.random() < 0.4 else range(LENGTH), size, rng)
            return piece[::-1] if rng.random() < 0.5 else piece
        speed = 24 * rng.random() ** 2
        times = np.arange(LENGTH, dtype=np.float64)
        return moving_photo(footage.photos, times, size, rng, speed=speed, layers=int(rng.integers(0, 3)))

    def _damaged(self, clean: np.ndarray, rng: np.random.Generator) -> Worn:
        kind = KINDS[int(rng.choice(len(KINDS), p=KIND_SHARES))]
        settings = DamageSettings() if kind == "none" else STRENGTHS[kind].varied(rng)
        return worn_clip(
            clean,
            settings,
            rng,
            picture_height=int(rng.integers(320, 640)),
            is_grey=rng.random() < 0.65,
            scale=self._scale,
        )

    def _sample(self, walked: Walked, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Cut one crop out of one window of a clip, sometimes mirrored: luma, chroma, strength, and what is wanted."""
        side, (height, width), s = self._crop, walked.luma.shape[2:], self._scale
        top, left = (2 * int(rng.integers(0, (extent - side) // 2 + 1)) for extent in (height, width))
        inner = range(WINDOW // 2, LENGTH - WINDOW // 2)
        ends = [number for number in range(LENGTH) if number not in inner]
        frame = int(rng.choice(ends if rng.random() < ENDS_SHARE else inner))
        whole = np.s_[..., top : top + side, left : left + side]
        half = np.s_[..., top // 2 : (top + side) // 2, left // 2 : (left + side) // 2]
        large = np.s_[..., s * top : s * (top + side), s * left : s * (left + side)]
        plain = _resize(walked.worn.frames[frame], s)[large]
        grain, target = walked.worn.grain[frame][large], walked.worn.target[frame][large]
        gate = min(1.0, 2 * walked.strength)
        wanted = target + (1 - walked.strength) * grain + (1 - gate) * (plain - target - grain)
        chroma = walked.chroma[frame][half].reshape(2 * WINDOW, side // 2, side // 2)
        flip = np.s_[..., ::-1] if rng.random() < 0.5 else np.s_[...]
        parts = walked.luma[frame][whole], chroma, wanted[:1], _halved(wanted[1:])
        luma, chroma, luma_wanted, chroma_wanted = (np.array(part[flip], np.float32, order="C") for part in parts)
        return luma, chroma, np.asarray([walked.strength], np.float32), luma_wanted, chroma_wanted

    def _held_out_clip(self, kind: str, number: int) -> Worn:
        rng = np.random.default_rng((99, number))
        clip = self._held_out.clips[number % len(self._held_out.clips)]
        clean = clip_piece(clip, range(LENGTH), 256 * self._scale, rng, zoom=(0.9, 1.1))
        settings = DamageSettings() if kind == "none" else STRENGTHS[kind]
        return worn_clip(clean, settings, rng, picture_height=480, is_grey=True, scale=self._scale)


def worn_clip(
    clean: np.ndarray,
    settings: DamageSettings,
    rng: np.random.Generator,
    *,
    picture_height: int,
    is_grey: bool,
    scale: int,
) -> Worn:
    """Damage an RGB clip and return it as Y'CbCr; at scale 2 the damaged film has half the truth's size.

    Parameters
    ----------
    clean : float32 (T, 3, H, W), RGB, 0..1
    settings, rng, picture_height : as `engine.damage.damage_clip` takes them
    is_grey : the film has no colour: luma is damaged, chroma stays neutral
    scale : 1 or 2
    """
    clean = _ycbcr(clean)[:, 0] if is_grey else clean
    small = clean if scale == 1 else _resize_clip(clean, 1 / scale)
    worn = damage_clip(small, settings, rng, picture_height=picture_height)
    target, grain = worn.target, worn.grain
    if scale != 1:
        # The truth at full size: the same print, so its weave, fade and corners are carried over as a difference.
        target = clean + _resize_clip(worn.target - small, scale)
        grain = _resize_clip(grain, scale)
    if is_grey:
        frames, target, grain = (
            np.concatenate([v[:, None], np.full((len(v), 2, *v.shape[1:]), neutral, np.float32)], 1)
            for v, neutral in ((worn.frames, 0.5), (target, 0.5), (grain, 0.0))
        )
    else:
        frames, target, grain = _ycbcr(worn.frames), _ycbcr(target), _ycbcr(grain, neutral=0.0)
    return Worn(frames=frames, target=target, grain=grain)


def walk(worn: Worn, network: nn.Module, strength: float, scale: int) -> Walked:
    """Restore a clip frame by frame as the stage does it, and keep the windows that the network saw.

    Parameters
    ----------
    worn : the clip, at least WINDOW frames
    network : takes and gives what `FilmRestore` does
    strength : 0..1
    scale : of the network; the past is restored at scale 1 only
    """
    frames = worn.frames
    count, (height, width) = len(frames), frames.shape[2:]
    planes = [(frame[0].copy(), *_halved(frame[1:])) for frame in frames]
    luma = np.empty((count, WINDOW, height, width), np.float32)
    chroma = np.empty((count, WINDOW, 2, height // 2, width // 2), np.float32)
    restored = np.empty((count, scale * height, scale * width), np.float32)
    level = torch.tensor([strength], dtype=torch.float32)
    aligner = Aligner(WINDOW // 2, WINDOW // 2, height, width)
    aligner.append(planes[0][0])
    for _ in range(WINDOW // 2):
        aligner.repeat()
    for newest in range(1, count + WINDOW // 2):
        if newest < count:
            aligner.append(planes[newest][0])
        else:
            aligner.repeat()
        frame = newest - WINDOW // 2
        if frame < 0:
            continue
        seen = (planes[min(max(frame + k - WINDOW // 2, 0), count - 1)] for k in range(WINDOW))
        aligner.write(list(seen), [(luma[frame, k], *chroma[frame, k]) for k in range(WINDOW)])
        inputs = torch.from_numpy(luma[frame : frame + 1]), torch.from_numpy(chroma[frame : frame + 1]).flatten(1, 2)
        made = [part.float().clamp(0, 1).numpy()[0] for part in network(*inputs, level)]
        restored[frame] = made[0][0]
        if scale == 1:
            planes[frame] = (made[0][0], *made[1])
    return Walked(worn=worn, strength=strength, luma=luma, chroma=chroma, restored=restored)


def psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of pictures in [0, 1]."""
    return -10 * float(np.log10(np.mean((np.clip(found, 0, 1) - wanted) ** 2) + 1e-6))


_MATRIX = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


def _ycbcr(rgb: np.ndarray, *, neutral: float = 0.5) -> np.ndarray:
    """Convert (T, 3, H, W) RGB to full-range BT.601 Y'CbCr."""
    count, _, height, width = rgb.shape
    out = np.matmul(_MATRIX, rgb.reshape(count, 3, -1)).reshape(count, 3, height, width)
    out[:, 1:] += neutral
    return out


def _halved(planes: np.ndarray) -> np.ndarray:
    """Average 2x2 pixels of (C, H, W)."""
    count, height, width = planes.shape
    return (
        np.ascontiguousarray(planes, np.float32)
        .reshape(count, height // 2, 2, width // 2, 2)
        .mean((2, 4), dtype=np.float32)
    )


def _resize(planes: np.ndarray, scale: float) -> np.ndarray:
    """Scale planes (C, H, W) by 2 (bilinear) or 1/2 (area)."""
    if scale == 1:
        return planes
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.stack(
        [cv2.resize(np.ascontiguousarray(p), None, fx=scale, fy=scale, interpolation=method) for p in planes]
    )


def _resize_clip(clip: np.ndarray, scale: float) -> np.ndarray:
    flat = clip.reshape(-1, *clip.shape[-2:])
    sized = _resize(flat, scale)
    return sized.reshape(*clip.shape[:-2], *sized.shape[-2:])


def _charbonnier(error: Tensor) -> Tensor:
    return torch.sqrt(error.float() ** 2 + 1e-6).mean()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recipe."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_run_arguments(parser)
    parser.add_argument("--scale", type=int, choices=(1, 2), default=1)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--start", type=Path, metavar="FILE", help="weights (.safetensors) to start from")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = RestoreRecipe(
        options.data,
        seed=options.seed,
        scale=options.scale,
        batch=options.batch,
        crop=options.crop,
        cache=options.cache,
        start=options.start,
    )
    try:
        train(recipe, run_settings(options))
    finally:
        recipe.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
