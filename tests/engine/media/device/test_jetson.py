"""A Jetson's decoder: by a stand-in for PyGObject, and with other elements in its place by the real GStreamer."""

import time
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from typing import Any

import av
import numpy as np
import pytest

import engine.media.device.gstreamer as gstreamer
import engine.media.device.jetson as jetson
from engine.errors import DecodeError
from engine.media.device.gstreamer import _Tokens, why_no_elements
from engine.media.losses import Losses
from engine.media.reader import FilmReader
from tests.engine.media.device.test_reader import copied_up, read, same
from tests.support import fake_gi
from tests.support.device_films import SimulatedBorder
from tests.support.fake_gi import FakeGStreamer
from tests.support.films import NTSC_FILM, Shape, damaged, truncated, weave, write_film
from tests.support.reading import GRAY, RGB, Pipe, scene
from tests.support.reading import read as read_on_host
from tests.support.simulated_device import SimulatedDevice

pytestmark = pytest.mark.filterwarnings("ignore:DynamicImporter:ImportWarning")  # PyGObject before 3.44

IN_ITS_PLACE = {"h264": "avdec_h264", "hevc": "avdec_h265", "vp9": "vp9dec", "mpeg2video": "avdec_mpeg2video"}
FILMS = [
    ("h264", "a.mp4", "libx264", "yuv420p", {"bf": "3", "preset": "veryfast"}),
    ("h264", "a.ts", "libx264", "yuv420p", {"bf": "3", "preset": "veryfast"}),
    ("h264", "a.mkv", "libx264", "yuvj420p", None),
    ("hevc", "a.mp4", "libx265", "yuv420p", None),
    ("hevc", "a.mkv", "libx265", "yuv420p10le", None),
    ("vp9", "a.mkv", "libvpx-vp9", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "10"}),
    ("mpeg2video", "a.mkv", "mpeg2video", "yuv420p", {"bf": "2"}),
]


@pytest.fixture
def border() -> SimulatedBorder:
    border = SimulatedBorder(SimulatedDevice(seed=7))
    border.no_decoder = "there is none"
    return border


@pytest.fixture
def fake(monkeypatch) -> FakeGStreamer:
    fake = FakeGStreamer()
    fake.install(monkeypatch)
    return fake


def use_real(monkeypatch, codec: str = "h264", download: str = "videoconvert dither=none") -> None:
    """Let the real GStreamer decode by its own elements."""
    names = [IN_ITS_PLACE[codec], jetson.TAKEN[codec].parser, download.split()[0], "videoconvert"]
    why = why_no_elements(names)
    if why is not None:
        pytest.skip(why)
    monkeypatch.setattr(jetson, "DECODER", IN_ITS_PLACE[codec])
    monkeypatch.setattr(jetson, "DOWNLOAD", download)


@pytest.fixture(params=["fake", "real"])
def either(request, monkeypatch) -> Iterator[FakeGStreamer | None]:
    """Return the stand-in, or None where the real GStreamer decodes H.264."""
    if request.param == "real":
        use_real(monkeypatch)
        yield None
    else:
        fake = request.getfixturevalue("fake")
        yield fake
        assert all(pipeline.state == "null" for pipeline in fake.pipelines)


@pytest.mark.parametrize("by", ["fake", "real"])
@pytest.mark.parametrize(("codec", "name", "encoder", "pix_fmt", "options"), FILMS)
def test_a_film_is_the_same_film(tmp_path, monkeypatch, request, border, by, codec, name, encoder, pix_fmt, options):
    if by == "real":
        use_real(monkeypatch, codec)
    else:
        request.getfixturevalue("fake")
    path = write_film(tmp_path / name, scene(40), rate=NTSC_FILM, codec=encoder, pix_fmt=pix_fmt, options=options)
    there, times, _, pixels = read(path, border, RGB)
    here, wanted_times, wanted = read_on_host(path, RGB)
    assert there.notices == []
    assert there.info.video.pix_fmt == ("p010le" if "10" in pix_fmt else "nv12")
    assert there.spec == here.spec
    assert times == wanted_times
    same(pixels, wanted)
    assert there.losses == here.losses == Losses()
    assert copied_up(border) == len(times)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_films_shorter_than_a_decoder_is_deep(tmp_path, border, either, count):
    path = write_film(tmp_path / "a.mp4", scene(count), options={"bf": "2", "preset": "veryfast"})
    there, times, _, pixels = read(path, border)
    _, wanted_times, wanted = read_on_host(path)
    assert there.info.video.pix_fmt == "nv12"
    assert times == wanted_times
    same(pixels, wanted)


def test_pictures_before_an_edit_list_are_decoded_and_not_shown(tmp_path, border, either):
    whole = write_film(tmp_path / "w.mp4", scene(24), options={"bf": "2", "preset": "veryfast"})
    path = tmp_path / "a.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.dts = (stamp - 6 * packet.duration for stamp in (packet.pts, packet.dts))
                packet.stream = stream
                target.mux(packet)
    there, times, _, pixels = read(path, border)
    here, wanted_times, wanted = read_on_host(path)
    assert there.info.video.pix_fmt == "nv12"
    assert len(wanted) < 24
    assert times == wanted_times
    same(pixels, wanted)
    assert there.losses == here.losses


def test_uneven_times_and_a_pipe(tmp_path, border, either):
    times_of = [Fraction(n * n + 40 * n + 20_000 * (n > 12), 1000) for n in range(24)]
    path = write_film(tmp_path / "a.mkv", scene(24), times=times_of, time_base=Fraction(1, 1000))
    with path.open("rb") as file:
        there, times, _, pixels = read(Pipe(file), border)
    with path.open("rb") as file:
        here, wanted_times, wanted = read_on_host(Pipe(file))
    assert there.info.video.pix_fmt == "nv12"
    assert times == wanted_times
    same(pixels, wanted)
    assert there.losses == here.losses


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_film_comes_to_its_end_and_losses_are_counted(tmp_path, border, either, seed):
    whole = write_film(tmp_path / "a.mkv", scene(60), options={"g": "10"})
    path = damaged(whole, seed=seed, flips=12, after=0.3)
    there, times, _, pixels = read(path, border)
    here, wanted_times, wanted = read_on_host(path)
    if either is not None:  # it decodes by the same FFmpeg; the real one's conceals otherwise, and does not tell
        assert there.losses
        assert times == wanted_times
        same(pixels, wanted)
        assert there.losses.missing_frames >= here.losses.undecodable_packets
        assert bool(there.losses.corrupt_frames) == bool(here.losses.corrupt_frames)
        assert there.losses.corrupt_packets == here.losses.corrupt_packets
    of = dict(zip(times, pixels, strict=True))
    alike = [
        np.abs(of[at] - picture).max() < 2e-6 for at, picture in zip(wanted_times, wanted, strict=True) if at in of
    ]
    assert sum(alike) >= 18  # what comes before the damage


def test_a_film_cut_off_is_told(tmp_path, border, either):
    path = truncated(write_film(tmp_path / "a.mkv", scene(40), options={"g": "10"}), 0.6)
    there, times, _, _ = read(path, border)
    here, wanted_times, _ = read_on_host(path)
    assert there.losses.is_truncated
    assert set(wanted_times[:-1]) <= set(times) | {wanted_times[-1]}
    assert here.losses.is_truncated


def test_pictures_that_never_come_are_counted(tmp_path, border, fake):
    path = write_film(tmp_path / "a.mkv", scene(30))
    fake.dropped = {9, 10, 30}
    there, times, _, _ = read(path, border)
    assert len(times) == 27
    assert there.losses == Losses(missing_frames=3)


def test_an_error_on_the_bus_is_one_line(tmp_path, border, either, monkeypatch):
    path = write_film(tmp_path / "a.mkv", scene(60))
    if either is not None:
        either.fails_at = 30
    else:
        use_real(monkeypatch, download="identity error-after=30 ! videoconvert")
    with pytest.raises(
        DecodeError, match=r"^\S*a.mkv: GStreamer cannot decode it: \w.*; give --decoder software$"
    ) as error:
        read(path, border)
    assert "\n" not in str(error.value)


def test_a_pipeline_that_stands_still_is_an_error_and_not_a_deadlock(tmp_path, border, either, monkeypatch):
    path = write_film(tmp_path / "a.mkv", scene(60))
    monkeypatch.setattr(gstreamer, "STALL_SECONDS", 0.1)
    if either is not None:
        either.stalls_at = 30
    else:
        use_real(monkeypatch, download="identity sleep-time=400000 ! videoconvert")
        monkeypatch.setattr(gstreamer, "MOST_WAITING", 0)
    began = time.monotonic()
    with pytest.raises(DecodeError, match="nothing has come of it for 0 s"):
        read(path, border, decoder="device")
    assert time.monotonic() - began < 5.0


def test_a_driver_that_hangs_does_not_hang_the_end(tmp_path, border, monkeypatch):
    fake = FakeGStreamer()
    fake.install(monkeypatch)
    fake.stalls_at, fake.hangs = 30, True
    monkeypatch.setattr(gstreamer, "STALL_SECONDS", 0.05)
    monkeypatch.setattr(gstreamer, "CLOSE_SECONDS", 0.05)
    path = write_film(tmp_path / "a.mkv", scene(60))
    began = time.monotonic()
    with pytest.raises(DecodeError, match="nothing has come"):
        read(path, border)
    fake.freed.set()
    assert time.monotonic() - began < 5.0


def test_closing_in_the_middle_stops_the_pipeline(tmp_path, border, either):
    path = write_film(tmp_path / "a.mkv", scene(60))
    with FilmReader(path, border=border) as reader:
        frames = reader.frames()
        for _ in range(3):
            next(frames).release()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"brighter": 9}, "the first picture of the Jetson's decoder is 9|10|11 codes off on average"),
        ({"late_by": 5_000_000}, "a time that no picture has"),
        ({"does_not_start": True}, "the pipeline does not start"),
        ({"fails_at": 0}, "Failed to process frame"),
        ({"dropped": set(range(200))}, "no picture came of GStreamer"),
    ],
)
def test_what_is_wrong_from_the_start_is_left_to_the_processor(tmp_path, border, fake, change, why):
    path = write_film(tmp_path / "a.mkv", scene(80))
    for name, value in change.items():
        setattr(fake, name, value)
    there, times, _, pixels = read(path, border)
    here, wanted_times, wanted = read_on_host(path)
    (notice,) = there.notices
    assert notice.startswith("decoder: the processor decodes this film, since ")
    assert any(each in notice for each in why.split("|"))
    assert times == wanted_times
    same(pixels, wanted)
    assert there.losses == here.losses == Losses()
    assert [pipeline.state for pipeline in fake.pipelines] == ["null"]
    with pytest.raises(DecodeError, match="cannot be decoded on the GPU"):
        read(path, border, decoder="device")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"codec": "ffv1"}, "takes no ffv1 of yuv420p"),
        ({"pix_fmt": "yuv422p"}, "takes no h264 of yuv422p"),
        ({"shape": Shape(rotation=90)}, "it is to be turned"),
        ({"codec": "mpeg2video", "width": 63}, "no odd sizes; got 63x48"),
    ],
)
def test_films_that_it_does_not_take(tmp_path, border, fake, made, why):
    size = {"width": made.pop("width", 64)}
    path = write_film(tmp_path / ("a.mp4" if "shape" in made else "a.mkv"), scene(4, **size), **made)
    there, times, _, pixels = read(path, border)
    _, wanted_times, wanted = read_on_host(path)
    assert why in there.notices[0]
    assert times == wanted_times
    same(pixels, wanted)
    assert fake.pipelines == []


def test_interlaced_film_is_the_processors_and_one_that_turns_so_is_an_error(tmp_path, border, fake):
    fields = write_film(
        tmp_path / "i.mkv", weave(list(scene(24)), top_first=True), codec="mpeg2video", field_order="tff"
    )
    there, _, _, pixels = read(fields, border)
    _, _, wanted = read_on_host(fields)
    assert "it is interlaced" in there.notices[0]
    same(pixels, wanted)
    fake.interlaced_from = 20
    with pytest.raises(DecodeError, match="it turns interlaced on its way; give --decoder software"):
        read(write_film(tmp_path / "a.mkv", scene(40)), border)


def test_without_gstreamer_it_is_as_before(tmp_path, border, monkeypatch):
    path = write_film(tmp_path / "a.mkv", scene(3))
    fake = FakeGStreamer()
    fake.elements.discard("nvv4l2decoder")
    fake.install(monkeypatch)
    there, _, _, _ = read(path, border)
    assert there.notices == ["decoder: the processor decodes this film, since there is none"]
    with pytest.raises(
        DecodeError, match="there is none, and GStreamer has no nvv4l2decoder; check it with nvidia-smi"
    ):
        read(path, border, decoder="device")
    monkeypatch.setitem(__import__("sys").modules, "gi", None)
    assert "PyGObject or GStreamer is not to be seen here" in str(why_no_elements(["nvv4l2decoder"]))


def test_pictures_of_a_decoder_that_asks_for_the_same_memory_twice_are_their_own(tmp_path, border, fake):
    path = write_film(tmp_path / "a.mkv", scene(12))
    with path.open("rb") as file, FilmReader(Pipe(file), format=GRAY, border=border, brings_up=False) as reader:
        assert not reader.is_grey  # looks at eight pictures, held all at once
        reader.deliver(GRAY)
        pixels = [frame.pixels.copy() for frame in reader.frames()]
    _, _, wanted = read_on_host(path)
    same(pixels, wanted)


class Coded:
    """As a packet."""

    def __init__(self, pts: int | None, duration: int = 40) -> None:
        self.pts, self.duration, self.time_base = pts, duration, Fraction(1, 1000)
        self.is_discard = False


def test_tokens_keep_the_order_over_jumps_and_repetitions() -> None:
    tokens: Any = _Tokens()
    stamps = [0, 120, 40, 80, 120, 80, 3_600_000, 3_600_040, 0, 40, -5, None, None]
    given = [tokens.give(Coded(stamp)) for stamp in stamps]
    assert len(set(given)) == len(given)
    assert all(token > 0 for token in given)
    assert given[2] < given[3] < given[1] < given[6]
    assert max(given[:8]) < given[8]  # a recording that counts anew goes on behind what was
    assert given[9] - given[8] == 40_000
    assert [tokens.take(token) for token in given] == [(stamp, 40, False) for stamp in stamps]
    assert tokens.take(given[0]) == (None, 0, False)
    for number in range(1000):
        tokens.give(Coded(number))
    assert len(tokens._of) <= 256


def test_the_stand_in_has_what_the_real_one_has() -> None:
    why = why_no_elements(["appsrc", "appsink"])
    if why is not None:
        pytest.skip(why)
    modules = FakeGStreamer().modules()
    for name, module in modules.items():
        real = import_module(name)
        for attribute, value in vars(module).items():
            if not attribute.startswith("__"):
                there = getattr(real, attribute)
                for inner in vars(value) if isinstance(value, type) else ():
                    assert inner.startswith("_") or hasattr(there, inner) or inner in ("message",), (
                        name,
                        attribute,
                        inner,
                    )
    gst, app, video = (import_module(f"gi.repository.{name}") for name in ("Gst", "GstApp", "GstVideo"))
    pairs = [
        (fake_gi.AppSrc, app.AppSrc),
        (fake_gi.AppSink, app.AppSink),
        (fake_gi.Pipeline, gst.Pipeline),
        (fake_gi.Bus, gst.Bus),
        (fake_gi.Message, gst.Message),
        (fake_gi.Sample, gst.Sample),
        (fake_gi.Structure, gst.Structure),
    ]
    for ours, theirs in pairs:
        for name in vars(ours):
            assert name.startswith("_") or hasattr(theirs, name), (ours, name)
    for name in ("offset", "stride"):
        assert hasattr(video.VideoMeta, name)
        assert hasattr(video.VideoInfo, name)
