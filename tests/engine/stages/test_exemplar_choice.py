from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import ConfigError
from engine.settings import ColorizeSettings
from engine.stages.colorize import Colorize
from engine.stages.exemplar_choice import AllAndNearest, MostAlike, look_of
from engine.stages.exemplars import read_exemplar
from engine.stages.lightness import lightness
from engine.stages.run import run_stage
from engine.types import Planes
from tests.support.chain import Source, film_spec
from tests.support.published_like import exemplar_colorizer, reference_encoder
from tests.support.tiny_models import FailingBackend

HEIGHT, WIDTH = 48, 72


def scene(seed: int, *, shift: float = 0.0) -> Planes:
    """Return a grey picture of a few discs and bars, moved to the right."""
    random = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH), random.uniform(0.2, 0.8), np.float32)
    for _ in range(6):
        x, y, side = random.uniform(0, WIDTH), random.uniform(0, HEIGHT), random.uniform(3, 15)
        grey = float(random.uniform(0, 1))
        if random.random() < 0.5:
            cv2.circle(picture, (round(x + shift), round(y)), round(side), grey, -1)
        else:
            corner = (round(x + shift + side), round(y + 3 * side))
            cv2.rectangle(picture, (round(x + shift), round(y)), corner, grey, -1)
    return cv2.GaussianBlur(picture, (0, 0), 1)


def write_reference(folder: Path, name: str, grey: Planes, a: float) -> Path:
    """Write a picture with that lightness and one a* everywhere."""
    lab = np.dstack([grey * 60 + 20, np.full_like(grey, a), np.zeros_like(grey)])
    rgb = np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2BGR), 0, 1)
    path = folder / name
    cv2.imwrite(str(path), np.rint(rgb * 65535).astype(np.uint16))
    return path


def aged(picture: Planes, seed: int = 0) -> Planes:
    """Return a picture as an old print shows it: another exposure, and grain."""
    grain = 0.03 * np.random.default_rng(seed).standard_normal(picture.shape)
    return np.clip(0.1 + 0.7 * picture**1.3 + grain, 0, 1).astype(np.float32)


def test_a_picture_is_most_like_itself_however_it_was_exposed() -> None:
    looks = [look_of(scene(seed)) for seed in range(8)]
    for seed in range(8):
        likeness = [float(look_of(aged(scene(seed, shift=2))) @ look) for look in looks]
        assert int(np.argmax(likeness)) == seed
        assert 0.5 < max(likeness) <= 1.0001
    assert float(looks[0] @ looks[0]) == pytest.approx(1, abs=1e-4)


def test_one_grey_has_a_look_too() -> None:
    look = look_of(np.full((HEIGHT, WIDTH), 0.5, np.float32))
    assert np.isfinite(look).all()


def test_the_most_alike_is_followed_throughout_a_shot() -> None:
    choice = MostAlike([None, None, None], [scene(seed) for seed in range(3)])
    assert choice.count == 1
    for seed, frame in ((2, 0), (0, 10), (1, 20)):
        choice.begin(aged(scene(seed)), frame)
        assert [list(choice.choose(frame + ahead)) for ahead in (0, 1, 500)] == [[seed]] * 3


def test_numbered_references_are_followed_nearest_first() -> None:
    choice = MostAlike([100, 200], [scene(0), scene(1)])
    choice.begin(scene(1), 0)
    assert [list(choice.choose(frame)) for frame in (0, 140, 160, 900)] == [[0], [0], [1], [1]]


def test_numbered_and_unnumbered_references_are_compared_shot_by_shot() -> None:
    choice = MostAlike([None, 100, 200], [scene(0), scene(1), scene(2)])
    choice.begin(aged(scene(0)), 190)
    assert list(choice.choose(190)) == [0]
    choice.begin(aged(scene(2)), 190)
    assert [list(choice.choose(frame)) for frame in (190, 120)] == [[2], [1]]


FILM = Path(__file__).resolve().parents[4] / "shared" / "data" / "film"


@pytest.mark.skipif(not FILM.is_dir(), reason="the film lies beside the checkout on the team's machines only")
def test_the_references_of_a_real_film_find_their_shots() -> None:
    av = pytest.importorskip("av")
    references = [
        read_exemplar(path, (224, 304), (160, 216), (224, 304))
        for path in sorted((FILM / "blast-effects-references").glob("*.png"))
    ]
    choice = MostAlike([None] * 4, [reference.lightness for reference in references])
    firsts = {0: 0, 44: 1, 134: 2, 299: 3}  # the film's shots, and the references painted of frames within them
    with av.open(str(FILM / "blast-effects.mp4")) as container:
        for number, picture in enumerate(container.decode(video=0)):
            if number in firsts:
                choice.begin(lightness(picture.to_ndarray(format="gray") / np.float32(255)), number)
                assert list(choice.choose(number)) == [firsts[number]]


def test_no_reference_is_no_choice() -> None:
    for choice in (MostAlike([], []), AllAndNearest([])):
        choice.begin(scene(0), 0)
        assert (choice.count, list(choice.choose(0))) == (0, [])


def colours(stage: Colorize, pictures: list[Planes], cuts: tuple[int, ...]) -> list[float]:
    """Return each frame's mean a*."""
    spec = film_spec(WIDTH, HEIGHT)
    found = []
    for frame in run_stage(stage, Source(spec).frames([picture[None] for picture in pictures], cuts)):
        assert frame.chroma is not None
        found.append(float(frame.chroma[0].mean()) * 255 - 128)
        frame.release()
    return found


def opened(folder: Path, references: list[Path], backend: OnnxRuntimeBackend | FailingBackend) -> Colorize:
    settings = ColorizeSettings(references=tuple(references), steadiness=0.0)  # the network alone
    stage = Colorize(exemplar_colorizer(folder), backend, settings, reference_model=reference_encoder(folder))
    stage.open(film_spec(WIDTH, HEIGHT))
    return stage


def test_each_shot_follows_its_reference_and_feeds_its_last_frame_back(tmp_path: Path) -> None:
    references = [write_reference(tmp_path, f"{name}.png", scene(seed), a) for seed, (name, a) in
                  enumerate((("red", 30.0), ("green", -20.0)))]  # fmt: skip
    backend = FailingBackend([])
    stage = opened(tmp_path, references, backend)
    assert backend.runs == 2  # each reference is encoded once
    pictures = [aged(scene(1), 1), aged(scene(1), 2), aged(scene(0), 3), aged(scene(0), 4), aged(scene(0), 5)]
    found = colours(stage, pictures, (0, 2))
    assert found == pytest.approx([-20, -30, 30, 45, 52.5], abs=1.0)
    assert backend.runs == 2 + 5
    stage.close()


def test_features_come_from_the_reference_model_and_see_its_colour(tmp_path: Path) -> None:
    path = write_reference(tmp_path, "red.png", np.full((HEIGHT, WIDTH), 0.5, np.float32), 44.0)
    stage = opened(tmp_path, [path], OnnxRuntimeBackend())
    colours(stage, [scene(0)], (0,))
    features = stage._inputs["reference_features"]
    assert features.shape[2] == stage._size[0] * stage._size[1] // 64
    np.testing.assert_allclose(features, 0.5 + 0.1 * 0.4, atol=0.01)
    np.testing.assert_allclose(stage._inputs["reference_ab"][0, 0], 0.4, atol=0.01)
    stage.close()


def test_a_model_that_only_follows_references_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got none; give one with --reference"):
        Colorize(exemplar_colorizer(tmp_path), OnnxRuntimeBackend(), ColorizeSettings())
