"""FFmpeg on a GPU, as far as it shows without one: PyAV has all that is used, and what it lacks is told in time."""

import sys
import threading
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.video.frame import CudaContext
from av.video.plane import VideoPlane

import engine.device.cuda as cuda_module
from engine.device.cuda import CudaDevice, open_device
from engine.device.pool import device_planes
from engine.errors import DecodeError, EncodeError, FarshoreError, InternalError
from engine.media.codec_table import DEVICE_CODECS
from engine.media.codecs import encoding_for
from engine.media.device import border as border_module
from engine.media.device import lending
from engine.media.device.border import CudaBorder, border_of
from engine.media.device.encoding import choose_encoder, open_device_encoder
from engine.media.device.lending import LentPlane
from engine.media.reader import FilmReader
from engine.settings import InputSettings, OutputSettings
from engine.types import PixelFormat
from tests.support import fake_cuda, simulated_device
from tests.support.device_films import SimulatedBorder, StandInPicture, StandInPlane
from tests.support.films import write_film
from tests.support.reading import read as read_on_host
from tests.support.reading import scene
from tests.support.simulated_device import SimulatedDevice
from tests.support.tracks import spec_of


def has_gpu() -> bool:
    try:
        open_device()
    except FarshoreError:
        return False
    return True


without_gpu = pytest.mark.skipif(has_gpu(), reason="there is a GPU: test_gpu.py shows what it does")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> CudaDevice:
    reading = {("surfaces_in", "float32"): simulated_device._kernels("surfaces_in", "float32")}
    monkeypatch.setitem(sys.modules, "cuda.core", fake_cuda.fake_core(reading))
    monkeypatch.setitem(sys.modules, "cuda.core.utils", fake_cuda.fake_utils())
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", fake_cuda.fake_driver())
    monkeypatch.setattr(cuda_module, "compile_source", lambda *given, **options: fake_cuda.ObjectCode())
    return open_device("1")


def public(kind: Any) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_stand_ins_have_nothing_that_pyav_lacks():
    device = SimulatedDevice()
    picture = StandInPicture(av.VideoFrame(64, 48, "yuv420p"), SimulatedBorder(device))
    made = {name for name in vars(picture) if not name.startswith("_")} | public(StandInPicture)
    assert made <= set(dir(av.VideoFrame))
    plane = {name for name in vars(picture.planes[0]) if not name.startswith("_")} | public(StandInPlane)
    assert plane <= set(dir(VideoPlane))
    assert {"__dlpack_device__", "__dlpack__"} <= set(dir(VideoPlane))


def test_a_real_plane_tells_its_place_as_the_stand_in_does():
    picture = av.VideoFrame(64, 48, "nv12")
    luma, chroma = picture.planes
    assert luma.__dlpack_device__() == (1, 0)
    assert luma.buffer_ptr == np.frombuffer(luma, np.uint8).ctypes.data
    assert (chroma.height, chroma.line_size) == (24, luma.line_size)
    surface = SimulatedBorder(SimulatedDevice()).surface(picture)
    assert surface.address == luma.buffer_ptr
    assert surface.planes == ((0, luma.line_size), (chroma.buffer_ptr - luma.buffer_ptr, luma.line_size))


def test_nvdec_leaves_pictures_on_the_gpu_and_falls_back_by_itself(cuda):
    accelerator = CudaBorder(cuda).accelerator()
    assert isinstance(accelerator, HWAccel)
    assert (accelerator.is_hw_owned, accelerator.device_id, accelerator.allow_software_fallback) == (True, 1, True)
    assert accelerator.options == {"primary_ctx": "0", "current_ctx": "1"}
    for codec in ("h264", "hevc", "mpeg2video", "vp9", "vc1", "mpeg4", "av1"):
        configs = av.Codec(codec, "r").hardware_configs
        assert [(config.device_type.name, config.is_supported) for config in configs] == [("cuda", True)]


def test_our_streams_wait_for_the_one_that_ffmpeg_works_in(cuda):
    border = CudaBorder(cuda)
    recorded: list[int] = []
    ffmpegs = fake_cuda.STREAMS[1]  # CU_STREAM_LEGACY
    event, ours = cuda.event(), cuda.stream()
    ffmpegs.record = recorded.append
    border.mark_decoded(event)
    event.wait(ours)
    assert recorded == [event.native]
    assert ours.native.waited == [event.native]


def test_ffmpeg_takes_the_context_that_is_current_and_it_is(cuda):
    border = CudaBorder(cuda)
    context = border._context
    assert isinstance(context, CudaContext)
    assert (context.device_id, context.primary_ctx, context.current_ctx, context.cuda_stream) == (1, False, True, 0)
    entered = fake_cuda.Device.entered
    worker = threading.Thread(target=border.accelerator)
    worker.start()
    worker.join()
    assert fake_cuda.Device.entered == entered + 1
    assert border.dlpack_device == (2, 1)
    assert border.holds(av.VideoFrame(64, 48, "nv12")) is False


def test_only_a_gpu_of_cuda_has_a_border(cuda):
    assert isinstance(border_of(cuda), CudaBorder)
    assert border_of(SimulatedDevice()) is None
    assert border_of(None) is None


def test_pictures_of_another_device_or_of_scattered_planes_are_a_bug(cuda):
    picture = av.VideoFrame(64, 48, "nv12")
    with pytest.raises(InternalError, match=r"device \(1, 0\) came to \(2, 1\)"):
        CudaBorder(cuda).surface(picture)
    stand_in = StandInPicture(av.VideoFrame(64, 48, "yuv420p"), SimulatedBorder(SimulatedDevice()))
    stand_in.planes = stand_in.planes[::-1]
    with pytest.raises(InternalError, match="bytes behind its luma"):
        stand_in._border.surface(stand_in)  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", DEVICE_CODECS.values(), ids=DEVICE_CODECS)
def test_nvenc_has_every_option_in_its_range(codec):
    encoder = av.CodecContext.create(codec.encoder, "w")
    options = {option.name: option for option in encoder.supported_options.private}
    general = {option.name for option in encoder.supported_options.generic}
    told = dict(encoding_for(codec, OutputSettings(), spec_of(size=(640, 480))).options)
    for name, value in told.items():
        if name in general:
            continue
        choices = {choice.name for choice in options[name].choices}
        assert value in choices or options[name].min <= float(value) <= options[name].max, (name, value)
    assert {told.pop("bf"), told.pop("g")} <= {"0", "2", "120"}
    numbers = [float(codec.dial_value(quality)) for quality in range(101)]
    assert numbers == sorted(numbers, reverse=True)
    assert 0 < numbers[-1] < numbers[0] <= options["cq"].max
    formats = {video_format.name for video_format in av.Codec(codec.encoder, "w").video_formats or ()}
    assert {*codec.pix_fmts.values(), codec.told_format} <= formats
    assert codec.reorder_frames >= int(codec.options["bf"])


@pytest.mark.parametrize("name", DEVICE_CODECS)
def test_the_two_tables_write_segments_alike(name):
    encoding = encoding_for(DEVICE_CODECS[name], OutputSettings(), spec_of(size=(640, 480), format=PixelFormat.RGB))
    assert encoding.is_on_device
    assert encoding.video_codec is DEVICE_CODECS[name]
    assert encoding.picture.pix_fmt == "nv12"
    assert encoding.rate == Fraction(24000, 1001)


def test_a_pyav_for_arm_says_so(cuda, monkeypatch):
    assert "cuda" in hwdevices_available() or sys.platform != "linux"
    monkeypatch.setattr(border_module, "hwdevices_available", lambda: ["drm"])
    assert "built without NVDEC" in (CudaBorder(cuda).why_no_decoder() or "")
    monkeypatch.setattr(av.codec, "codecs_available", {"libx264"})
    why = CudaBorder(cuda).why_no_encoder("h264_nvenc")
    assert why == f"this PyAV ({av.__version__}) has no encoder h264_nvenc"


@without_gpu
def test_without_a_driver_the_processor_decodes_and_says_why(cuda, tmp_path):
    path = write_film(tmp_path / "a.mkv", scene(3))
    with FilmReader(path, border=CudaBorder(cuda)) as reader:
        frames = list(reader.frames())
        assert len(frames) == 3
        assert reader.is_on_device
        _, _, wanted = read_on_host(path, PixelFormat.RGB)
        stream, made = cuda.stream(), np.empty(reader.spec.pixels_shape, np.float32)
        for frame, picture in zip(frames, wanted, strict=True):  # their codes went up, and were read there
            assert frame.ready is not None
            frame.ready.wait(stream)
            cuda.download(device_planes(frame), made, stream)
            stream.synchronize()
            np.testing.assert_allclose(made, picture, rtol=0, atol=2e-6)
    assert reader.notices == [
        "decoder: the processor decodes this film, since FFmpeg cannot open the GPU (Operation not permitted)"
    ]
    with pytest.raises(DecodeError, match=r"cannot be decoded on the GPU: .*nvidia-smi, or leave --decoder out"):
        FilmReader(path, border=CudaBorder(cuda), settings=InputSettings(decoder="device"))


@without_gpu
def test_without_a_driver_lent_planes_come_back_with_the_error(cuda):
    log: list[str] = []
    memory = np.zeros((9, 16), np.uint8)
    luma = LentPlane(memory.ctypes.data, (6, 8), (16, 1), np.uint8, (2, 1), lambda: log.append("luma"))
    chroma = LentPlane(memory.ctypes.data, (3, 4, 2), (16, 2, 1), np.uint8, (2, 1), lambda: log.append("chroma"))
    with pytest.raises(FFmpegError):
        CudaBorder(cuda).encoder_picture((luma, chroma), "nv12")
    assert sorted(log) == ["chroma", "luma"]
    assert not {luma, chroma} & set(lending._out.values())


@without_gpu
@pytest.mark.parametrize("name", DEVICE_CODECS)
def test_without_a_driver_the_processor_codes_and_says_why(cuda, tmp_path, name):
    settings, spec = OutputSettings(codec=name), spec_of(size=(640, 480))
    choice = choose_encoder(settings, CudaBorder(cuda), name)
    assert choice.codec is DEVICE_CODECS[name]
    why = open_device_encoder(choice, settings, spec, tmp_path / "a.mp4")
    assert isinstance(why, str)
    assert f"NVENC refuses {name} of 640x480 at 8 bits" in why
    assert "check it with nvidia-smi" in why
    forced = OutputSettings(codec=name, encoder="device")
    with pytest.raises(EncodeError, match=r"a\.mp4: cannot be coded on the GPU"):
        open_device_encoder(choice, forced, spec, tmp_path / "a.mp4")
