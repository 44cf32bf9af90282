import numpy as np
import pytest

from engine.stages.face_align import FaceCutter, similarity, template
from engine.stages.face_paste import FacePaster, feather, plan_paste
from tests.support.faces import face_at
from tests.support.scenes import scene

SIDE = 256


def photo() -> np.ndarray:
    """Return a picture (3, 240, 320) in colours, with edges and some grain."""
    plane = np.block([[scene(seed, 10, grain=0.01, grain_seed=seed) for seed in row] for row in ((1, 2), (3, 4))])
    return np.stack([plane, plane**1.2, 1 - plane]).astype(np.float32)


def matrix_of(x: float, y: float, side: float, turn: float = 0.0) -> np.ndarray:
    return similarity(face_at(x, y, side, turn=turn).points, template(SIDE))


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((first.astype(np.float64) - second) ** 2)))


def weight_of(*matrices: np.ndarray, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Return how much faces of white count in black."""
    paster = FacePaster(SIDE, 1, *size)
    black, out = np.zeros((2, 1, *size), np.float32)
    paster.begin()
    for matrix in matrices:
        paster.paste(np.ones((1, SIDE, SIDE), np.float32), matrix, 1.0, black, out)
    return out[0]


def test_the_feather_is_full_on_the_face_and_gone_at_the_edge() -> None:
    mask = feather(SIDE)
    eyes_and_mouth = np.rint(template(SIDE)).astype(int)
    assert (mask[eyes_and_mouth[:, 1], eyes_and_mouth[:, 0]] == 1).all()
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0
    assert (mask >= 0).all()
    steps = np.abs(np.diff(mask[SIDE // 2]))
    assert 0 < steps.max() < 3 / (0.2 * SIDE)  # no step anywhere: it falls over a fifth of the side


@pytest.mark.parametrize(
    ("x", "y", "side", "turn"),
    [
        (160, 120, 40, 0),
        (160, 120, 40, 33),
        (170, 110, 60, -20),
        (160, 120, 100, 12),
        (4, 100, 50, 10),
        (317, 236, 70, -5),
        (160, 2, 45, 90),
        (160, 120, 24, 180),
    ],
)
def test_a_face_given_back_unchanged_leaves_the_picture(x: float, y: float, side: float, turn: float) -> None:
    picture, matrix = photo(), matrix_of(x, y, side, turn)
    aligned, out = np.empty((3, SIDE, SIDE), np.float32), picture.copy()
    FaceCutter(SIDE, 240, 320).cut(picture, matrix, aligned)
    paster = FacePaster(SIDE, 3, 240, 320)
    paster.begin()
    paster.paste(aligned, matrix, 1.0, picture, out)
    assert (out != picture).any()
    weight = weight_of(matrix)
    assert psnr(out[:, weight > 0.5], picture[:, weight > 0.5]) >= 45
    assert not (out != picture)[:, weight == 0].any()


def test_what_is_drawn_into_a_face_comes_out_at_its_place() -> None:
    points = face_at(140, 130, 50, turn=25).points
    matrix = similarity(points, template(SIDE))
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    for place, (x, y) in zip(points, template(SIDE), strict=True):
        dot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.0**2)).astype(np.float32)[None]
        black, out = np.zeros((2, 1, 240, 320), np.float32)
        paster = FacePaster(SIDE, 1, 240, 320)
        paster.begin()
        paster.paste(dot, matrix, 1.0, black, out)
        mass = out[0] / out.sum()
        found = (mass * np.arange(320)).sum(), (mass.T * np.arange(240)).sum()
        assert found == pytest.approx(tuple(place), abs=0.1)


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
def test_strength_is_how_much_of_the_face_is_taken(strength: float) -> None:
    picture = np.full((1, 240, 320), 0.2, np.float32)
    out = picture.copy()
    paster = FacePaster(SIDE, 1, 240, 320)
    paster.begin()
    paster.paste(np.full((1, SIDE, SIDE), 0.8, np.float32), matrix_of(160, 120, 50), strength, picture, out)
    assert out[0, 120, 160] == pytest.approx(0.2 + 0.6 * strength, abs=1e-6)
    if strength == 0:
        np.testing.assert_array_equal(out, picture)


def test_faces_that_overlap_count_once() -> None:
    first, second = matrix_of(140, 120, 50), matrix_of(180, 125, 60)
    alone = np.maximum(weight_of(first), weight_of(second))
    np.testing.assert_allclose(weight_of(first, second), alone, atol=1e-5)
    np.testing.assert_allclose(weight_of(second, first), alone, atol=1e-5)


def test_the_next_picture_begins_without_faces() -> None:
    paster, matrix = FacePaster(SIDE, 1, 240, 320), matrix_of(160, 120, 50)
    for _ in range(2):
        black, out = np.zeros((2, 1, 240, 320), np.float32)
        paster.begin()
        paster.paste(np.ones((1, SIDE, SIDE), np.float32), matrix, 1.0, black, out)
        assert out.max() == pytest.approx(1.0)


def test_detail_finer_than_the_film_does_not_shimmer() -> None:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    texture = ((rows + columns) % 2).astype(np.float32)[None]
    levels = []
    for shift in np.linspace(0, 1, 5):
        black, out = np.zeros((2, 1, 240, 320), np.float32)
        paster = FacePaster(SIDE, 1, 240, 320)
        paster.begin()
        paster.paste(texture, matrix_of(160 + shift, 120, 28, 5), 1.0, black, out)
        levels.append(out[0, 117:124, 157:164])
    assert np.ptp(np.array(levels)) < 0.02


def test_a_face_beside_the_picture_does_nothing() -> None:
    paster, matrix = FacePaster(SIDE, 1, 240, 320), matrix_of(-200, 120, 50)
    assert plan_paste(matrix, SIDE, 240, 320, most=1) is None
    assert plan_paste(matrix_of(-20, 120, 50), SIDE, 240, 320, most=1) is not None
    black, out = np.zeros((2, 1, 240, 320), np.float32)
    paster.paste(np.ones((1, SIDE, SIDE), np.float32), matrix, 1.0, black, out)
    assert not out.any()
