"""Colorizers without memory are held steady along the motion, within a shot, and no further."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import ConfigError
from engine.settings import ColorizeSettings
from engine.stages.colorize import Colorize
from engine.stages.run import run_stage
from engine.stages.steadiness import Steadiness
from engine.types import Planes
from tests.support.chain import Source, film_spec
from tests.support.published_like import flickering_colorizer
from tests.support.tiny_models import counting_colorizer

HEIGHT, WIDTH = 96, 128
SQUARE = 32
"""Side of the bright square that moves over the ground."""


def texture(seed: int, height: int, width: int) -> Planes:
    """Return smooth noise from 0 to 1."""
    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), np.empty(0), 0.0, 1.0, cv2.NORM_MINMAX)


def pan(count: int, speed: int = 3, *, grain: float = 0.01) -> Iterator[Planes]:
    """Yield grey pictures of a ground that moves to the left, with grain."""
    ground = 0.2 + 0.6 * texture(1, HEIGHT, WIDTH + speed * count)
    random = np.random.default_rng(2)
    for index in range(count):
        clean = ground[:, speed * index : speed * index + WIDTH]
        yield (clean + grain * random.standard_normal(clean.shape)).astype(np.float32)[None]


def crossing(count: int, speed: int = 6) -> Iterator[tuple[Planes, int]]:
    """Yield pictures of a bright square that moves to the right over dark ground, and its left edge."""
    ground, square = 0.05 + 0.25 * texture(3, HEIGHT, WIDTH), 0.65 + 0.3 * texture(4, SQUARE, SQUARE)
    for index in range(count):
        left = 10 + speed * index
        picture = ground.copy()
        picture[32 : 32 + SQUARE, left : left + SQUARE] = square
        yield picture[None], left


def coloured(folder: Path, pictures: list[Planes], steadiness: float, cuts: tuple[int, ...] = (0,)) -> list[Planes]:
    """Return a* of each frame, at half size, in units of the network."""
    stage = Colorize(flickering_colorizer(folder), OnnxRuntimeBackend(), ColorizeSettings(steadiness=steadiness))
    spec = film_spec(WIDTH, HEIGHT)
    stage.open(spec)
    found: list[Planes] = []
    for frame in run_stage(stage, Source(spec).frames(pictures, cuts)):
        assert frame.chroma is not None
        found.append((frame.chroma[0] * 255 - 128) / 110)
        frame.release()
    stage.close()
    return found


def change_along_pan(a: list[Planes], speed: int = 3) -> float:
    """Return the mean change of a* along the pan's motion; planes are of half size."""
    shifted = [cv2.warpAffine(p, np.array([[1, 0, -speed / 2], [0, 1, 0]]), p.shape[::-1]) for p in a]
    return float(np.mean([np.abs(q - p)[8:-8, 8:-12].mean() for p, q in zip(shifted, a[1:], strict=False)]))


@pytest.mark.parametrize(("grain", "factor"), [(0.0, 5), (0.03, 2)])
def test_flicker_is_a_fraction_of_what_it_was(tmp_path: Path, grain: float, factor: float) -> None:
    pictures = list(pan(12, grain=grain))
    wild, steady = (change_along_pan(coloured(tmp_path, pictures, amount)) for amount in (0.0, 0.8))
    assert wild > 0.1
    assert steady < wild / factor


def test_no_steadiness_is_what_the_network_says(tmp_path: Path) -> None:
    pictures = list(pan(4))
    first, alone = coloured(tmp_path, pictures, 0.0), coloured(tmp_path, [pictures[3]], 0.8)
    np.testing.assert_array_equal(first[3], alone[0])


def test_nothing_smears_where_something_was_hidden_or_uncovered(tmp_path: Path) -> None:
    pictures, lefts = zip(*crossing(10), strict=True)
    steady, wild = (coloured(tmp_path, list(pictures), amount) for amount in (0.9, 0.0))
    for index in range(1, 10):
        behind, right = lefts[index - 1] // 2, (lefts[index] + SQUARE) // 2
        uncovered, ahead = np.s_[20:28, behind : behind + 2], np.s_[20:28, right + 3 : right + 6]
        inside = np.s_[20:28, lefts[index] // 2 + 5 : lefts[index] // 2 + 11]
        assert steady[index][uncovered].mean() < wild[index][uncovered].mean() + 0.15, index  # no trail of the square's
        assert steady[index][ahead].mean() < -0.3, index
        assert steady[index][inside].mean() > 0.2, index


def test_colour_does_not_cross_a_cut(tmp_path: Path) -> None:
    bright = [picture + 0.1 for picture in pan(3)]
    dark = [picture - 0.5 for picture in bright]  # the same ground, so that the motion explains everything
    cut = coloured(tmp_path, bright + dark, 0.8, cuts=(0, 3))
    alone = coloured(tmp_path, dark, 0.8)
    for one, other in zip(cut[3:], alone, strict=True):
        np.testing.assert_array_equal(one, other)
    joined = coloured(tmp_path, bright + dark, 0.8)
    assert np.abs(joined[3] - alone[0]).mean() > 0.2


def test_nothing_is_carried_in_from_outside_the_picture() -> None:
    steadiness = Steadiness((HEIGHT, WIDTH), (HEIGHT, WIDTH), 1.0)
    for index, picture in enumerate(pan(2, speed=8, grain=0.0)):
        ab = np.full((2, HEIGHT, WIDTH), float(index), np.float32)
        steadiness.steady(picture[0], ab)
    assert ab[:, :, -4:].min() > 0.9
    assert ab[:, 16:-16, 16:-24].mean() < 0.3


def test_nothing_the_size_of_a_picture_is_allocated() -> None:
    steadiness, ab = Steadiness((HEIGHT, WIDTH), (HEIGHT, WIDTH), 0.8), np.zeros((2, HEIGHT, WIDTH), np.float32)
    pictures = [picture[0] for picture in pan(4)]
    for picture in pictures[:3]:
        steadiness.steady(picture, ab)
    tracemalloc.start()
    steadiness.steady(pictures[3], ab)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < HEIGHT * WIDTH


@pytest.mark.parametrize(
    "wrong", [{"steadiness": -0.1}, {"steadiness": 1.5}, {"working_size": 8}, {"working_size": 10000}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="wanted"):
        ColorizeSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("width", "height"), [(5, 3), (200, 9), (31, 300)])
def test_pictures_too_small_for_motion_are_coloured_as_they_are(tmp_path: Path, width: int, height: int) -> None:
    settings = ColorizeSettings(working_size=max(16, round((width * height) ** 0.5)))
    stage = Colorize(flickering_colorizer(tmp_path, multiple=1), OnnxRuntimeBackend(), settings)
    spec = film_spec(width, height)
    stage.open(spec)
    for frame in run_stage(stage, Source(spec).frames([0.2, 0.3])):
        assert frame.chroma is not None
        frame.release()
    assert stage.failures.total == 0
    stage.close()


def test_a_model_with_states_is_left_alone(tmp_path: Path) -> None:
    for steadiness in (0.0, 0.9):
        stage = Colorize(counting_colorizer(tmp_path), OnnxRuntimeBackend(), ColorizeSettings(steadiness=steadiness))
        spec = film_spec()
        stage.open(spec)
        found = []
        for frame in run_stage(stage, Source(spec).frames([0.5] * 3)):
            assert frame.chroma is not None
            found.append(round(float(frame.chroma[1].mean()) * 255 - 128, 2))
            frame.release()
        assert found == [5.5, 11.0, 16.5]
        stage.close()


@pytest.mark.parametrize(("side", "wanted"), [(None, (64, 88)), (32, (24, 40)), (100, (88, 112))])
def test_the_working_size_is_the_settings_or_the_models_own(
    tmp_path: Path, side: int | None, wanted: tuple[int, int]
) -> None:
    settings = ColorizeSettings(working_size=side)
    stage = Colorize(flickering_colorizer(tmp_path), OnnxRuntimeBackend(), settings)
    stage.open(film_spec(161, 121))
    assert stage._outputs["ab"].shape[2:] == wanted
    stage.close()


def led(pictures: list[Planes], reference: Planes, *, colour: float = 0.7, own: float = 0.2) -> list[float]:
    """Return the colour that reaches the middle of each picture from a reference; the network's own is `own`."""
    steadiness = Steadiness((HEIGHT, WIDTH), (HEIGHT, WIDTH), 0.8)
    steadiness.anchor(reference[0], np.full((2, HEIGHT, WIDTH), colour, np.float32))
    found: list[float] = []
    for picture in pictures:
        ab = np.full((2, HEIGHT, WIDTH), own, np.float32)
        steadiness.steady(picture[0], ab)
        found.append(float(ab[0, 24:-24, 24:-40].mean()))
    return found


def test_a_reference_that_shows_the_film_gives_its_colours_to_the_whole_shot() -> None:
    pictures = list(pan(12))
    assert min(led(pictures, pictures[0])) > 0.65


def test_it_need_not_show_the_very_frame() -> None:
    pictures = list(pan(8, grain=0.005))
    assert led(pictures[3:], pictures[0])[0] > 0.6


@pytest.mark.parametrize("reference", [texture(9, HEIGHT, WIDTH), np.full((HEIGHT, WIDTH), 0.5, np.float32)])
def test_a_reference_of_something_else_leaves_the_colours_alone(reference: Planes) -> None:
    assert led(list(pan(4)), reference[None]) == pytest.approx([0.2] * 4, abs=1e-6)


def test_what_a_reference_does_not_show_has_the_networks_colour() -> None:
    pictures = [picture for picture, _ in crossing(6)]
    lefts = [left for _, left in crossing(6)]
    ground = pictures[0].copy()
    ground[0, 32 : 32 + SQUARE, lefts[0] : lefts[0] + SQUARE] = (0.05 + 0.25 * texture(3, HEIGHT, WIDTH))[
        32 : 32 + SQUARE, lefts[0] : lefts[0] + SQUARE
    ]
    steadiness = Steadiness((HEIGHT, WIDTH), (HEIGHT, WIDTH), 0.8)
    steadiness.anchor(ground[0], np.full((2, HEIGHT, WIDTH), 0.7, np.float32))
    ab = np.full((2, HEIGHT, WIDTH), 0.2, np.float32)
    steadiness.steady(pictures[0][0], ab)
    assert ab[0, 42 : 22 + SQUARE, lefts[0] + 10 : lefts[0] + SQUARE - 10].mean() < 0.3
    assert ab[0, 70:, 48:].mean() > 0.6


def test_what_comes_back_is_coloured_by_the_reference_again() -> None:
    """The square hides ground for a while; what it uncovers is asked of the reference, which still shows it."""
    pictures, lefts = zip(*crossing(10), strict=True)
    ground = np.where(np.arange(WIDTH)[None] < 64, 0.7, -0.7).astype(np.float32) * np.ones((HEIGHT, 1), np.float32)
    bare = (0.05 + 0.25 * texture(3, HEIGHT, WIDTH)).astype(np.float32)
    steadiness = Steadiness((HEIGHT, WIDTH), (HEIGHT, WIDTH), 0.8)
    steadiness.anchor(bare, np.stack([ground, ground]))
    for picture in pictures:
        ab = np.zeros((2, HEIGHT, WIDTH), np.float32)
        steadiness.steady(np.ascontiguousarray(picture[0], np.float32), ab)
    uncovered = np.s_[36 : 28 + SQUARE, lefts[0] + 4 : lefts[0] + 28]
    assert np.abs(ab[0][uncovered] - ground[uncovered]).mean() < 0.1


def test_a_long_shot_keeps_a_reference_as_sharp_as_it_is() -> None:
    picture = next(pan(1))[0]
    stripes = np.tile(np.float32([0.6, 0.6, -0.6, -0.6]), (HEIGHT, WIDTH // 4))
    steadiness = Steadiness((HEIGHT, WIDTH), (HEIGHT, WIDTH), 0.8)
    steadiness.anchor(picture, np.stack([stripes, stripes]))
    random = np.random.default_rng(6)
    for _ in range(40):
        ab = np.zeros((2, HEIGHT, WIDTH), np.float32)
        grainy = picture + 0.01 * random.standard_normal(picture.shape).astype(np.float32)
        steadiness.steady(grainy.astype(np.float32), ab)
    assert np.abs(ab[0] - stripes).mean() < 0.12


def test_a_reference_lends_nothing_to_what_follows_an_unseen_cut() -> None:
    steadiness = Steadiness((HEIGHT, WIDTH), (HEIGHT, WIDTH), 0.8)
    pictures = list(pan(2))
    steadiness.anchor(pictures[0][0], np.ones((2, HEIGHT, WIDTH), np.float32))
    steadiness.steady(pictures[1][0], np.zeros((2, HEIGHT, WIDTH), np.float32))
    shares: list[float] = []
    random = np.random.default_rng(8)
    for _ in range(10):
        ab = np.zeros((2, HEIGHT, WIDTH), np.float32)
        grain = 0.01 * random.standard_normal((HEIGHT, WIDTH)).astype(np.float32)
        steadiness.steady(0.2 + 0.6 * texture(12, HEIGHT, WIDTH) + grain, ab)
        shares.append(float(ab.mean()))
    assert max(shares) < 0.15
    assert shares[-1] <= shares[0] + 0.01


def test_a_reference_refused_at_its_first_picture_is_not_looked_for_again() -> None:
    steadiness = Steadiness((HEIGHT, WIDTH), (HEIGHT, WIDTH), 0.8)
    pictures = list(pan(3))
    steadiness.anchor(texture(9, HEIGHT, WIDTH), np.ones((2, HEIGHT, WIDTH), np.float32))
    for picture in pictures:
        ab = np.zeros((2, HEIGHT, WIDTH), np.float32)
        steadiness.steady(picture[0], ab)
        assert not ab.any()
    assert not steadiness._reference.is_there
