"""What the processor decodes crosses the bus as codes, and is on the device what it is on the processor."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import count

import av
import numpy as np
import pytest

from engine.device.pool import DevicePool, device_planes, work_on
from engine.device.ring import SLOTS
from engine.errors import DeviceError
from engine.media.delivery import Converters
from engine.media.device.blocks import BlockShape
from engine.media.device.delivery import DeviceDelivery
from engine.media.losses import Losses
from engine.media.reader import FilmReader
from engine.settings import InputSettings
from engine.types import FrameFlags, FrameSpec, PixelFormat
from tests.engine.media.device.test_reader import copied_up, read, same
from tests.support.device_films import SimulatedBorder, read_in_step
from tests.support.films import NTSC_FILM, Shape, damaged, write_film, write_sequence
from tests.support.reading import GRAY, RGB, Pipe, scene
from tests.support.reading import read as read_on_host
from tests.support.simulated_device import SimulatedDevice, host_view

FILMS = [
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mkv", "libx265", "yuv420p10le"),
    ("a.mkv", "libx264", "yuv422p"),
    ("a.mkv", "libx264", "yuv444p"),
    ("a.mov", "prores_ks", "yuv422p10le"),
    ("a.nut", "rawvideo", "nv12"),
    ("a.nut", "rawvideo", "yuyv422"),
    ("a.mkv", "ffv1", "gray"),
    ("a.mkv", "ffv1", "gbrp10le"),
    ("a.nut", "rawvideo", "rgb24"),
]

SWAPPED = ["yuv420p10be", "rgb48be", "gray16be", "gbrp12be"]
STAND_INS = ["pal8", "monow", "bayer_rggb8", "xyz12le", "gbrpf32le", "uyyvyy411"]


@pytest.fixture
def border() -> Iterator[SimulatedBorder]:
    border = SimulatedBorder(SimulatedDevice(seed=7))
    border.no_decoder = "there is none"
    yield border
    work_on(None)


@pytest.mark.parametrize("format", [GRAY, RGB])
@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "size"),
    [(*film, size) for film in FILMS for size in ((64, 48), (47, 33)) if size[0] == 64 or "libx" not in film[1]],
)
def test_a_film_is_the_same_film(tmp_path, border, name, codec, pix_fmt, size, format):
    path = write_film(tmp_path / name, scene(7, *size), rate=NTSC_FILM, codec=codec, pix_fmt=pix_fmt)
    there, times, _, pixels = read(path, border, format)
    here, wanted_times, wanted = read_on_host(path, format)
    assert there.is_on_device
    assert there.spec == here.spec
    assert times == wanted_times
    same(pixels, wanted)
    assert there.losses == here.losses == Losses()
    assert there.notices == ["decoder: the processor decodes this film, since there is none"]
    assert copied_up(border) == len(times)
    assert border.device.page_locked == SLOTS
    coded = BlockShape(pix_fmt=here.info.video.pix_fmt, width=size[0], height=size[1], pitch_multiple=1)
    assert coded.nbytes <= there._delivery._carrier._nbytes < coded.nbytes + 3 * 128 * size[1]


@pytest.mark.parametrize("pix_fmt", [*SWAPPED, *STAND_INS])
@pytest.mark.parametrize("format", [GRAY, RGB])
def test_layouts_that_no_kernel_reads_are_what_they_are_on_the_processor(border, pix_fmt, format):
    picture = av.VideoFrame(31, 23, pix_fmt) if pix_fmt != "uyyvyy411" else av.VideoFrame(32, 23, pix_fmt)
    rng = np.random.default_rng(4)
    for plane in picture.planes:
        memory = np.frombuffer(plane, np.uint8)
        if "f32" in pix_fmt:
            memory.view(np.float32)[:] = rng.random(memory.size // 4)
        else:
            memory[:] = rng.integers(0, 256 if pix_fmt not in ("yuv420p10be", "gbrp12be") else 4, memory.size)
    spec = FrameSpec(format=format, width=picture.width, height=23, rate=Fraction(24), time_base=Fraction(1, 24))
    wanted = np.empty(spec.pixels_shape, np.float32)
    Converters(spec, "rawvideo")(picture, wanted)
    delivery = DeviceDelivery(border, spec, "rawvideo")
    work_on(delivery.stream)
    lease, ready, resizes = delivery.put(picture)
    assert ready is not None
    ready.synchronize()
    np.testing.assert_allclose(host_view(lease.planes), wanted, rtol=0, atol=2e-6)
    assert not resizes
    lease.release()


def test_pictures_of_a_sequence_go_the_same_way(tmp_path, border):
    write_sequence(tmp_path / "p", scene(4), extension="png", pix_fmt="rgb48be")
    there, times, _, pixels = read(tmp_path / "p", border, RGB)
    _, wanted_times, wanted = read_on_host(tmp_path / "p", RGB)
    assert there.is_on_device
    assert times == wanted_times
    same(pixels, wanted)
    assert there.notices == []


@pytest.mark.parametrize("shape", [Shape(rotation=90), Shape(rotation=180, horizontal_flip=True), Shape(rotation=-90)])
def test_turned_films_come_upright(tmp_path, border, shape):
    path = write_film(tmp_path / "a.mp4", scene(4), shape=shape)
    there, _, _, pixels = read(path, border, RGB)
    here, _, wanted = read_on_host(path, RGB)
    assert there.spec == here.spec
    same(pixels, wanted)


def test_damage_and_times_are_the_processors(tmp_path, border):
    times_of = [Fraction(n * n + 40 * n, 1000) for n in range(40)]
    whole = write_film(tmp_path / "a.mkv", scene(40), options={"g": "10"}, times=times_of, time_base=Fraction(1, 1000))
    path = damaged(whole, seed=5, flips=30, after=0.2)
    there, times, flags, _ = read(path, border)
    here, wanted_times, _ = read_on_host(path)
    assert here.losses
    assert there.losses == here.losses
    assert times == wanted_times
    assert sum(FrameFlags.CORRUPT in each for each in flags) == here.losses.corrupt_frames


@pytest.mark.parametrize(("sizes", "tolerance"), [(((64, 48), (96, 64)), 3e-5), (((96, 64), (64, 48)), 0.25)])
def test_a_change_of_size_is_brought_to_the_first(tmp_path, border, sizes, tolerance):
    path = tmp_path / "two.ts"
    parts = [
        write_film(tmp_path / f"{n}.ts", scene(6, *size), rate=25, codec="mpeg2video") for n, size in enumerate(sizes)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts) * 2)
    here, wanted_times, wanted = read_on_host(path)
    there, times, _, pixels = read(path, border)
    assert times == wanted_times
    assert there.losses == here.losses
    same(pixels, wanted, tolerance)  # enlarged linearly here, bicubically there: edges differ
    grew = sizes[1] > sizes[0]
    assert border.device.page_locked == SLOTS * (1 + grew)  # once, however often the film changes


def test_after_warm_up_nothing_is_allocated_and_the_host_does_not_wait(tmp_path, border):
    path = write_film(tmp_path / "a.mp4", scene(60, 96, 64))
    device = border.device
    with FilmReader(path, format=RGB, border=border) as reader:
        assert isinstance(reader._pool, DevicePool)
        before, after = read_in_step(
            reader, device, 60, lambda: (device.allocations, device.page_locked, device.host_waits)
        )
        assert after == before
        assert reader._delivery.waits == 0


def test_a_host_that_is_ahead_waits_for_a_slot_and_for_nothing_else(tmp_path, border):
    path = write_film(tmp_path / "a.mp4", scene(20))
    _, _, wanted = read_on_host(path)
    with FilmReader(path, border=border, format=GRAY) as reader:
        reader.prepare(20)
        made = reader._pool.allocated
        kept = list(reader.frames())  # as fast as the host can, with no time passing
        assert reader._delivery.waits == border.device.host_waits == 20 - SLOTS
        assert made == reader._pool.allocated == 20
        reader.close()
        same([host_view(device_planes(frame)).copy() for frame in kept], wanted)
        for frame in kept:
            frame.release()


def release_all(reader: FilmReader) -> None:
    for frame in reader.frames():
        frame.release()


@pytest.mark.parametrize("work", ["upload", "read_ycbcr"])
def test_a_device_that_fails_ends_the_reading_and_buffers_come_back(tmp_path, border, work):
    path = write_film(tmp_path / "a.mkv", scene(30))
    border.device.fail_on = (work, 3)
    with FilmReader(path, format=GRAY, border=border) as reader:
        with pytest.raises(DeviceError, match=f"{work} failed"):
            release_all(reader)
        assert reader._pool.on_loan == 0


def test_a_launch_that_is_refused_gives_the_buffer_back(tmp_path, border, monkeypatch):
    path, launch, calls = write_film(tmp_path / "a.mkv", scene(5)), border.device.launch, count()

    def refuse(*given):
        if next(calls) == 2:
            raise DeviceError("refused")
        launch(*given)

    monkeypatch.setattr(border.device, "launch", refuse)
    with FilmReader(path, format=GRAY, border=border) as reader:
        with pytest.raises(DeviceError, match="refused"):
            release_all(reader)
        assert reader._pool.on_loan == 0


def test_where_inspection_is_on_the_host_films_stay_there(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(4))
    _, times, wanted = read_on_host(path)
    with FilmReader(path, format=GRAY, border=border, brings_up=False) as reader:
        assert not reader.is_on_device
        for number, frame in enumerate(reader.frames()):
            assert (frame.ready, frame.time) == (None, times[number])
            np.testing.assert_array_equal(frame.pixels, wanted[number])
            frame.release()
    assert border.device.page_locked == border.device.allocations == 0


def test_grey_film_from_a_pipe_is_found_and_no_picture_is_lost(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(12, color=False))
    with path.open("rb") as file, FilmReader(Pipe(file), border=border) as reader:
        assert reader.is_grey
        reader.deliver(PixelFormat.GRAY)
        frames = list(reader.frames())
        assert [frame.index for frame in frames] == list(range(12))
        for frame in frames:
            frame.release()


def test_a_decoder_asked_for_by_name_says_nothing(tmp_path, border):
    path = write_film(tmp_path / "a.mkv", scene(3))
    with FilmReader(path, settings=InputSettings(decoder="software"), border=border) as reader:
        assert reader.is_on_device
        assert reader.notices == []
