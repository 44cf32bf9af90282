"""Whatever is done to a file, reading it ends in frames or in one of our errors, soon.

`FARSHORE_MUTATIONS=1000 pytest tests/engine/media/test_reader_damage.py` tries that many copies rather than a few.
"""

import os
import time

import pytest

from engine.errors import FarshoreError
from engine.media.reader import FilmReader
from engine.types import PixelFormat
from tests.support.damage import ORIGINALS, mutations

COPIES = max(1, int(os.environ.get("FARSHORE_MUTATIONS", "104")) // len(ORIGINALS))
SEED = int(os.environ.get("FARSHORE_MUTATIONS_SEED", "1"))
MOST_SECONDS = 5.0


@pytest.mark.parametrize("original", ORIGINALS)
@pytest.mark.timeout(max(60, COPIES))
def test_damaged_copies_give_frames_or_our_errors(tmp_path, original):
    path = ORIGINALS[original](tmp_path)
    copy = path.with_name(f"copy{path.suffix}")
    for number, data in enumerate(mutations(path.read_bytes(), COPIES, seed=SEED)):
        copy.write_bytes(data)
        began = time.monotonic()
        refusal = read_all(copy, PixelFormat.RGB if number % 2 else PixelFormat.GRAY)
        assert "\n" not in refusal
        assert not refusal or str(copy) in refusal
        assert time.monotonic() - began < MOST_SECONDS, f"copy {number} of {original}"


def read_all(path, format):
    """Read a file to its end, check what every frame promises, and return why it was refused, if it was."""
    try:
        reader = FilmReader(path, format=format)
    except FarshoreError as error:
        return str(error)
    with reader:
        last = None
        for frame in reader.frames():
            assert last is None or frame.time > last
            assert frame.pixels.shape == reader.spec.pixels_shape
            last = frame.time
            frame.release()
        assert last is not None
        assert bool(reader.losses.summary()) >= bool(reader.losses)
    return ""


@pytest.mark.parametrize("missing_bytes", [0, 1, 10, 3000])
def test_a_y4m_film_cut_within_a_picture_says_so(tmp_path, missing_bytes):
    path = ORIGINALS["y4m"](tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size - missing_bytes])
    with FilmReader(path) as reader:
        frames = [frame.release() for frame in reader.frames()]
        assert len(frames) == (10 if missing_bytes == 0 else 9)
        assert reader.losses.is_truncated == (missing_bytes > 0)
        assert reader.losses.missing_frames == (missing_bytes > 0)
