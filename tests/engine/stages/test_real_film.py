"""Inspection of the films that lie beside the checkout on the team's machines; skipped elsewhere."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.frame import Frame
from engine.stages.inspect import Inspect
from engine.stages.run import run_stage
from engine.types import FrameFlags
from tests.support.chain import Source, film_spec

FILM = Path(__file__).resolve().parents[4] / "shared" / "data" / "film"


def inspect_file(path: Path) -> tuple[Inspect, list[int]]:
    """Return the stage after the film, and the first frames of its shots."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.thread_count = 1
        source = Source(film_spec(video.width, video.height, rate=Fraction(video.average_rate)))

        def frames() -> Iterator[Frame]:
            for index, picture in enumerate(container.decode(video)):
                plane = np.frombuffer(picture.planes[0], np.uint8).reshape(picture.height, -1)[:, : picture.width]
                yield source.frame(plane / np.float32(255), index)

        stage = Inspect()
        stage.open(source.spec)
        cuts = []
        for frame in run_stage(stage, frames()):
            if FrameFlags.SCENE_CUT in frame.flags:
                cuts.append(frame.index)
            frame.release()
        stage.close()
    assert source.pool.on_loan == 0
    return stage, cuts


@pytest.mark.parametrize(
    ("name", "shots", "cadence"),
    [
        ("blast-effects.mp4", [0, 44, 134, 299], "4 of 5 frames unique, true rate 23.2 fps"),
        ("soldier.mp4", [0], "every frame unique, true rate 24 fps"),
        ("house-fire.mp4", [0], "every frame unique, true rate 24 fps"),
    ],
)
def test_shots_and_cadence_of_real_film(name: str, shots: list[int], cadence: str) -> None:
    if not (FILM / name).exists():
        pytest.skip(f"{FILM / name} is not here")
    stage, found = inspect_file(FILM / name)
    assert found == shots
    assert str(stage.cadence) == cadence
