"""Y4M on a stream."""

import io
import os
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import ConfigError, EncodeError, TimestampError
from engine.media.output import WriteJob
from engine.media.provenance import Provenance
from engine.media.writer import open_writer
from engine.media.y4m import Y4MWriter
from engine.settings import OutputSettings
from engine.types import ColorSpace, FrameSpec, Matrix, PixelFormat, Range
from tests.support.tracks import NTSC_FILM, Shots, spec_of


def written(shots: Shots, job: WriteJob | None = None) -> tuple[bytes, Y4MWriter]:
    stream = io.BytesIO()
    writer = Y4MWriter(stream, job or WriteJob())
    writer.open(shots.spec)
    for frame in shots.frames():
        writer.write(frame)
    writer.finish()
    return stream.getvalue(), writer


@pytest.mark.parametrize(("depth", "tag"), [(8, "C420mpeg2"), (10, "C420p10 XYSCSS=420P10")])
@pytest.mark.parametrize("size", [(96, 64), (33, 17)])
def test_pictures_are_exact(depth: int, tag: str, size: tuple[int, int]) -> None:
    color = ColorSpace(matrix=Matrix.BT601, range=Range.LIMITED, chroma_location=1)
    spec = FrameSpec(
        format=PixelFormat.GRAY,
        width=size[0],
        height=size[1],
        rate=NTSC_FILM,
        time_base=1 / NTSC_FILM,
        sample_aspect=Fraction(16, 15),
        color=color,
        bit_depth=depth,
    )
    shots = Shots(spec, [3, 2])
    data, writer = written(shots)
    head = f"YUV4MPEG2 W{size[0]} H{size[1]} F24000:1001 Ip A16:15 {tag} XCOLORRANGE=LIMITED\n"
    assert data.startswith(head.encode())
    with av.open(io.BytesIO(data), format="yuv4mpegpipe") as film:
        stream = film.streams.video[0]
        assert (stream.average_rate, stream.sample_aspect_ratio) == (NTSC_FILM, Fraction(16, 15))
        frames = list(film.decode(stream))
    assert [f.pts * Fraction(f.time_base) for f in frames] == shots.times
    scale = 4 if depth == 10 else 1
    for got, frame in zip(frames, shots.frames(), strict=True):
        assert np.abs(plane_of(got) - scale * (16 + 219 * frame.pixels[0])).max() <= (1.0 if depth == 8 else 0.51)
    assert writer.report.frames == 5
    assert writer.report.seconds == 5 / NTSC_FILM


def test_missing_places_on_the_grid_are_filled() -> None:
    times = [Fraction(n, 24) for n in (0, 1, 4, 5)]
    data, writer = written(Shots(spec_of(Fraction(24)), [4], times=times))
    with av.open(io.BytesIO(data), format="yuv4mpegpipe") as film:
        lumas = [plane_of(f).tobytes() for f in film.decode(video=0)]
    assert len(lumas) == 6
    assert lumas[1] == lumas[2] == lumas[3] != lumas[4]
    assert writer.report.frames == 4


def test_times_off_the_grid_are_refused() -> None:
    spec = FrameSpec(format=PixelFormat.GRAY, width=32, height=16, rate=Fraction(24), time_base=Fraction(1, 1000))
    with pytest.raises(TimestampError, match="wanted the next multiple of 1/24 s"):
        written(Shots(spec, [1], times=[Fraction(3, 1000)]))


def test_varying_rate_and_codec_are_refused() -> None:
    with pytest.raises(ConfigError, match="give one, such as --interpolate 24"):
        written(Shots(spec_of(None), [1], times=[Fraction(0)]))
    with pytest.raises(ConfigError, match="Y4M is uncoded"):
        open_writer("-", WriteJob(settings=OutputSettings(codec="h264")))


def test_what_a_stream_cannot_hold_is_said() -> None:
    job = WriteJob(source=Path("film.mp4"), provenance=Provenance(version="1", source="film.mp4"))
    notices = written(Shots(spec_of(), [1]), job)[1].report.notices
    assert notices[0].startswith("stdout: Y4M holds pictures alone")
    assert notices[1] == "Restored with farshore 1 from film.mp4. Models: none."


def test_reader_that_goes_away() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    shots = Shots(spec_of(), [1])
    with os.fdopen(writing, "wb", buffering=0) as stream:
        writer = Y4MWriter(stream, WriteJob(), name="stdout")
        with pytest.raises(EncodeError, match="stdout: cannot be written: the program that reads the output has gone"):
            writer.open(shots.spec)
        writer.abort()


def test_stdout_of_a_process(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        from engine.media.output import WriteJob
        from tests.support.tracks import Shots, spec_of, write_shots
        write_shots("-", Shots(spec_of(), [4]), WriteJob())
    """)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=environment)
    assert result.stdout == written(Shots(spec_of(), [4]))[0]
    assert result.stderr == b""


def plane_of(frame: av.VideoFrame) -> np.ndarray:
    plane = frame.planes[0]
    dtype = np.uint16 if "10" in frame.format.name else np.uint8
    return np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width].astype(np.float64)
