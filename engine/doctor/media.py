"""FFmpeg as PyAV brings it, and the codecs: each really opened, to write a few tiny pictures and to read them back."""

import io
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import av.codec
import numpy as np
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from engine.doctor.board import BOARD, is_jetson
from engine.doctor.finding import Finding, bad, good, not_applicable
from engine.media.codecs import VIDEO_CODECS
from engine.media.device.jetson import DECODER, DOWNLOAD, why_no_jetson

SIDE = 128
"""Pixels of the pictures that are tried; SVT-AV1 wants 64, x265 misbehaves below it."""

FRAMES = 3
REINSTALL = "pip install --force-reinstall av, from a wheel (pip install --only-binary av av)"

READ_TOO: Mapping[str, tuple[str, str]] = {
    "mpeg2video": ("mpeg2video", "yuv420p"),
    "mpeg4": ("mpeg4", "yuv420p"),
    "libvpx-vp9": ("vp9", "yuv420p"),
    "mjpeg": ("mjpeg", "yuvj420p"),
    "png": ("png", "rgb24"),
    "tiff": ("tiff", "rgb24"),
    "dpx": ("dpx", "rgb24"),
}
"""Encoder → decoder and pixel format, of what films and pictures that come in are made of."""

SOFTWARE = {"libsvtav1": "libdav1d"}
"""Encoder → decoder, where the one that FFmpeg picks needs a GPU."""

SEEN_BY = (
    "GStreamer comes with JetPack, python3-gi and gir1.2-gst-plugins-base-1.0 with apt, and both are seen by an "
    "environment made with --system-site-packages"
)

GPU_ENCODERS = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")


def check_ffmpeg() -> Iterator[Finding]:
    """Say which FFmpeg PyAV carries."""
    versions = ", ".join(f"{name} {'.'.join(map(str, version))}" for name, version in av.library_versions.items())
    yield good("FFmpeg", f"{getattr(av, 'ffmpeg_version_info', 'unknown')} in PyAV {av.__version__}: {versions}")


def check_written() -> Iterator[Finding]:
    """Write and read back each codec that farshore writes; one that fails is bad."""
    for codec in VIDEO_CODECS.values():
        pixels = codec.pix_fmts[False, 8]
        yield _tried(f"codec {codec.name}", codec.encoder, SOFTWARE.get(codec.encoder), pixels)


def check_read() -> Iterator[Finding]:
    """Write and read back what films that come in are made of."""
    for encoder, (decoder, pixels) in READ_TOO.items():
        yield _tried(f"codec {decoder}", encoder, decoder, pixels)


def check_nvenc() -> Iterator[Finding]:
    """Try the GPU's encoders, where this build of FFmpeg has them."""
    for encoder in GPU_ENCODERS:
        if encoder not in av.codec.codecs_available:
            yield not_applicable(f"codec {encoder}", "not in this build of FFmpeg")
            continue
        try:
            round_trip(encoder, None, "yuv420p", side=2 * SIDE)
        except (FFmpegError, ValueError) as error:
            yield not_applicable(f"codec {encoder}", f"no GPU that serves it ({_line(error)})")
        else:
            yield good(f"codec {encoder}", f"writes and reads back {2 * SIDE}×{2 * SIDE}")


def check_jetson(board: Path = BOARD) -> Iterator[Finding]:
    """Look whether GStreamer has a Jetson's decoder, and this environment sees it."""
    if not is_jetson(board):
        yield not_applicable("Jetson decoder", "no Jetson")
        return
    why = why_no_jetson()
    if why is None:
        yield good("Jetson decoder", f"GStreamer has {DECODER} and {DOWNLOAD}; tried with each film")
    else:
        yield not_applicable("Jetson decoder", f"{why}; the processor decodes. {SEEN_BY}")


def _tried(subject: str, encoder: str, decoder: str | None, pixels: str) -> Finding:
    try:
        name = round_trip(encoder, decoder, pixels)
    except (FFmpegError, ValueError, LookupError) as error:
        return bad(subject, f"{encoder} cannot be used: {_line(error)}", REINSTALL)
    return good(subject, f"{encoder} writes, {name} reads back")


def round_trip(encoder: str, decoder: str | None, pixels: str, *, side: int = SIDE) -> str:
    """Encode a few pictures and decode them; return the decoder's name.

    Parameters
    ----------
    decoder : name of the decoder; None: the one that FFmpeg picks

    Raises
    ------
    FFmpegError, ValueError, LookupError
        The codec is missing, cannot be opened, or does not give the pictures back.
    """
    os.environ.setdefault("SVT_LOG", "0")  # SVT-AV1 writes to stderr by itself; its errors come back as codes
    writer = _context(encoder, "w")
    writer.width = writer.height = side
    writer.pix_fmt = pixels
    writer.time_base, writer.framerate = Fraction(1, 25), Fraction(25)
    if encoder == "libx265":
        writer.options = {"x265-params": "log-level=none"}
    picture = np.full((side, side, 3), 96, np.uint8)
    picture[: side // 2] = 160
    frames: list[av.VideoFrame] = []
    for index in range(FRAMES):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
        frame.pts, frame.time_base = index, Fraction(1, 25)
        frames.append(frame)
    packets = [packet for frame in (*frames, None) for packet in writer.encode(frame)]
    reader = _context(decoder or writer.codec.canonical_name, "r")
    reader.width = reader.height = side
    reader.extradata = writer.extradata
    made = [frame for packet in packets for frame in reader.decode(packet)] + list(reader.decode(None))
    if len(made) != FRAMES:
        raise ValueError(f"{len(made)} of {FRAMES} pictures came back")
    top, bottom = (float(part.mean()) for part in np.split(made[0].to_ndarray(format="gray"), 2))
    if not 140 < top < 180 or not 76 < bottom < 116:
        raise ValueError("another picture came back")
    return reader.codec.name


def _context(name: str, mode: Literal["r", "w"]) -> VideoCodecContext:
    return cast(VideoCodecContext, av.CodecContext.create(name, mode))


def check_containers() -> Iterator[Finding]:
    """Look whether files in memory can be opened at all: muxing and demuxing."""
    buffer = io.BytesIO()
    try:
        with av.open(buffer, "w", format="matroska") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width = stream.height = SIDE
            stream.pix_fmt = "gray"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((SIDE, SIDE), np.uint8), format="gray")))
            container.mux(stream.encode(None))
        buffer.seek(0)
        with av.open(buffer, "r") as container:
            count = sum(1 for _ in container.decode(video=0))
    except (FFmpegError, ValueError) as error:
        yield bad("containers", f"Matroska cannot be used: {_line(error)}", REINSTALL)
    else:
        yield good("containers", f"Matroska is written and read back, {count} picture")


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__


CHECKS = (check_ffmpeg, check_containers, check_written, check_read, check_nvenc, check_jetson)
