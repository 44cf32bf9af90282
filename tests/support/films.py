"""Make the films that tests read: small, drawn here, nothing downloaded.

`moving_scene` draws pictures, `write_film` encodes them with everything a container can say beside them (`Extras`),
`coded_picture` makes a frame of exact code values, `write_sequence` writes a folder of pictures, and `damaged` /
`truncated` spoil the bytes of a file in a repeatable way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph

Picture = npt.NDArray[np.uint8]
"""uint8 (H, W, 3), R'G'B', full range."""

NTSC_FILM = Fraction(24000, 1001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What a film carries beside its pictures.

    audio : codec name of each sound track ("aac", "pcm_s16le", "libopus"); each is a sine of its own pitch
    audio_rate : samples per second
    subtitles : (start, end, text), seconds
    chapters : (start, end, title), seconds
    attachments : (file name, MIME type, bytes); Matroska only
    timecode : such as "01:00:00:00"; a track of its own in MOV
    metadata : of the container
    """

    audio: tuple[str, ...] = ()
    audio_rate: int = 48000
    subtitles: tuple[tuple[Fraction, Fraction, str], ...] = ()
    chapters: tuple[tuple[Fraction, Fraction, str], ...] = ()
    attachments: tuple[tuple[str, str, bytes], ...] = ()
    timecode: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the pictures are to be shown.

    sample_aspect : width of a pixel ÷ its height
    rotation : degrees counter-clockwise by which a player turns the picture
    horizontal_flip, vertical_flip : mirrored after turning
    matrix, range, transfer, primaries : FFmpeg's numbers; 2 and 0 are "unspecified"
    """

    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    matrix: int = 2
    range: int = 0
    transfer: int = 2
    primaries: int = 2

    @property
    def is_turned(self) -> bool:
        """Whether a display matrix is needed."""
        return bool(self.rotation or self.horizontal_flip or self.vertical_flip)


def moving_scene(width: int, height: int, count: int, *, seed: int = 0, color: bool = True) -> Iterator[Picture]:
    """Draw a textured ground under a disc and a bar that move steadily.

    Parameters
    ----------
    width, height : of each picture
    count : how many
    seed : of ground, colours and speeds: another seed is another shot
    color : False draws R' = G' = B'
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    phase = rng.uniform(0, 6.28, 6)
    waves = (rng.uniform(0.02, 0.12, (3, 2)) * np.array([1.0, -1.0])).astype(np.float32)
    ground = np.stack(
        [110 + 50 * np.sin(waves[c, 0] * columns + waves[c, 1] * rows + phase[c]) for c in range(3)], axis=-1
    )
    ink = rng.uniform(0, 255, (2, 3))
    if not color:
        ground[:] = ground.mean(axis=-1, keepdims=True)
        ink[:] = ink.mean(axis=-1, keepdims=True)
    speed = rng.uniform(0.5, 2.0, 2) * width / 160
    for index in range(count):
        picture = ground.copy()
        x, y = (width * 0.2 + speed[0] * index) % width, height * (0.5 + 0.2 * np.sin(0.1 * index))
        picture[(columns - x) ** 2 + (rows - y) ** 2 < (height / 6) ** 2] = ink[0]
        picture[np.abs(columns - (width * 0.7 + speed[1] * index) % width) < width / 40] = ink[1]
        yield np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def grey_levels(width: int, height: int) -> npt.NDArray[np.float64]:
    """Return a ramp from 0 to 1, left to right, shape (height, width)."""
    return np.broadcast_to(np.linspace(0.0, 1.0, width), (height, width)).copy()


def coded_picture(planes: Sequence[npt.ArrayLike], pix_fmt: str, *, shape: Shape | None = None) -> av.VideoFrame:
    """Make a frame out of exact code values.

    Parameters
    ----------
    planes : one integer array per plane, (rows, samples): interleaved samples side by side as in memory
    pix_fmt : FFmpeg's name of the pixel format
    shape : its colour numbers are put on the frame
    """
    arrays = [np.asarray(plane) for plane in planes]
    bits = max(component.bits for component in av.VideoFormat(pix_fmt, 16, 16).components)
    dtype = np.dtype(np.uint8 if bits <= 8 else ">u2" if pix_fmt.endswith("be") else "<u2")
    height, width = arrays[0].shape
    interleave = {"rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4, "argb": 4, "abgr": 4, "yuyv": 2, "uyvy": 2, "yvyu": 2}
    width //= interleave.get("".join(c for c in pix_fmt.removesuffix("le").removesuffix("be") if c.isalpha()), 1)
    frame = av.VideoFrame(width, height, pix_fmt)
    for plane, array in zip(frame.planes, arrays, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        data = np.ascontiguousarray(array.astype(dtype)).view(np.uint8).reshape(array.shape[0], -1)
        rows[: data.shape[0], : data.shape[1]] = data
    _put_color(frame, shape or Shape())
    return frame


def write_film(
    path: Path,
    pictures: Iterable[Picture | av.VideoFrame],
    *,
    rate: Fraction | int = 24,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times: Sequence[Fraction] | None = None,
    time_base: Fraction | None = None,
    options: Mapping[str, str] | None = None,
    shape: Shape | None = None,
    extras: Extras | None = None,
    format: str | None = None,
    container_options: Mapping[str, str] | None = None,
    field_order: Literal["tff", "bff"] | None = None,
) -> Path:
    """Encode a film and return its path.

    Parameters
    ----------
    path : of the file; its extension names the container unless `format` does
    pictures : R'G'B' arrays (converted to `pix_fmt` by swscale) or frames already in `pix_fmt`
    rate : pictures per second, exact
    codec, pix_fmt, options : FFmpeg's names; x264 and x265 run at "ultrafast" unless told otherwise
    times : seconds at which each picture is shown; None is an even grid from 0
    time_base : of the encoder; None is 1 / rate
    shape : aspect, rotation, colour numbers
    extras : sound, subtitles, chapters, attachments, timecode, metadata
    container_options : for the muxer
    field_order : code and flag the pictures as interlaced, top or bottom field first; see `weave`
    """
    shape, extras = shape or Shape(), extras or Extras()
    rate = Fraction(rate)
    base = time_base or 1 / rate
    frames = (_as_frame(picture, pix_fmt, shape) for picture in pictures)
    if field_order is not None:
        options = {"flags": "+ildct+ilme", **(options or {})}
        frames = _flagged(frames, field_order)
    first = next(frames)
    with av.open(str(path), "w", format=format, options=dict(container_options or {})) as container:
        container.metadata.update(extras.metadata)
        stream = _add_video(container, codec, first, pix_fmt, rate, base, options, shape, extras)
        tracks = [_add_audio(container, name, extras) for name in extras.audio]
        subtitles = _add_subtitles(container, extras)
        for name, mime, data in extras.attachments:
            container.add_attachment(name, mime, data)
        if extras.chapters:
            container.set_chapters(_chapter_list(extras))
        count = 0
        for count, frame in enumerate(chain([first], frames), start=1):
            time = times[count - 1] if times is not None else (count - 1) / rate
            frame.pts, frame.time_base = round(time / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for number, track in enumerate(tracks):
            _mux_tone(container, track, 220.0 * (number + 1), Fraction(count) / rate)
        if subtitles is not None:
            _mux_subtitles(container, subtitles, extras)
    return path


def weave(fields: Sequence[Picture], *, top_first: bool) -> Iterator[Picture]:
    """Join pictures drawn at field rate into interlaced ones: two successive moments share each picture's lines."""
    for earlier, later in zip(fields[0::2], fields[1::2], strict=True):
        picture = earlier.copy()
        picture[int(top_first) :: 2] = later[int(top_first) :: 2]
        yield picture


def write_sequence(
    folder: Path,
    pictures: Iterable[Picture | av.VideoFrame],
    *,
    extension: str = "png",
    codec: str | None = None,
    pix_fmt: str = "rgb24",
    start: int = 1,
    pattern: str = "frame-{:05d}",
) -> list[Path]:
    """Write one picture file per picture and return their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    encoders = {"jpg": "mjpeg", "jpeg": "mjpeg", "tif": "tiff"}
    paths: list[Path] = []
    for number, picture in enumerate(pictures, start=start):
        frame = _as_frame(picture, pix_fmt, Shape())
        context = av.CodecContext.create(codec or encoders.get(extension, extension), "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, pix_fmt
        context.time_base = Fraction(1, 24)
        frame.pts = 0
        data = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
        paths.append(folder / f"{pattern.format(number)}.{extension}")
        paths[-1].write_bytes(data)
    return paths


def truncated(path: Path, fraction: float, *, name: str | None = None) -> Path:
    """Copy the first part of a file beside it and return the copy's path."""
    data = path.read_bytes()
    copy = path.with_name(name or f"truncated-{path.name}")
    copy.write_bytes(data[: int(len(data) * fraction)])
    return copy


def damaged(path: Path, *, seed: int, flips: int = 20, after: float = 0.0, name: str | None = None) -> Path:
    """Copy a file with some bytes replaced by random ones, none before the fraction `after`; return the copy's path."""
    rng = np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    for position in rng.integers(int(len(data) * after), len(data), flips):
        data[position] = int(rng.integers(0, 256))
    copy = path.with_name(name or f"damaged-{seed}-{path.name}")
    copy.write_bytes(bytes(data))
    return copy


def _as_frame(picture: Picture | av.VideoFrame, pix_fmt: str, shape: Shape) -> av.VideoFrame:
    if isinstance(picture, av.VideoFrame):
        return picture
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame = frame.reformat(format=pix_fmt, threads=1)
    _put_color(frame, shape)
    return frame


def _flagged(frames: Iterator[av.VideoFrame], field_order: str) -> Iterator[av.VideoFrame]:
    """Flag pictures as interlaced; PyAV cannot set these flags itself, a filter can."""
    graph: Graph | None = None
    for frame in frames:
        if graph is None:
            graph = Graph()
            size = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/25"
            source = graph.add("buffer", size)
            graph.link_nodes(source, graph.add("setfield", f"mode={field_order}"), graph.add("buffersink")).configure()
        graph.vpush(frame)
        yield graph.vpull()


def _put_color(frame: av.VideoFrame, shape: Shape) -> None:
    frame.colorspace, frame.color_range = shape.matrix, shape.range
    frame.color_trc, frame.color_primaries = shape.transfer, shape.primaries


def _add_video(
    container: Any,
    codec: str,
    first: av.VideoFrame,
    pix_fmt: str,
    rate: Fraction,
    base: Fraction,
    options: Mapping[str, str] | None,
    shape: Shape,
    extras: Extras,
) -> Any:
    quick = {"preset": "ultrafast"} if codec in ("libx264", "libx265") else {}
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    quick_av1 = {"preset": "12"} if codec == "libsvtav1" else {}
    chosen = {**quick, **quiet, **quick_av1, **(options or {})}
    stream = container.add_stream(codec, rate=rate, options=chosen)
    stream.width, stream.height, stream.pix_fmt = first.width, first.height, pix_fmt
    context = stream.codec_context
    context.time_base, context.thread_count = base, 1
    context.sample_aspect_ratio = shape.sample_aspect
    context.colorspace, context.color_range = shape.matrix, shape.range
    context.color_trc, context.color_primaries = shape.transfer, shape.primaries
    if shape.is_turned:
        stream.set_display_rotation(shape.rotation, shape.horizontal_flip, shape.vertical_flip)
    if extras.timecode is not None:
        stream.metadata["timecode"] = extras.timecode
    return stream


def _add_audio(container: Any, codec: str, extras: Extras) -> Any:
    stream = container.add_stream(codec, rate=extras.audio_rate)
    stream.layout = "mono"
    stream.time_base = Fraction(1, extras.audio_rate)
    return stream


def _mux_tone(container: Any, stream: Any, pitch: float, seconds: Fraction) -> None:
    rate = stream.codec_context.sample_rate
    total = round(seconds * rate)
    resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
    for start in range(0, total, 1024):
        index = np.arange(start, min(start + 1024, total))
        samples = (8000 * np.sin(2 * np.pi * pitch * index / rate)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        for converted in resampler.resample(frame):
            container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


def _add_subtitles(container: Any, extras: Extras) -> Any:
    if not extras.subtitles:
        return None
    codec = "mov_text" if container.format.name in ("mp4", "mov") else "subrip"
    stream = container.add_mux_stream(codec)
    stream.time_base = Fraction(1, 1000)
    return stream


def _mux_subtitles(container: Any, stream: Any, extras: Extras) -> None:
    is_mov = container.format.name in ("mp4", "mov")
    for start, end, text in extras.subtitles:
        coded = text.encode()
        packet = av.Packet(len(coded).to_bytes(2, "big") + coded if is_mov else coded)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        container.mux(packet)


def _chapter_list(extras: Extras) -> list[Any]:
    return [
        {
            "id": number,
            "start": round(start * 1000),
            "end": round(end * 1000),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": title},
        }
        for number, (start, end, title) in enumerate(extras.chapters, start=1)
    ]
