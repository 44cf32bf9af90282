"""Train film-colorize on photographs and clips: automatic, led by a reference, and steady from frame to frame.

``python -m export.training.colorize --data DIR --out DIR --minutes 30 [--resume]``
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.media.colour_error import chroma_psnr, ciede2000, colourfulness
from export.networks.film_colorize import FilmColorize
from export.training.colour_loss import colour_difference, guess_loss, weighted_difference
from export.training.footage import load_footage
from export.training.loop import add_run_arguments, run_settings, train
from export.training.pool import Pool, step_generator

HEIGHT, WIDTH = 96, 128
"""Of training pictures: parts of pictures, seen as large as in whole ones of the working size."""
CLIP_SHARE = 0.1
LED_SHARES, LED_FROM, LED_COST = (0.15, 0.35), 5000, 3
"""Shares of steps that train references and steadiness, before a step and from it on: first what things are, then how
to follow; and by how much a picture of these costs more."""
GUESS_WEIGHT = 0.05
COLOURED = 3.0
"""Colourfulness from which a held-out photograph is measured: grey ones have no colour to be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A picture, the one before it, and a reference for it.

    Attributes
    ----------
    luma, ab : float32 (1, h, w) and (2, h, w): L*/100, a*/110 and b*/110
    previous_luma : float32 (1, h, w), the frame before
    reference_luma, reference_ab : float32 (1, h, w) and (2, h, w)
    is_alike : the reference shows the same scene
    """

    luma: np.ndarray
    ab: np.ndarray
    previous_luma: np.ndarray
    reference_luma: np.ndarray
    reference_ab: np.ndarray
    is_alike: bool


class ColorizeRecipe:
    """Material and loss for film-colorize.

    Parameters
    ----------
    data : folder with photos/ and clips/
    seed : of the material
    batch : samples per step
    cache : folder for decoded clips
    blocks : how many blocks of material a step draws from
    """

    name = "film-colorize"

    def __init__(
        self, data: Path, *, seed: int = 0, batch: int = 8, cache: Path | None = None, blocks: int = 10
    ) -> None:
        self._seed, self._batch = seed, batch
        self._train = load_footage(data, "train", cache=cache)
        self._held_out = load_footage(data, "held-out", cache=cache)
        self._pool = Pool(self._make_block, seed=seed, blocks=blocks, steps_per_block=3)

    def network(self) -> nn.Module:
        """Make the untrained network."""
        return FilmColorize()

    def loss(self, network: nn.Module, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Return the loss of one step: of automatic colour, or of colour led by references and the past."""
        assert isinstance(network, FilmColorize)
        rng = step_generator(self._seed, step)
        scenes = self._pool.at(step)
        is_led = rng.random() < LED_SHARES[step >= LED_FROM]
        count = max(1, self._batch // LED_COST) if is_led else self._batch
        chosen = [scenes[int(i)] for i in rng.choice(len(scenes), count)]
        return self._led(network, chosen, rng) if is_led else self._automatic(network, chosen)

    def _automatic(self, network: FilmColorize, scenes: Sequence[Scene]) -> tuple[Tensor, Mapping[str, float]]:
        """Return the loss of colour without references and without a past."""
        luma, ab = _stacked(scenes, "luma"), _stacked(scenes, "ab")
        x4, own, made = network.automatic_colour(luma)
        wanted4 = functional.avg_pool2d(ab, 4)
        colour = weighted_difference(made, functional.avg_pool2d(ab, 2)).mean()
        total = (
            colour
            + 0.5 * weighted_difference(own, wanted4).mean()
            + GUESS_WEIGHT * guess_loss(network.guess(x4), wanted4)
        )
        return total, {"colour": float(colour.detach())}

    def _led(
        self, network: FilmColorize, scenes: Sequence[Scene], rng: np.random.Generator
    ) -> tuple[Tensor, Mapping[str, float]]:
        """Return the loss of led colour: colour, what the references offer, when to follow them, steadiness."""
        luma, ab, previous_luma, reference_luma, reference_ab = (
            _stacked(scenes, name) for name in ("luma", "ab", "previous_luma", "reference_luma", "reference_ab")
        )
        has_reference = torch.tensor(rng.random(len(scenes)) < 0.9).float()
        has_past = torch.tensor(rng.random(len(scenes)) < 0.6).float().view(-1, 1, 1, 1)
        alike = torch.tensor([float(scene.is_alike) for scene in scenes]) * has_reference
        tokens = network.describe(network.encode(reference_luma))[1]
        valid = has_reference.view(-1, 1).expand(-1, tokens.shape[2] * tokens.shape[3])
        tokens = tokens.flatten(2) * valid.unsqueeze(1)
        small_ab = functional.avg_pool2d(reference_ab, network.token_cell).flatten(2) * valid.unsqueeze(1)
        nothing = torch.zeros_like(luma), torch.zeros_like(ab)
        with torch.no_grad():
            past_ab = network(previous_luma, tokens.detach(), small_ab, valid, *nothing)[0] * has_past
            past_luma = previous_luma * has_past
        x4 = network.encode(luma)
        proposal = network.propose(x4, network.describe(x4)[0], tokens, small_ab, valid)
        made = network.steady(x4, luma, network.paint(x4, proposal), past_luma, past_ab)
        wanted4 = functional.avg_pool2d(ab, 4)
        own, offered = colour_difference(proposal.automatic, wanted4), colour_difference(proposal.found, wanted4)
        better = torch.sigmoid((own.detach() - offered.detach()) * 0.5)
        follow = functional.binary_cross_entropy(proposal.follow[:, 0].clamp(1e-4, 1 - 1e-4), better, reduction="none")
        still = ((luma - previous_luma).abs() < 0.03).float() * has_past
        unsteady = ((made - past_ab).abs() * still).mean()
        total = weighted_difference(made, ab).mean() + 0.5 * weighted_difference(proposal.automatic, wanted4).mean()
        total = total + 0.5 * (weighted_difference(proposal.found, wanted4) * alike.view(-1, 1, 1)).mean()
        total = total + 0.3 * (follow * has_reference.view(-1, 1, 1)).mean() + 3.0 * unsteady
        return total, {"led": float(total.detach()), "unsteady": float(unsteady.detach())}

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Measure on held-out photographs (automatic; led by a mirrored, cut-out copy) and clips (led by frame 0)."""
        automatic, led, clips = [], [], []
        rng = np.random.default_rng(5)
        for photo in self._held_out.photos:
            picture = _framed(photo, 256, 320)
            if colourfulness(picture) < COLOURED:
                continue
            luma, ab = to_lab(picture)
            automatic.append(_scores(luma, ab, colorize(network, luma)))
            reference = to_lab(_moved(picture, rng, reach=0.2, is_mirrored=True))
            led.append(_scores(luma, ab, colorize(network, luma, reference)))
        for clip in self._held_out.clips:
            first = to_lab(_framed(clip[0], 256, 320))
            for index in (8, 16, 24):
                luma, ab = to_lab(_framed(np.asarray(clip[min(index, len(clip) - 1)]), 256, 320))
                clips.append(_scores(luma, ab, colorize(network, luma, first)))
        metrics: dict[str, float] = {}
        for label, scores in (("automatic", automatic), ("reference", led), ("clip_reference", clips)):
            if scores:
                names = ("chroma_psnr", "chroma_psnr_grey", "ciede2000", "ciede2000_grey", "colourfulness")
                metrics |= {f"{label}_{n}": float(v) for n, v in zip(names, np.mean(scores, 0), strict=True)}
        return metrics

    def close(self) -> None:
        """Stop making material."""
        self._pool.close()

    def _make_block(self, rng: np.random.Generator) -> list[Scene]:
        return [self._scene(rng) for _ in range(self._batch)]

    def _scene(self, rng: np.random.Generator) -> Scene:
        if self._train.clips and (rng.random() < CLIP_SHARE or not self._train.photos):
            clip = self._train.clips[int(rng.integers(len(self._train.clips)))]
            index = int(rng.integers(1, len(clip)))
            far = int(np.clip(index + rng.integers(-40, 41), 0, len(clip) - 1))
            cut = _random_cut(clip.shape[1], clip.shape[2], rng)
            picture, before, reference = (_resized(np.asarray(clip[i]), cut) for i in (index, index - 1, far))
            if rng.random() < 0.5:
                picture, before = (np.ascontiguousarray(p[:, ::-1]) for p in (picture, before))
        else:
            photo = self._train.photos[int(rng.integers(len(self._train.photos)))]
            picture = _resized(photo, _random_cut(photo.shape[0], photo.shape[1], rng))
            if rng.random() < 0.5:
                picture = np.ascontiguousarray(picture[:, ::-1])
            before = _moved(picture, rng, reach=0.015)
            reference = _moved(picture, rng, reach=0.25, is_mirrored=rng.random() < 0.5)
        is_alike = rng.random() < 0.8
        if not is_alike and self._train.photos:
            photo = self._train.photos[int(rng.integers(len(self._train.photos)))]
            reference = _resized(photo, _random_cut(photo.shape[0], photo.shape[1], rng))
        luma, ab = to_lab(picture)
        reference_luma, reference_ab = to_lab(reference)
        film = FilmLook(rng)
        return Scene(
            luma=film(picture, luma),
            ab=ab,
            previous_luma=film(before, to_lab(before)[0]),
            reference_luma=reference_luma,
            reference_ab=reference_ab,
            is_alike=is_alike,
        )


def to_lab(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert uint8 RGB (h, w, 3) to L*/100 (1, h, w) and ab/110 (2, h, w), float32."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).transpose(2, 0, 1)
    return np.ascontiguousarray(lab[:1] / 100), np.ascontiguousarray(lab[1:] / 110)


def to_rgb(luma: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """Convert L*/100 (1, h, w) and ab/110 (2, h, w) to uint8 RGB (h, w, 3)."""
    lab = np.concatenate([luma * 100, ab * 110]).transpose(1, 2, 0).astype(np.float32)
    return np.round(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * 255).astype(np.uint8)


def colorize(
    network: nn.Module, luma: np.ndarray, reference: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """Colour one picture at the working size: ab (2, h, w) for luma (1, h, w), led by a reference's (luma, ab)."""
    assert isinstance(network, FilmColorize)
    with torch.no_grad():
        picture = _at_work(luma)
        if reference is None:
            tokens, small_ab, valid = (
                torch.zeros(1, network.feature_channels, 1),
                torch.zeros(1, 2, 1),
                torch.zeros(1, 1),
            )
        else:
            tokens = network.describe(network.encode(_at_work(reference[0])))[1].flatten(2)
            small_ab = functional.avg_pool2d(_at_work(reference[1]), network.token_cell).flatten(2)
            valid = torch.ones(1, tokens.shape[2])
        nothing = torch.zeros_like(picture), torch.zeros(1, 2, *picture.shape[2:])
        made = network(picture, tokens, small_ab, valid, *nothing)[0]
        return functional.interpolate(made, luma.shape[1:], mode="bilinear", align_corners=False)[0].numpy()


def _at_work(planes: np.ndarray) -> Tensor:
    """Reduce planes (C, h, w) to the working size, (1, C, ...)."""
    height, width = FilmColorize.working_size
    small = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in planes]
    return torch.from_numpy(np.stack(small)[None])


def _scores(luma: np.ndarray, ab: np.ndarray, made: np.ndarray) -> tuple[float, ...]:
    wanted, found, grey = (
        np.concatenate([luma * 100, planes * 110]).transpose(1, 2, 0) for planes in (ab, made, np.zeros_like(ab))
    )
    return (
        chroma_psnr(made, ab),
        chroma_psnr(np.zeros_like(ab), ab),
        float(ciede2000(found, wanted).mean()),
        float(ciede2000(grey, wanted).mean()),
        colourfulness(to_rgb(luma, made)),
    )


def _stacked(scenes: Sequence[Scene], name: str) -> Tensor:
    return torch.from_numpy(np.stack([getattr(scene, name) for scene in scenes]))


def _random_cut(height: int, width: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Choose a part of a picture with about the training pictures' aspect."""
    share, aspect = rng.uniform(0.4, 1.0), WIDTH / HEIGHT * math.exp(rng.uniform(-0.2, 0.2))
    wide = int(min(width, height * aspect) * share)
    high = min(height, int(wide / aspect))
    top, left = int(rng.integers(0, height - high + 1)), int(rng.integers(0, width - wide + 1))
    return slice(top, top + high), slice(left, left + wide)


def _resized(picture: np.ndarray, cut: tuple[slice, slice]) -> np.ndarray:
    return cv2.resize(picture[cut], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def _framed(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut the middle of a picture to an aspect and bring it to this size."""
    high, wide = picture.shape[:2]
    wide_kept, high_kept = min(wide, high * width // height), min(high, wide * height // width)
    top, left = (high - high_kept) // 2, (wide - wide_kept) // 2
    return cv2.resize(
        picture[top : top + high_kept, left : left + wide_kept], (width, height), interpolation=cv2.INTER_AREA
    )


def _moved(picture: np.ndarray, rng: np.random.Generator, *, reach: float, is_mirrored: bool = False) -> np.ndarray:
    """Return the picture as seen a moment later, or from elsewhere: turned, zoomed, shifted by up to `reach`."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(
        (width / 2, height / 2), float(rng.normal(0, 40 * reach)), float(np.exp(rng.normal(0.3 * reach, reach / 2)))
    )
    matrix[:, 2] += rng.uniform(-reach, reach, 2) * (width, height)
    moved = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.ascontiguousarray(moved[:, ::-1]) if is_mirrored else moved


class FilmLook:
    """How one black-and-white film sees scenes: its sensitivity to colours, its contrast, its grain."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._mix = rng.dirichlet((2.0, 3.0, 2.0)).astype(np.float32) if rng.random() < 0.35 else None
        self._contrast = np.float32(rng.uniform(0.75, 1.1) if rng.random() < 0.5 else 1.0)
        self._lift = np.float32(rng.uniform(0, 0.08) if rng.random() < 0.3 else 0.0)
        self._grain = np.float32(rng.uniform(0, 0.03) if rng.random() < 0.4 else 0.0)

    def __call__(self, rgb: np.ndarray, luma: np.ndarray) -> np.ndarray:
        """Return L*/100 (1, h, w) as this film shows a scene given as uint8 RGB and true L*/100."""
        if self._mix is not None:
            seen = (rgb.astype(np.float32) @ self._mix)[..., None].repeat(3, -1)
            luma = to_lab(np.clip(seen, 0, 255).astype(np.uint8))[0]
        if self._grain:
            luma = luma + self._grain * self._rng.standard_normal(luma.shape, np.float32)
        return np.clip((luma - 0.5) * self._contrast + 0.5 + self._lift, 0, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recipe."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_run_arguments(parser)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = ColorizeRecipe(options.data, seed=options.seed, batch=options.batch, cache=options.cache)
    try:
        train(recipe, run_settings(options))
    finally:
        recipe.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
