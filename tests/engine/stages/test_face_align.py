import numpy as np
import pytest

from engine.errors import ShapeError
from engine.stages.face_align import (
    TEMPLATE,
    FaceCutter,
    apply,
    chain,
    footprint,
    halvings,
    resizing,
    scale_of,
    similarity,
    template,
)


def turned(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, shift])


@pytest.mark.parametrize(("scale", "degrees"), [(1.0, 0.0), (0.1, 30.0), (4.0, -75.0), (0.7, 180.0)])
def test_a_known_similarity_is_found(scale: float, degrees: float) -> None:
    known = turned(scale, degrees, (31.0, -12.0))
    found = similarity(apply(known, TEMPLATE), TEMPLATE)
    assert scale_of(found) == pytest.approx(1 / scale)
    np.testing.assert_allclose(chain(known, found), turned(1.0, 0.0, (0.0, 0.0)), atol=1e-9)


def test_no_other_similarity_comes_nearer() -> None:
    generator = np.random.default_rng(1)
    points = TEMPLATE / 3 + generator.normal(0, 4, (5, 2))
    found = similarity(points, TEMPLATE)
    least = ((apply(found, points) - TEMPLATE) ** 2).sum()
    for _ in range(200):
        other = chain(found, turned(*(1.0 + 0.01 * generator.normal(), generator.normal()), (0.0, 0.0)))
        other[:, 2] += generator.normal(0, 0.5, 2)
        assert ((apply(other, points) - TEMPLATE) ** 2).sum() >= least


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    assert np.linalg.det(similarity(TEMPLATE * (-1.0, 1.0), TEMPLATE)[:, :2]) > 0


def test_points_in_one_place_are_no_face() -> None:
    with pytest.raises(ShapeError, match="five points in one place"):
        similarity(np.full((5, 2), 7.0), TEMPLATE)


def test_the_template_goes_with_the_size() -> None:
    np.testing.assert_array_equal(template(512), TEMPLATE)
    np.testing.assert_array_equal(template(256) * 2, TEMPLATE)


def test_resizing_keeps_outer_edges() -> None:
    np.testing.assert_allclose(
        apply(resizing(0.5, 2.0), np.array([[-0.5, -0.5], [9.5, 9.5]])), [[-0.5, -0.5], [4.5, 19.5]]
    )


def test_halvings_are_powers_of_two_from_one() -> None:
    assert [halvings(value) for value in (0.1, 1.0, 1.99, 2.0, 7.9, 8.0)] == [1, 1, 1, 2, 4, 8]


def test_a_footprint_is_cut_at_the_frame() -> None:
    outline = np.array([[0.0, 0.0], [64, 0], [0, 64], [64, 64]])
    box = footprint(turned(2.0, 0.0, (20.0, -40.0)), outline, 100, 100)
    assert box is not None
    assert (box.left, box.top, box.right, box.bottom) == (0, 20, 23, 53)
    assert footprint(turned(2.0, 0.0, (100.0, 0.0)), outline, 100, 100) is None


@pytest.mark.parametrize("scale", [5.0, 1.3, 0.8, 0.45, 0.2, 0.11])
@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_each_pixel_of_a_face_is_cut_from_its_place(scale: float, degrees: float) -> None:
    # in a picture whose values are its own coordinates, an aligned face tells where it was cut
    rows, columns = np.mgrid[0:301, 0:403].astype(np.float32)
    picture = np.stack([columns, rows]) / 512
    side = 48
    matrix = chain(turned(1.0, 0.0, (-200.0, -150.0)), turned(scale, degrees, (side / 2, side / 2)))
    aligned = np.empty((2, side, side), np.float32)
    FaceCutter(side, 301, 403).cut(picture, matrix, aligned)
    there = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(np.float64)
    back = np.linalg.solve(matrix[:, :2], (there - matrix[:, 2]).T).T
    margin = 8 * max(1.0, 1 / scale)  # what interpolation reaches
    inside = ((back > margin) & (back < (402 - margin, 300 - margin))).all(axis=1)
    assert inside.sum() > 200
    found = aligned.reshape(2, -1).T * 512
    # OpenCV rounds a place to 1/32 of a pixel of what it cuts from, which may have been reduced
    np.testing.assert_allclose(found[inside], back[inside], atol=0.05 * max(1.0, 1 / scale))


def test_beyond_the_frame_its_edge_is_repeated() -> None:
    picture = np.full((1, 40, 40), 0.6, np.float32)
    aligned = np.empty((1, 64, 64), np.float32)
    for scale in (2.0, 0.3):
        FaceCutter(64, 40, 40).cut(picture, turned(scale, 10.0, (30.0, 30.0)), aligned)
        np.testing.assert_allclose(aligned, 0.6, atol=1e-6)


def test_a_large_face_does_not_fold_over() -> None:
    rows, columns = np.mgrid[0:512, 0:512]
    picture = ((rows + columns) % 2).astype(np.float32)[None]  # the finest there is: it must become even grey
    aligned = np.empty((1, 64, 64), np.float32)
    FaceCutter(64, 512, 512).cut(picture, turned(0.2, 7.0, (-10.0, -20.0)), aligned)
    assert aligned[:, 8:-8, 8:-8].std() < 0.02
