"""Streams and pipes are films; what is none is refused."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import DecodeError
from engine.media.reader import FilmReader
from tests.support.films import NTSC_FILM, write_film
from tests.support.reading import GRAY, Pipe, read, scene


def test_a_film_read_from_a_stream(tmp_path):
    path = write_film(tmp_path / "a.y4m", scene(), rate=NTSC_FILM, codec="rawvideo", format="yuv4mpegpipe")
    with path.open("rb") as file:
        reader, times, pixels = read(file)
    _, _, expected = read(path)
    assert reader.spec.rate == NTSC_FILM
    assert times == [number / NTSC_FILM for number in range(10)]
    assert all(np.array_equal(first, second) for first, second in zip(pixels, expected, strict=True))


def test_stdin_is_read_as_a_pipe(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.y4m", scene(4), rate=24, codec="rawvideo", format="yuv4mpegpipe")
    with path.open("rb") as file:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": Pipe(file), "isatty": lambda self: False})())
        reader, times, _ = read("-")
        assert reader.info.name == "stdin"
        assert len(times) == 4


@pytest.mark.parametrize("color", [True, False])
def test_a_stream_is_judged_grey_by_its_first_pictures_and_none_is_lost(tmp_path, color):
    path = write_film(tmp_path / "a.mkv", scene(20, color=color))
    with path.open("rb") as file, FilmReader(Pipe(file)) as reader:
        assert reader.is_grey is not color
        reader.deliver(GRAY)
        times = [frame.time for frame in reader.frames()]
    assert times == [Fraction(number, 24) for number in range(20)]


REFUSALS = {
    "no such file": lambda folder: folder / "none.mp4",
    "empty": lambda folder: _written(folder / "empty.mp4", b""),
    "damaged or no film": lambda folder: _written(folder / "text.mp4", b"Dear Sir or Madam,\n" * 200),
    "no pictures there; wanted": lambda folder: folder,
    "no file fits the pattern": lambda folder: folder / "frame-%05d.png",
    "no pictures there": lambda folder: folder / "*.png",
    "got audio; wanted a film": lambda folder: _tone(folder / "tone.wav"),
    "no picture format": lambda folder: _written(folder / "letter.png", b"Dear Sir or Madam,\n"),
}


@pytest.mark.parametrize("words", REFUSALS)
def test_what_is_no_film_is_refused_in_one_line_with_a_cure(tmp_path, words):
    source = REFUSALS[words](tmp_path)
    with pytest.raises(DecodeError) as caught:
        FilmReader(source, format=GRAY)
    message = str(caught.value)
    assert words in message
    assert ";" in message
    assert "\n" not in message
    assert message.startswith(str(source))


def test_stdin_that_is_a_terminal_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    with pytest.raises(DecodeError, match="wanted a film piped in"):
        FilmReader("-", format=GRAY)


def test_a_film_of_which_nothing_decodes_is_refused(tmp_path):
    path = write_film(tmp_path / "a.mp4", scene(5), container_options={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path.write_bytes(bytes(data))
    with pytest.raises(DecodeError, match="not one picture could be decoded"):
        FilmReader(path, format=GRAY)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _tone(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="stereo")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
