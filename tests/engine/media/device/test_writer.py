"""Films coded on a device, from frames that lie there, are the films that the processor codes; else it is told why."""

import gc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest

from engine.device.pool import DevicePool, as_planes, work_on
from engine.device.ring import SLOTS
from engine.errors import ConfigError, DeviceError, EncodeError, InternalError, ResumeError, TimestampError
from engine.frame import Frame
from engine.media.codecs import Encoding
from engine.media.output import WriteJob
from engine.media.reader import FilmReader
from engine.media.segmented_writer import SegmentedWriter, work_folder
from engine.media.writer import open_writer, takes_device_frames
from engine.pipeline import Pipeline
from engine.settings import InputSettings, OutputSettings
from engine.types import PixelFormat
from tests.support.device_chain import virtual_queues
from tests.support.device_films import SimulatedBorder, simulated_decoder, simulated_encoder
from tests.support.films import NTSC_FILM, Extras, write_film
from tests.support.reading import scene
from tests.support.simulated_device import SimulatedDevice
from tests.support.tracks import Shots, give, picture_times, spec_of, track_facts, write_shots


@pytest.fixture
def border() -> Iterator[SimulatedBorder]:
    with simulated_encoder():
        yield SimulatedBorder(SimulatedDevice(seed=5))
    work_on(None)


def job_for(border: SimulatedBorder | None, *, resume: bool = False, **settings: Any) -> WriteJob:
    return WriteJob(settings=OutputSettings(**settings), border=border, resume=resume)


class OnDevice:
    """Shots whose frames lie on the device, and are there only after an event."""

    def __init__(self, shots: Shots, device: SimulatedDevice) -> None:
        self.spec, self._shots, self._device = shots.spec, shots, device
        self._stream = device.stream()
        self._pools = [
            DevicePool(device, shape, np.float32, prepare=2)
            for shape in (shots.spec.pixels_shape, shots.spec.chroma_shape)
            if shape
        ]

    def frames(self, first_shot: int = 0) -> Iterator[Frame]:
        for frame in self._shots.frames(first_shot):
            work_on(self._stream)
            leases, planes = [pool.lease() for pool in self._pools], (frame.pixels, frame.chroma)
            for lease, values in zip(leases, planes, strict=False):
                assert values is not None
                self._device.upload(values.copy(), lease.planes, self._stream)
            self._stream.record(leases[-1].written)
            chroma = as_planes(leases[1].planes) if len(leases) > 1 else None
            made = frame.successor(
                pixels=as_planes(leases[0].planes),
                chroma=chroma,
                format=frame.format,
                leases=tuple(leases),
                ready=leases[-1].written,
            )
            frame.release()
            yield made

    @property
    def on_loan(self) -> int:
        return sum(pool.on_loan for pool in self._pools)


def codes(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as film:
        return [picture.to_ndarray().astype(np.int64) for picture in film.decode(video=0)]


def same_codes(made: Path, wanted: Path) -> None:
    there, here = codes(made), codes(wanted)
    assert len(there) == len(here)
    for first, second in zip(there, here, strict=True):
        assert np.abs(first - second).max() <= 1
        assert (first != second).mean() < 0.01


@pytest.mark.parametrize("size", [(70, 50), (47, 33)])
@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB, PixelFormat.LAB])
def test_the_film_is_the_processors_to_a_code(tmp_path, border, format, size):
    shots = Shots(spec_of(format=format, size=size), [5, 25, 2])
    on_device = OnDevice(shots, border.device)
    writer = write_shots(tmp_path / "there.mp4", on_device, job_for(border))
    write_shots(tmp_path / "here.mp4", shots, job_for(None))
    assert picture_times(tmp_path / "there.mp4") == shots.times
    same_codes(tmp_path / "there.mp4", tmp_path / "here.mp4")
    assert on_device.on_loan == 0
    assert writer.report.frames == 32
    assert [notice for notice in writer.report.notices if "encoder" in notice] == []


def test_ten_bits_and_an_uneven_film(tmp_path):
    times = [Fraction(n, 1000) for n in (0, 41, 100, 101, 300, 333, 700)]
    shots = Shots(spec_of(None, bit_depth=10), [3, 4], times=times, last_duration=Fraction(1, 8))
    device = SimulatedDevice()
    with simulated_encoder(told="yuv420p10le"):
        write_shots(tmp_path / "there.mkv", OnDevice(shots, device), job_for(SimulatedBorder(device)))
        write_shots(tmp_path / "here.mkv", shots, job_for(None))
    same_codes(tmp_path / "there.mkv", tmp_path / "here.mkv")
    assert picture_times(tmp_path / "there.mkv") == picture_times(tmp_path / "here.mkv")
    work_on(None)


def test_surfaces_are_lent_until_the_encoder_lets_go_and_no_more_are_made(tmp_path, border):
    shots = Shots(spec_of(), [15, 15])
    writer = open_writer(tmp_path / "a.mp4", job_for(border))
    writer.open(shots.spec)
    pool = writer._pictures.pool
    for frame in OnDevice(shots, border.device).frames():
        give(writer, frame)
        assert writer._pictures.on_loan <= 6
    assert pool.allocated == 14
    writer.finish()
    border.let_go()
    gc.collect()
    assert writer._pictures.on_loan == 0


def test_the_host_waits_for_a_frame_once(tmp_path, border):
    shots = Shots(spec_of(), [12])
    writer = open_writer(tmp_path / "a.mp4", job_for(border))
    writer.open(shots.spec)
    before = border.device.host_waits
    for frame in OnDevice(shots, border.device).frames():
        give(writer, frame)
    assert border.device.host_waits == before + 12
    writer.abort()


@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB, PixelFormat.LAB])
@pytest.mark.parametrize(
    ("name", "codec", "size", "bit_depth"),
    [
        ("a.mp4", "h264", (47, 33), 8),
        ("a.mkv", "h264", (70, 50), 10),
        ("a.mkv", "ffv1", (46, 34), 8),
        ("a.mkv", "ffv1", (46, 34), 10),
    ],
)
def test_what_the_processor_codes_comes_down_as_codes(tmp_path, border, name, codec, size, bit_depth, format):
    shots = Shots(spec_of(format=format, size=size), [5, 25, 2])
    on_device, settings = OnDevice(shots, border.device), {"codec": codec, "bit_depth": bit_depth}
    job = job_for(border, encoder="software", **settings)
    writer = write_shots(tmp_path / f"there-{name}", on_device, job)
    assert (writer.device, writer.stream) == (None, writer._pictures.stream)  # the host codes, and keeps the time
    assert not writer._encoding.is_on_device
    write_shots(tmp_path / f"here-{name}", shots, job_for(None, **settings))
    assert picture_times(tmp_path / f"there-{name}") == picture_times(tmp_path / f"here-{name}")
    same_codes(tmp_path / f"there-{name}", tmp_path / f"here-{name}")
    assert on_device.on_loan == 0
    assert [notice for notice in writer.report.notices if "coder:" in notice] == []
    came_down = [piece for piece in border.device.slices if piece.name == "download"]
    assert len(came_down) == 32


def test_a_master_in_4_2_2_has_the_processors_times_and_nearly_its_pictures(tmp_path, border):
    shots = Shots(spec_of(format=PixelFormat.RGB), [12])
    write_shots(tmp_path / "there.mov", OnDevice(shots, border.device), job_for(border, codec="prores"))
    write_shots(tmp_path / "here.mov", shots, job_for(None, codec="prores"))
    assert picture_times(tmp_path / "there.mov") == picture_times(tmp_path / "here.mov")
    for first, second in zip(codes(tmp_path / "there.mov"), codes(tmp_path / "here.mov"), strict=True):
        assert np.abs(first - second).mean() < 0.5  # of 1023: a code less is now and then another coefficient


def test_for_each_frame_that_the_processor_codes_the_host_waits_once_and_nothing_is_allocated(tmp_path, border):
    shots, device = Shots(spec_of(format=PixelFormat.LAB, size=(47, 33)), [12]), border.device
    on_device = OnDevice(shots, device)
    writer = open_writer(tmp_path / "a.mp4", job_for(border, encoder="software"))
    writer.open(shots.spec)
    before = device.host_waits, device.allocations, device.page_locked
    for frame in on_device.frames():
        give(writer, frame)
        assert on_device.on_loan == 0
    assert (device.host_waits, device.allocations, device.page_locked) == (before[0] + 12, *before[1:])
    writer.abort()


@pytest.mark.parametrize("work", ["write_ycbcr", "download"])
def test_frames_come_back_where_bringing_codes_down_fails(tmp_path, border, work):
    on_device = OnDevice(Shots(spec_of(), [10]), border.device)
    border.device.fail_on = (work, 4)
    with pytest.raises(DeviceError, match=f"{work} failed"):
        write_shots(tmp_path / "a.mp4", on_device, job_for(border, encoder="software"))
    assert on_device.on_loan == 0
    assert not list(tmp_path.iterdir())


def refusing(monkeypatch: pytest.MonkeyPatch, error: Exception, *, but_without_b_frames: bool = False) -> list[str]:
    tried, code = list[str](), Encoding.try_encoder

    def refuse(self: Encoding, picture: av.VideoFrame) -> None:
        tried.append(self.options["bf"])
        if but_without_b_frames and self.options["bf"] == "0":
            return code(self, picture)
        raise error

    monkeypatch.setattr(Encoding, "try_encoder", refuse)
    return tried


def test_an_encoder_without_b_frames_codes_without(tmp_path, border, monkeypatch):
    shots = Shots(spec_of(), [20])
    with simulated_encoder(options={"preset": "veryfast", "x264-params": "stitchable=1", "bf": "2"}):
        error = av.error.NotImplementedError(38, "function not implemented")
        tried = refusing(monkeypatch, error, but_without_b_frames=True)
        writer = write_shots(tmp_path / "a.mp4", OnDevice(shots, border.device), job_for(border))
    assert tried == ["2", "0"]
    assert writer.report.notices == []
    with av.open(str(tmp_path / "a.mp4")) as film:
        packets = [packet.pts for packet in film.demux(video=0) if packet.size]
    assert packets == sorted(packets)


REFUSALS = [
    (av.error.MemoryError(12, "cannot allocate memory"), "sessions are all in use"),
    (av.error.NotImplementedError(38, "function not implemented"), "its driver is too old for FFmpeg"),
    (av.error.PermissionError(1, "operation not permitted"), "check it with nvidia-smi"),
    (av.error.ExternalError(0x20545845, "generic error in an external library"), "see nvidia-smi"),
]


@pytest.mark.parametrize(("error", "cure"), REFUSALS)
def test_where_the_device_refuses_the_processor_codes_and_it_is_said(tmp_path, monkeypatch, error, cure):
    format = PixelFormat.LAB if isinstance(error, MemoryError) else PixelFormat.GRAY
    device, shots = SimulatedDevice(), Shots(spec_of(format=format), [2, 4])
    with simulated_encoder(options={"bf": "2"}):
        write_shots(tmp_path / "here.mp4", shots, job_for(None))
        refusing(monkeypatch, error)
        on_device = OnDevice(shots, device)
        writer = write_shots(tmp_path / "there.mp4", on_device, job_for(SimulatedBorder(device)))
    (notice,) = writer.report.notices
    assert notice.startswith("encoder: the processor codes this film, since NVENC refuses h264 of 96x64 at 8 bits")
    assert cure in notice
    assert on_device.on_loan == 0
    same_codes(tmp_path / "there.mp4", tmp_path / "here.mp4")
    with pytest.raises(EncodeError, match=f"cannot be coded on the GPU: .*{cure}.*--encoder software"):
        write_shots(tmp_path / "forced.mp4", on_device, job_for(SimulatedBorder(device), encoder="device"))
    assert not list(tmp_path.glob("forced*"))
    work_on(None)


def test_a_run_is_not_gone_on_with_by_another_encoder(tmp_path, border):
    shots = Shots(spec_of(Fraction(8)), [10, 10])
    writer = open_writer(tmp_path / "a.mp4", job_for(border))
    writer.open(shots.spec)
    for number, frame in enumerate(OnDevice(shots, border.device).frames()):
        give(writer, frame)
        if number == 15:
            break
    writer.abort()
    assert writer.can_resume
    with pytest.raises(ResumeError, match=r"encoding\.is_on_device: True, now False"):
        write_shots(tmp_path / "a.mp4", shots, job_for(None, resume=True))
    again = write_shots(tmp_path / "a.mp4", OnDevice(shots, border.device), job_for(border, resume=True))
    assert again.report.frames_kept == 10
    write_shots(tmp_path / "b.mp4", OnDevice(shots, border.device), job_for(border))
    assert [film.tobytes() for film in codes(tmp_path / "a.mp4")] == [
        film.tobytes() for film in codes(tmp_path / "b.mp4")
    ]


def test_a_run_that_is_stopped_leaves_finished_segments_alone(tmp_path, border):
    writer = open_writer(tmp_path / "a.mp4", job_for(border))
    shots = Shots(spec_of(), [40])
    writer.open(shots.spec)
    frames = OnDevice(shots, border.device).frames()
    for _ in range(5):
        give(writer, next(frames))
    writer.abort()
    assert not work_folder(tmp_path / "a.mp4").exists()


def test_a_device_that_fails_ends_the_writing_and_frames_come_back(tmp_path, border):
    on_device = OnDevice(Shots(spec_of(), [10]), border.device)
    border.device.fail_on = ("write_ycbcr", 6)
    with pytest.raises(DeviceError, match="write_ycbcr failed"):
        write_shots(tmp_path / "a.mp4", on_device, job_for(border))
    assert on_device.on_loan == 0
    assert not list(tmp_path.iterdir())


def test_a_time_off_the_grid_is_refused_and_the_frame_comes_back(tmp_path, border):
    shots = Shots(spec_of(), [3])
    writer = open_writer(tmp_path / "a.mp4", job_for(border))
    writer.open(shots.spec)
    on_device = OnDevice(shots, border.device)
    frame = next(on_device.frames())
    frame.time_base = Fraction(1, 7)
    frame.pts = 3
    with pytest.raises(TimestampError):
        give(writer, frame)
    writer.abort()
    assert on_device.on_loan == 0


def test_a_frame_of_the_host_shows_that_the_chain_is_wrong(tmp_path, border):
    with pytest.raises(InternalError, match="pixels on the host"):
        write_shots(tmp_path / "a.mp4", Shots(spec_of(), [3]), job_for(border))


@pytest.mark.parametrize(
    ("target", "settings", "takes"),
    [
        ("a.mp4", {}, True),
        ("a.mkv", {"codec": "h265"}, True),
        ("a.mp4", {"codec": "av1", "encoder": "device"}, True),
        ("a.mp4", {"encoder": "software"}, True),
        ("a.mov", {"codec": "prores"}, True),
        ("a.mkv", {"codec": "ffv1"}, True),
        ("out/%06d.tif", {}, False),
        ("-", {}, False),
    ],
)
def test_which_targets_take_frames_of_the_device(border, target, settings, takes):
    assert takes_device_frames(target, OutputSettings(**settings), border) is takes
    if settings.get("encoder") != "device":
        assert not takes_device_frames(target, OutputSettings(**settings), None)


@pytest.mark.parametrize(("target", "what"), [("a.mov", "prores"), ("out/%06d.tif", "pictures"), ("-", "pictures")])
def test_what_the_device_cannot_code_is_refused_where_it_is_asked_for(border, target, what):
    settings = OutputSettings(encoder="device", codec="prores" if what == "prores" else None)
    with pytest.raises(ConfigError, match=f"encoder: got device for {what}; NVENC codes h264, h265, av1"):
        takes_device_frames(target, settings, border)
    with pytest.raises(ConfigError, match="encoder: got device, but the chain runs on the processor"):
        takes_device_frames(target, settings, None)
    with pytest.raises(ConfigError, match="encoder: got 'gpu'; wanted auto, software or device"):
        OutputSettings(encoder="gpu")  # type: ignore[arg-type]


def test_a_pyav_without_the_encoder(tmp_path, border):
    border.no_encoder = "this PyAV (18.1.0) has no encoder h264_nvenc"
    shots = Shots(spec_of(), [3])
    assert takes_device_frames("a.mp4", OutputSettings(), border)
    writer = write_shots(tmp_path / "a.mp4", OnDevice(shots, border.device), job_for(border))
    assert writer.report.notices == [
        "encoder: the processor codes this film, since this PyAV (18.1.0) has no encoder h264_nvenc"
    ]
    with pytest.raises(EncodeError, match="encoder: got device, but this PyAV"):
        takes_device_frames("a.mp4", OutputSettings(encoder="device"), border)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
def test_from_decoder_to_encoder_a_film_never_leaves_the_device(tmp_path, pix_fmt):
    """Film → device reader → pipeline → device writer, beside the same by the processor."""
    film = write_film(
        tmp_path / "film.mkv",
        scene(24, 64, 48),
        rate=NTSC_FILM,
        pix_fmt=pix_fmt,
        extras=Extras(audio=("aac",), subtitles=((Fraction(0), Fraction(1), "Hello"),)),
    )
    device = SimulatedDevice(seed=11)
    border = SimulatedBorder(device)

    def restore(target: Path, border: SimulatedBorder | None) -> tuple[FilmReader, SegmentedWriter]:
        reader = FilmReader(film, format=PixelFormat.RGB, border=border)
        job = replace(job_for(border), source=film)
        writer = open_writer(target, job)
        pipeline = Pipeline(reader, [], writer, cores=1)
        pipeline.open()
        before = device.host_waits
        report = pipeline.run(interval=0.01)
        waits = 0 if border is None else report.frames_out + reader._delivery.waits + 2  # both streams at the end
        assert device.host_waits - before == waits
        assert reader._pool.on_loan == 0
        return reader, writer

    with simulated_encoder(told="yuv420p10le" if "10" in pix_fmt else "nv12"):
        reader, writer = restore(tmp_path / "here.mkv", None)
        with simulated_decoder(border), virtual_queues(device):
            reader, writer = restore(tmp_path / "there.mkv", border)
    assert reader.is_on_device
    assert reader.notices == writer.report.notices == []
    assert not reader.losses
    assert {piece.name for piece in device.slices} == {"nvdec", "read_ycbcr", "write_ycbcr", "clear"}
    assert device.page_locked == 0
    same_codes(tmp_path / "there.mkv", tmp_path / "here.mkv")
    assert picture_times(tmp_path / "there.mkv") == picture_times(tmp_path / "here.mkv")
    assert track_facts(tmp_path / "there.mkv") == track_facts(tmp_path / "here.mkv")


def test_between_the_processors_decoder_and_encoder_only_codes_cross_the_bus(tmp_path, border):
    device, film = border.device, write_film(tmp_path / "film.mkv", scene(24, 63, 47), codec="ffv1", pix_fmt="yuv444p")
    reader = FilmReader(film, settings=InputSettings(decoder="software"), format=PixelFormat.RGB, border=border)
    writer = open_writer(tmp_path / "there.mp4", job_for(border, encoder="software"))
    pipeline = Pipeline(reader, [], writer, cores=1)
    with virtual_queues(device):
        pipeline.open()
        before = device.host_waits
        report = pipeline.run(interval=0.01)
    assert device.host_waits - before == report.frames_out + reader._delivery.waits + 2  # both streams at the end
    assert report.frames_out == 24
    assert reader._pool.on_loan == 0
    assert device.page_locked == SLOTS + 1
    times = Counter(piece.name for piece in device.slices)
    assert times == {"upload": 24, "read_ycbcr": 24, "write_ycbcr": 24, "download": 24}
    here = open_writer(tmp_path / "here.mp4", job_for(None))
    again = Pipeline(FilmReader(film, format=PixelFormat.RGB), [], here, cores=1)
    again.open()
    again.run()
    same_codes(tmp_path / "there.mp4", tmp_path / "here.mp4")
    assert picture_times(tmp_path / "there.mp4") == picture_times(tmp_path / "here.mp4")
