"""Sound and picture end together, however long the film and odd its rate."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.job import Job
from engine.settings import InterpolateSettings, RuntimeSettings, Settings
from tests.support.films import NTSC_FILM, Extras, write_film

HALF_A_FRAME = Fraction(1001, 48000)


def drawn(count: int):
    """Yield flat pictures that change with every frame, so that none is taken for a repeat."""
    picture = np.empty((48, 64, 3), np.uint8)
    ramp = np.arange(64, dtype=np.int64) * 3
    for index in range(count):
        picture[:] = ((ramp + index * 5) % 256)[None, :, None]
        yield picture


def ends(path: Path) -> dict[str, Fraction]:
    """Return when the last picture and the last sound of a film end, seconds on its clock."""
    last: dict[str, Fraction] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is not None and packet.duration:
                end = (packet.pts + packet.duration) * Fraction(packet.time_base)
                last[packet.stream.type] = max(end, last.get(packet.stream.type, Fraction(0)))
    return last


@pytest.mark.parametrize("minutes", [1, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
@pytest.mark.parametrize("interpolate", ["none", "2x"])
def test_sound_and_picture_end_within_half_a_frame(minutes: int, interpolate: str, tmp_path: Path) -> None:
    frames = round(minutes * 60 * NTSC_FILM)
    film = write_film(
        tmp_path / "film.mp4",
        drawn(frames),
        rate=NTSC_FILM,
        options={"g": "48"},
        extras=Extras(audio=("aac",)),
    )
    target = tmp_path / "restored.mp4"
    settings = Settings(interpolate=InterpolateSettings.parse(interpolate), runtime=RuntimeSettings(backend="null"))
    job = Job(film, target, settings)
    job.open()
    report = job.run()
    assert report.run.frames_in == frames
    assert report.run.frames_out == frames * (2 if interpolate == "2x" else 1)
    before, after = ends(film), ends(target)
    assert after["video"] == before["video"]
    assert abs(after["audio"] - after["video"]) <= abs(before["audio"] - before["video"]) + HALF_A_FRAME
    assert abs((after["audio"] - after["video"]) - (before["audio"] - before["video"])) <= HALF_A_FRAME
    assert abs(after["audio"] - after["video"]) <= HALF_A_FRAME
