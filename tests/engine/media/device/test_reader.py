"""Films decoded on a device are the films that the processor decodes: times, pictures, losses; all else is told."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from engine.device.pool import DevicePool, device_planes, work_on
from engine.errors import ConfigError, DecodeError, DeviceError
from engine.media.losses import Losses
from engine.media.reader import FilmReader
from engine.settings import InputSettings
from engine.types import FrameFlags, PixelFormat
from tests.support.device_films import SimulatedBorder, read_in_step, simulated_decoder
from tests.support.films import NTSC_FILM, Shape, damaged, weave, write_film
from tests.support.reading import GRAY, RGB, Pipe, scene
from tests.support.reading import read as read_on_host
from tests.support.simulated_device import SimulatedDevice, host_view


@pytest.fixture
def border() -> Iterator[SimulatedBorder]:
    border = SimulatedBorder(SimulatedDevice(seed=3))
    with simulated_decoder(border):
        yield border
    work_on(None)


def read(source: Any, border: SimulatedBorder, format: PixelFormat = GRAY, **settings: Any) -> tuple[Any, ...]:
    """Return the reader, closed, with times, flags and pixels, looked at as a stage does, behind an event."""
    with FilmReader(source, settings=InputSettings(**settings), format=format, border=border) as reader:
        stream = border.device.stream()
        times, flags, pixels = [], [], []
        host = np.empty(reader.spec.pixels_shape, np.float32)
        for frame in reader.frames():
            if reader.is_on_device:
                assert frame.ready is not None
                frame.ready.wait(stream)
                border.device.download(device_planes(frame), host, stream)
                stream.synchronize()
            else:
                assert frame.ready is None
                host = frame.pixels
            times.append(frame.time)
            flags.append(frame.flags)
            pixels.append(host.copy())
            frame.release()
        assert reader._pool.on_loan == 0
    return reader, times, flags, pixels


def copied_up(border: SimulatedBorder) -> int:
    """Return how many pictures went from the host to the device."""
    return sum(piece.name == "upload" for piece in border.device.slices)


def same(made: list[np.ndarray], wanted: list[np.ndarray], tolerance: float = 2e-6) -> None:
    assert len(made) == len(wanted)
    for there, here in zip(made, wanted, strict=True):
        np.testing.assert_allclose(there, here, rtol=0, atol=tolerance)


@pytest.mark.parametrize("format", [GRAY, RGB])
@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("a.mp4", "libx264", "yuv420p"), ("a.mkv", "libx265", "yuv420p10le"), ("a.ts", "mpeg2video", "yuv420p")],
)
def test_a_film_is_the_same_film(tmp_path, border, name, codec, pix_fmt, format):
    path = write_film(tmp_path / name, scene(12), rate=NTSC_FILM, codec=codec, pix_fmt=pix_fmt)
    there, times, _, pixels = read(path, border, format)
    here, wanted_times, wanted = read_on_host(path, format)
    assert there.is_on_device
    assert not here.is_on_device
    assert there.spec == here.spec
    assert times == wanted_times
    same(pixels, wanted)
    assert there.losses == here.losses == Losses()
    assert there.notices == []
    assert border.brought_down == 0


@pytest.mark.parametrize("shape", [Shape(rotation=90), Shape(rotation=180, horizontal_flip=True), Shape(rotation=-90)])
def test_turned_films_come_upright(tmp_path, border, shape):
    path = write_film(tmp_path / "a.mp4", scene(4), shape=shape)
    there, _, _, pixels = read(path, border, RGB)
    here, _, wanted = read_on_host(path, RGB)
    assert there.is_on_device
    assert there.spec == here.spec
    same(pixels, wanted)


def test_colour_tags_decide_what_numbers_mean(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(3), shape=Shape(matrix=9, range=2, transfer=14, primaries=9))
    there, _, _, pixels = read(path, border, RGB)
    here, _, wanted = read_on_host(path, RGB)
    assert there.spec.color == here.spec.color
    same(pixels, wanted)


def test_damage_is_counted_as_on_the_processor(tmp_path, border):
    whole = write_film(tmp_path / "a.mkv", scene(40), options={"g": "10"})
    path = damaged(whole, seed=5, flips=30, after=0.2)
    there, times, flags, _ = read(path, border)
    here, wanted_times, _ = read_on_host(path)
    assert here.losses
    assert there.losses == here.losses
    assert times == wanted_times
    assert sum(FrameFlags.CORRUPT in each for each in flags) == here.losses.corrupt_frames


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
        ("a.ts", "mpeg2video", {"bf": "2"}),
    ],
)
def test_so_are_those_of_other_codecs(tmp_path, border, name, codec, options):
    path = write_film(tmp_path / name, scene(30, 64, 64), rate=25, codec=codec, options=options)
    reader, _, _, _ = read(path, border)
    assert reader.is_on_device
    assert not reader.losses
    border.swallowed = {37, 38, 59}  # the last leaves no gap in the times
    reader, _, _, _ = read(path, border)
    assert reader.losses.missing_frames == 3


@pytest.mark.parametrize("kind", [{"rate": 24}, {"times": [Fraction(n * n + 40 * n, 1000) for n in range(30)]}])
def test_pictures_that_the_decoder_swallows_are_missing(tmp_path, border, kind):
    time_base = None if "rate" in kind else Fraction(1, 1000)
    path = write_film(tmp_path / "a.mp4", scene(30), time_base=time_base, **kind)
    border.swallowed = {7, 8, 29}
    reader, times, _, _ = read(path, border)
    assert len(times) == 27
    assert reader.losses.missing_frames == 3
    assert not reader.losses.is_truncated


def test_of_a_film_that_begins_within_a_group_what_comes_before_its_first_picture_is_not_missing(tmp_path, border):
    path = write_film(tmp_path / "a.mp4", scene(30), options={"g": "12"})
    border.swallowed = set(range(5))
    reader, times, _, _ = read(path, border)
    assert len(times) == 25
    assert not reader.losses


def test_after_warm_up_nothing_is_allocated_and_the_host_does_not_wait(tmp_path, border):
    path = write_film(tmp_path / "a.mp4", scene(60, 96, 64))
    device = border.device
    with FilmReader(path, format=GRAY, border=border) as reader:
        assert isinstance(reader._pool, DevicePool)
        before, after = read_in_step(reader, device, 60, lambda: (reader._pool.allocated, device.host_waits))
        assert after == before


def test_a_surface_is_held_until_the_device_has_read_it(tmp_path, border):
    path = write_film(tmp_path / "a.mp4", scene(20))
    _, _, wanted = read_on_host(path)
    with FilmReader(path, format=GRAY, border=border) as reader:
        kept = list(reader.frames())
        assert border.device.host_waits <= 20  # at most the one before each surface is let go
        reader.close()
        same([host_view(device_planes(frame)).copy() for frame in kept], wanted)
        for frame in kept:
            frame.release()


@pytest.mark.parametrize(("sizes", "tolerance"), [(((64, 48), (96, 64)), 3e-5), (((96, 64), (64, 48)), 0.25)])
def test_a_change_of_size_is_brought_to_the_first(tmp_path, border, sizes, tolerance):
    path = tmp_path / "two.ts"
    parts = [
        write_film(tmp_path / f"{n}.ts", scene(6, *size), rate=25, codec="mpeg2video") for n, size in enumerate(sizes)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    here, wanted_times, wanted = read_on_host(path)
    there, times, _, pixels = read(path, border)
    assert there.is_on_device
    assert copied_up(border) == 0
    assert times == wanted_times
    # FFmpeg's decoder forgets the picture that it holds back when the size changes; packets are counted here alone
    assert there.losses == replace(here.losses, missing_frames=1)
    same(pixels, wanted, tolerance)  # enlarged linearly here, bicubically there: edges differ


@pytest.mark.parametrize("as_pipe", [False, True])
def test_interlaced_film_is_decoded_by_the_processor_and_said_to_be(tmp_path, border, as_pipe):
    path = write_film(
        tmp_path / "a.mkv", weave(list(scene(16)), top_first=True), field_order="tff", codec="mpeg2video", rate=25
    )
    here, wanted_times, wanted = read_on_host(path, field_rate=True)
    with path.open("rb") as file:
        there, times, _, pixels = read(Pipe(file) if as_pipe else path, border, field_rate=True)
    assert there.notices == [
        "decoder: the processor decodes this film, since it is interlaced, and bwdif, which makes whole pictures of "
        "fields, works on the processor"
    ]
    assert there.is_on_device  # where the codes of whole pictures went
    assert copied_up(border) == len(times)
    assert times == wanted_times
    assert there.losses == here.losses
    same(pixels, wanted)
    assert (border.brought_down > 0) == as_pipe


def test_with_the_devices_decoder_asked_for_interlaced_pictures_come_down_and_go_up_again(tmp_path, border):
    path = write_film(
        tmp_path / "a.mkv", weave(list(scene(16)), top_first=True), field_order="tff", codec="mpeg2video", rate=25
    )
    _, wanted_times, wanted = read_on_host(path)
    there, times, _, pixels = read(path, border, decoder="device")
    assert there.is_on_device
    assert there.notices == [
        "decoder: interlaced pictures are brought down from the GPU, since bwdif works on the processor"
    ]
    assert times == wanted_times
    same(pixels, wanted)


def test_a_film_that_turns_interlaced_stays_on_the_device_where_it_can(tmp_path, border):
    frames = list(scene(8))
    whole = write_film(tmp_path / "p.ts", frames, codec="mpeg2video", rate=25)
    fields = write_film(
        tmp_path / "i.ts", weave(list(scene(16)), top_first=True), field_order="tff", codec="mpeg2video", rate=25,
        times=[Fraction(n + 8, 25) for n in range(8)],
    )  # fmt: skip
    path = tmp_path / "a.ts"
    path.write_bytes(whole.read_bytes() + fields.read_bytes())
    _, wanted_times, wanted = read_on_host(path)
    there, times, _, pixels = read(path, border)
    assert there.is_on_device
    assert there.notices != []
    assert 0 < border.brought_down < len(times)
    assert times == wanted_times
    same(pixels, wanted)


def test_what_the_device_does_not_take_the_processor_decodes_and_says_so(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(6), pix_fmt="yuv422p")
    border.takes = lambda picture: False
    there, times, _, pixels = read(path, border)
    _, wanted_times, wanted = read_on_host(path)
    assert there.is_on_device
    assert copied_up(border) == len(times)
    (notice,) = there.notices
    assert notice.startswith("decoder: the processor decodes this film, since NVDEC takes no h264 of yuv422p, 64x48")
    assert times == wanted_times
    same(pixels, wanted)


@pytest.mark.parametrize(("codec", "decoder"), [("ffv1", "ffv1"), ("libsvtav1", "libdav1d")])
def test_decoders_that_know_no_gpu_are_told_by_name(tmp_path, border, codec, decoder):
    path = write_film(tmp_path / "a.mkv", scene(3), codec=codec)
    border.takes = lambda picture: False
    there, times, _, _ = read(path, border)
    assert there.notices == [
        f"decoder: the processor decodes this film, since FFmpeg's decoder {decoder} does not work on GPUs"
    ]
    assert len(times) == 3


def test_other_subsamplings_are_left_to_the_processor(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(6), pix_fmt="yuv444p")
    border.takes = lambda picture: True
    there, times, _, pixels = read(path, border, RGB)
    _, wanted_times, wanted = read_on_host(path, RGB)
    assert there.is_on_device
    assert copied_up(border) == len(times)
    assert "yuv444p" in there.notices[0]
    assert times == wanted_times
    same(pixels, wanted)


def test_a_machine_without_the_decoder(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(3))
    border.no_decoder = "FFmpeg cannot open the GPU (operation not permitted)"
    there, _, _, _ = read(path, border)
    assert there.notices == [
        "decoder: the processor decodes this film, since FFmpeg cannot open the GPU (operation not permitted)"
    ]
    with pytest.raises(DecodeError, match=r"a\.mkv: cannot be decoded on the GPU: FFmpeg cannot open .* software"):
        read(path, border, decoder="device")


@pytest.mark.parametrize("pix_fmt", ["yuv422p", "yuv444p"])
def test_the_device_asked_for_and_refused_is_an_error(tmp_path, border, pix_fmt):
    path = write_film(tmp_path / "a.mkv", scene(3), pix_fmt=pix_fmt)
    border.takes = lambda picture: picture.format.name == "yuv444p"
    with pytest.raises(DecodeError, match=f"cannot be decoded on the GPU: .*{pix_fmt}.*; leave --decoder out"):
        read(path, border, decoder="device")


def test_without_a_device_asking_for_it_is_an_error_and_nothing_else_is_said(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(3))
    with pytest.raises(ConfigError, match="decoder: got device, but the chain runs on the processor; give --backend"):
        FilmReader(path, settings=InputSettings(decoder="device"))
    with FilmReader(path) as reader:
        assert reader.notices == []
    there, _, _, _ = read(path, border, decoder="software")
    assert there.notices == []
    assert copied_up(border) == 3


def test_pictures_are_no_film_for_the_device(tmp_path, border):
    av.VideoFrame(32, 32, "rgb24").save(str(tmp_path / "1.png"))
    read(tmp_path, border)
    assert copied_up(border) == 1
    with pytest.raises(ConfigError, match="decoder: got device for pictures"):
        read(tmp_path, border, decoder="device")


def test_grey_film_from_a_pipe_is_found_and_no_picture_is_lost(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(12, color=False))
    with path.open("rb") as file, FilmReader(Pipe(file), border=border) as reader:
        assert reader.is_grey
        reader.deliver(GRAY)
        frames = list(reader.frames())
        assert len(frames) == 12
        assert reader.is_on_device
        for frame in frames:
            frame.release()


def test_a_device_that_fails_ends_the_reading(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(30))
    border.device.fail_on = ("read_ycbcr", 3)
    with pytest.raises(DeviceError, match="read_ycbcr failed"):
        read(path, border)


def test_a_copy_of_the_settings_decides(tmp_path: Path):
    for decoder in ("gpu", ""):
        with pytest.raises(ConfigError, match="decoder: got .* wanted auto, software or device"):
            InputSettings(decoder=decoder)  # type: ignore[arg-type]
