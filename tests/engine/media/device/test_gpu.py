"""NVDEC and NVENC on a GPU: films in, films out, beside FFmpeg's own codecs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.device.cuda import CudaDevice, open_device
from engine.device.pool import device_planes, work_on
from engine.errors import DeviceError, MissingExtraError
from engine.media.codec_table import DEVICE_CODECS
from engine.media.device.border import CudaBorder
from engine.media.output import WriteJob
from engine.media.reader import FilmReader
from engine.media.writer import open_writer
from engine.pipeline import Pipeline
from engine.settings import InputSettings, OutputSettings
from engine.types import PixelFormat
from tests.support.films import NTSC_FILM, Extras, Shape, write_film
from tests.support.reading import read as read_on_host
from tests.support.reading import scene
from tests.support.tracks import picture_times, track_facts

pytestmark = pytest.mark.gpu

SIZE = 320, 240
"""NVDEC and NVENC take nothing much smaller."""

CODED = [("libx264", "yuv420p"), ("libx265", "yuv420p"), ("libx265", "yuv420p10le")]


@pytest.fixture(scope="module")
def device() -> CudaDevice:
    try:
        found = open_device("0")
    except (DeviceError, MissingExtraError) as error:
        pytest.skip(f"no GPU: {error}")
    return found


@pytest.fixture
def border(device: CudaDevice) -> Iterator[CudaBorder]:
    yield CudaBorder(device)
    work_on(None)


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize("shape", [Shape(), Shape(rotation=90)], ids=["upright", "turned"])
@pytest.mark.parametrize(("codec", "pix_fmt"), CODED)
def test_nvdec_gives_the_pictures_of_the_software_decoder(
    tmp_path: Path,
    device: CudaDevice,
    border: CudaBorder,
    codec: str,
    pix_fmt: str,
    shape: Shape,
    format: PixelFormat,
) -> None:
    path = write_film(tmp_path / "a.mp4", scene(60, *SIZE), rate=NTSC_FILM, codec=codec, pix_fmt=pix_fmt, shape=shape)
    here, wanted_times, wanted = read_on_host(path, format)
    forced = InputSettings(decoder="device")
    with FilmReader(path, settings=forced, format=format, border=border) as reader:
        stream, host = device.stream(), np.empty(reader.spec.pixels_shape, np.float32)
        assert reader.is_on_device
        assert reader.spec == here.spec
        number = -1
        for number, frame in enumerate(reader.frames()):
            assert frame.ready is not None
            frame.ready.wait(stream)
            device.download(device_planes(frame), host, stream)
            stream.synchronize()
            assert frame.time == wanted_times[number]
            np.testing.assert_allclose(host, wanted[number], rtol=0, atol=1e-5)
            frame.release()
    assert number == 59
    assert reader.losses == here.losses
    assert reader.notices == []


def test_many_frames_in_flight_are_not_mixed_up(tmp_path: Path, device: CudaDevice, border: CudaBorder) -> None:
    """What a decoder writes into a surface too early, or a kernel reads too late, shows as another frame's picture."""
    path = write_film(tmp_path / "a.mp4", scene(200, *SIZE), options={"g": "1"})
    _, _, wanted = read_on_host(path)
    with FilmReader(path, format=PixelFormat.GRAY, border=border) as reader:
        frames = list(reader.frames())
        stream, host = device.stream(), np.empty(reader.spec.pixels_shape, np.float32)
        for frame, picture in zip(frames, wanted, strict=True):
            assert frame.ready is not None
            frame.ready.wait(stream)
            device.download(device_planes(frame), host, stream)
            stream.synchronize()
            np.testing.assert_allclose(host, picture, rtol=0, atol=1e-5)
            frame.release()


@pytest.mark.parametrize(("codec", "depth"), [("h264", 8), ("h265", 8), ("h265", 10), ("av1", 8), ("av1", 10)])
def test_from_nvdec_to_nvenc_a_film_keeps_times_pictures_and_tracks(
    tmp_path: Path, border: CudaBorder, codec: str, depth: int
) -> None:
    film = write_film(
        tmp_path / "film.mkv",
        scene(100, *SIZE),
        rate=NTSC_FILM,
        extras=Extras(audio=("aac",), subtitles=((Fraction(0), Fraction(1), "Hello"),)),
    )
    settings = OutputSettings(codec=codec, quality=90, bit_depth=depth)
    reader = FilmReader(film, format=PixelFormat.RGB, border=border)
    target = tmp_path / "out.mkv"
    writer = open_writer(target, WriteJob(settings=settings, source=film, border=border))
    pipeline = Pipeline(reader, [], writer, cores=1)
    pipeline.open()
    skip_what_this_gpu_lacks(writer.report.notices)
    pipeline.run()
    assert reader.is_on_device
    assert reader.notices == []
    assert writer.device is border.device
    here = open_writer(tmp_path / "here.mkv", WriteJob(settings=replace(settings, encoder="software"), source=film))
    again = Pipeline(FilmReader(film, format=PixelFormat.RGB), [], here, cores=1)
    again.open()
    again.run()
    assert picture_times(target) == picture_times(tmp_path / "here.mkv")
    beside_pictures = [facts for facts in track_facts(target) if facts.kind != "video"]
    assert beside_pictures == [facts for facts in track_facts(tmp_path / "here.mkv") if facts.kind != "video"]
    assert likeness(target, film) > 35.0


CARRIED = [*CODED, ("libx264", "yuv422p"), ("libx264", "yuv444p"), ("ffv1", "gray"), ("ffv1", "gbrp10le")]


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
@pytest.mark.parametrize(("codec", "pix_fmt"), CARRIED)
def test_what_the_processor_decodes_goes_up_as_codes(
    tmp_path: Path, device: CudaDevice, border: CudaBorder, codec: str, pix_fmt: str, format: PixelFormat
) -> None:
    path = write_film(tmp_path / "a.mkv", scene(60, *SIZE), codec=codec, pix_fmt=pix_fmt)
    _, _, wanted = read_on_host(path, format)
    settings = InputSettings(decoder="software")
    with FilmReader(path, settings=settings, format=format, border=border) as reader:
        reader.prepare(60)
        frames = list(reader.frames())  # all under way at once: what is copied too late shows in another's place
        stream, host = device.stream(), np.empty(reader.spec.pixels_shape, np.float32)
        for frame, picture in zip(frames, wanted, strict=True):
            assert frame.ready is not None
            frame.ready.wait(stream)
            device.download(device_planes(frame), host, stream)
            stream.synchronize()
            np.testing.assert_allclose(host, picture, rtol=0, atol=1e-5)
            frame.release()


@pytest.mark.parametrize("codec", ["h264", "ffv1", "prores"])
def test_what_the_processor_codes_comes_down_as_codes(tmp_path: Path, border: CudaBorder, codec: str) -> None:
    film = write_film(tmp_path / "film.mkv", scene(60, *SIZE))
    settings = OutputSettings(codec=codec, quality=100, encoder="software")
    for name, where in (("there", border), ("here", None)):
        writer = open_writer(tmp_path / f"{name}.mkv", WriteJob(settings=settings, border=where))
        pipeline = Pipeline(FilmReader(film, format=PixelFormat.RGB, border=where), [], writer, cores=1)
        pipeline.open()
        pipeline.run()
    assert picture_times(tmp_path / "there.mkv") == picture_times(tmp_path / "here.mkv")
    assert likeness(tmp_path / "there.mkv", tmp_path / "here.mkv") > 50.0


@pytest.mark.parametrize("codec", DEVICE_CODECS)
def test_size_and_likeness_grow_with_the_dial(tmp_path: Path, border: CudaBorder, codec: str) -> None:
    film = write_film(tmp_path / "film.mkv", scene(50, *SIZE), options={"qp": "0"})
    sizes: list[int] = []
    likenesses: list[float] = []
    for quality in (0, 50, 75, 100):
        target = tmp_path / f"{quality}.mp4"
        settings = OutputSettings(codec=codec, quality=quality)
        writer = open_writer(target, WriteJob(settings=settings, border=border))
        pipeline = Pipeline(FilmReader(film, format=PixelFormat.RGB, border=border), [], writer, cores=1)
        pipeline.open()
        skip_what_this_gpu_lacks(writer.report.notices)
        pipeline.run()
        sizes.append(target.stat().st_size)
        likenesses.append(likeness(target, film))
    assert sizes == sorted(sizes)
    assert likenesses == sorted(likenesses)


def skip_what_this_gpu_lacks(notices: Sequence[str]) -> None:
    """Skip where the GPU has no such encoder; any other refusal, such as of the surfaces, is a fault of ours."""
    for notice in notices:
        if notice.startswith("encoder:"):
            assert "see nvidia-smi" not in notice, notice
            pytest.skip(notice)


def likeness(made: Path, wanted: Path) -> float:
    """Return the PSNR of luma, dB."""
    errors: list[float] = []
    with av.open(str(made)) as first, av.open(str(wanted)) as second:
        for one, other in zip(first.decode(video=0), second.decode(video=0), strict=True):
            luma, truth = (each.to_ndarray(format="gray").astype(np.float64) for each in (one, other))
            errors.append(float(np.mean((luma - truth) ** 2)))
    return float(10 * np.log10(255**2 / max(np.mean(errors), 1e-9)))
