from collections.abc import Callable, Sequence

import numpy as np
import pytest

from engine.stages.face_detect import Face
from engine.stages.face_track import CUTOFF_BY_SPEED, FADE, HOLD, LEASH, FaceTracker, Track
from tests.support.faces import face_at

SIDE = 100.0
NOISE = 0.008
"""Sides by which a detector's points tremble."""


def tracker(*, confidence: float = 0.7, smallest: float = 40, most: int = 8) -> FaceTracker:
    return FaceTracker(confidence=confidence, smallest=smallest, most=most)


def rms(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=-1).mean()))


def follow(path: Sequence[float], *, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Follow one face moving along x; return its points in truth, as detected and as smoothed, (frames, 5, 2)."""
    generator, follower = np.random.default_rng(5), tracker()
    truth, detected, smoothed = [], [], []
    for x in path:
        face = face_at(x, 200, SIDE, noise=generator.normal(0, noise * SIDE, (5, 2)) if noise else 0.0)
        (track,) = follower.update([face])
        truth.append(face_at(x, 200, SIDE).points)
        detected.append(face.points)
        smoothed.append(track.points)
    return np.array(truth), np.array(detected), np.array(smoothed)


def tremble(points: np.ndarray, truth: np.ndarray) -> float:
    """Return how much the error changes from one frame to the next, pixels."""
    return rms(np.diff((points - truth)[20:], axis=0))


@pytest.mark.parametrize(("speed", "least"), [(0.0, 5.0), (0.01, 2.5), (0.05, 1.5)])
def test_smoothed_points_tremble_less(speed: float, least: float) -> None:
    truth, detected, smoothed = follow([100 + speed * SIDE * frame for frame in range(150)], noise=NOISE)
    assert tremble(detected, truth) > least * tremble(smoothed, truth)


@pytest.mark.parametrize("speed", [0.002, 0.01, 0.05, 0.3])
def test_the_lag_of_a_steady_motion_is_bounded(speed: float) -> None:
    truth, _, smoothed = follow([100 + speed * SIDE * frame for frame in range(60)])
    assert rms((truth - smoothed)[-1]) < SIDE / (2 * np.pi * CUTOFF_BY_SPEED)


@pytest.mark.parametrize("noise", [0.0, NOISE])
def test_no_start_turn_or_stop_outruns_the_leash(noise: float) -> None:
    legs = [np.full(10, 0.0), np.linspace(0, 300, 12), np.linspace(300, -200, 10), np.full(10, -200.0)]
    _, detected, smoothed = follow(np.concatenate(legs).tolist(), noise=noise)
    assert max(rms(frame) for frame in detected - smoothed) <= LEASH * SIDE * (1 + 1e-6)


def test_a_face_that_stops_is_not_carried_past_its_place() -> None:
    truth, _, smoothed = follow([*np.linspace(0, 200, 20), *[200.0] * 30])
    assert (smoothed[..., 0] <= truth[-1, :, 0] + 1e-9).all()
    assert rms((truth - smoothed)[-1]) < 0.1


def test_a_new_shot_begins_where_its_face_is() -> None:
    follower = tracker()
    for frame in range(20):
        follower.update([face_at(100 + frame, 100, SIDE)])
    follower.reset()
    (track,) = follower.update([face_at(130, 105, SIDE)])
    np.testing.assert_array_equal(track.points, face_at(130, 105, SIDE).points)
    assert (track.number, track.weight) == (0, 1.0)


def test_a_face_that_is_missed_is_carried_on_as_it_moved() -> None:
    follower = tracker()
    for frame in range(40):
        follower.update([face_at(100 + 3 * frame, 100, SIDE)])
    for frame in range(40, 40 + HOLD):
        (track,) = follower.update([])
        assert track.weight == 1.0
        assert rms(track.points - face_at(100 + 3 * frame, 100, SIDE).points) < 0.05 * SIDE
    (track,) = follower.update([face_at(100 + 3 * (40 + HOLD), 100, SIDE)])
    assert (track.number, track.weight) == (0, 1.0)


def test_a_face_that_is_gone_fades_out() -> None:
    follower = tracker()
    follower.update([face_at(100, 100, SIDE)])
    weights = [[track.weight for track in follower.update([])] for _ in range(HOLD + FADE + 1)]
    wanted = [[1.0]] * HOLD + [[step / FADE] for step in range(FADE - 1, 0, -1)] + [[], []]
    assert weights == [pytest.approx(row) for row in wanted]


def test_a_face_that_comes_fades_in_and_one_of_a_shots_first_frame_is_there() -> None:
    follower = tracker()
    (track,) = follower.update([face_at(100, 100, SIDE)])
    assert track.weight == 1.0
    coming = [follower.update([face_at(100, 100, SIDE), face_at(400, 100, SIDE)])[1].weight for _ in range(FADE + 1)]
    assert coming == pytest.approx([min(1.0, step / FADE) for step in range(1, FADE + 2)])


def test_faces_that_cross_keep_their_numbers() -> None:
    follower = tracker()
    for frame in range(60):
        faces = [face_at(100 + 6 * frame, 100, SIDE), face_at(460 - 6 * frame, 150, SIDE)]
        tracks = follower.update(faces if frame % 2 else faces[::-1])
        if frame == 0:
            first = {track.number: track.points[0, 0] < 250 for track in tracks}
    for track in tracks:
        assert first[track.number] == (track.points[0, 0] > 300)


def run(follower: FaceTracker, faces: Callable[[int], list[Face]], frames: int) -> list[list[Track]]:
    return [follower.update(faces(frame)) for frame in range(frames)]


def test_a_weaker_face_goes_on_but_does_not_begin() -> None:
    assert run(tracker(), lambda frame: [face_at(100, 100, SIDE, score=0.6)], 5) == [[]] * 5
    scores = [0.8, *[0.6] * 20]
    tracks = run(tracker(), lambda frame: [face_at(100, 100, SIDE, score=scores[frame])], 21)
    assert [track.weight for row in tracks for track in row] == [1.0] * 21


def test_a_face_about_as_large_as_the_smallest_does_not_come_and_go() -> None:
    assert run(tracker(smallest=40), lambda frame: [face_at(100, 100, 38.0)], 3) == [[]] * 3
    tracks = run(tracker(smallest=40), lambda frame: [face_at(100, 100, 40.5 - frame % 2)], 20)
    assert [len(row) for row in tracks] == [1] * 20


def test_of_too_many_faces_the_largest_are_restored() -> None:
    faces = [face_at(100 + 150 * place, 100, side) for place, side in enumerate((50, 90, 60, 80))]
    tracks = tracker(most=2).update(faces)
    assert sorted(track.side for track in tracks) == [80, 90]


def test_of_too_many_faces_about_as_large_the_same_stay() -> None:
    follower = tracker(most=1)
    for frame in range(30):
        faces = [face_at(100, 100, 80 + frame % 2), face_at(400, 100, 81 - frame % 2)]
        (track,) = follower.update(faces)
        assert track.points[0, 0] > 300
    weights = [[track.weight for track in follower.update([face_at(100, 100, 160), faces[1]])] for _ in range(12)]
    assert weights[-1] == [1.0]


def test_the_same_faces_give_the_same_points() -> None:
    path = np.cumsum(np.random.default_rng(2).normal(0, 3, 50)).tolist()
    for first, second in zip(follow(path, noise=NOISE), follow(path, noise=NOISE), strict=True):
        np.testing.assert_array_equal(first, second)
