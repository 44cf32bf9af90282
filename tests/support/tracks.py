"""Shots that writers are given, and what a written film turns out to hold; film makers are in `films.py`."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from engine.frame import Frame
from engine.media.output import WriteJob, Writer
from engine.media.writer import open_writer
from engine.pool import BufferPool
from engine.types import FrameFlags, FrameSpec, PixelFormat

NTSC_FILM = Fraction(24000, 1001)
NTSC_60 = Fraction(60000, 1001)


def spec_of(
    rate: Fraction | None = NTSC_FILM,
    *,
    size: tuple[int, int] = (96, 64),
    format: PixelFormat = PixelFormat.GRAY,
    time_base: Fraction | None = None,
    start: Fraction = Fraction(0),
    bit_depth: int = 8,
) -> FrameSpec:
    """Return what small frames are like."""
    base = time_base or (1 / rate if rate is not None else Fraction(1, 1000))
    return FrameSpec(
        format=format, width=size[0], height=size[1], rate=rate, time_base=base, start=start, bit_depth=bit_depth
    )


class Shots:
    """Moving textures, another one in each shot; the same numbers every time.

    Parameters
    ----------
    spec : of the frames
    lengths : frames in each shot
    times : seconds of each frame; None is the grid of `spec.rate` from `spec.start`
    last_duration : of the last frame; None leaves it unknown
    """

    def __init__(
        self,
        spec: FrameSpec,
        lengths: Sequence[int],
        *,
        times: Sequence[Fraction] | None = None,
        last_duration: Fraction | None = None,
    ) -> None:
        self.spec = spec
        self.pool = BufferPool(spec.pixels_shape, prepare=2)
        self.chroma_pool = BufferPool(spec.chroma_shape, prepare=2) if spec.chroma_shape else None
        self.times = times if times is not None else _grid(spec, sum(lengths))
        self._lengths, self._last_duration = lengths, last_duration

    def frames(self, first_shot: int = 0) -> Iterator[Frame]:
        """Yield the frames from a shot on."""
        index = 0
        for shot, length in enumerate(self._lengths):
            for place in range(length):
                if shot >= first_shot:
                    yield self._frame(index, shot, place)
                index += 1

    def _frame(self, index: int, shot: int, place: int) -> Frame:
        lease = self.pool.lease()
        rows, columns = np.mgrid[0 : self.spec.height, 0 : self.spec.width].astype(np.float32)
        grain = np.random.default_rng(index).normal(0, 0.02, lease.array.shape)
        wave = 0.5 + 0.3 * np.sin((columns + 3 * place) / (5 + shot)) * np.cos((rows - place) / (4 + shot))
        lease.array[:] = np.clip(wave + grain, 0, 1)
        leases = [lease]
        if self.chroma_pool is not None:
            leases.append(self.chroma_pool.lease())
            leases[1].array[0], leases[1].array[1] = 0.55, 0.45
        is_last = index == len(self.times) - 1
        return Frame(
            pixels=lease.array,
            chroma=leases[1].array if len(leases) > 1 else None,
            format=self.spec.format,
            pts=_units(self.times[index], self.spec.time_base),
            time_base=self.spec.time_base,
            index=index,
            shot=shot,
            flags=FrameFlags.SCENE_CUT if place == 0 else FrameFlags.NONE,
            duration=self._last_duration if is_last else None,
            leases=tuple(leases),
        )


def write_shots(target: Path | str, shots: Shots, job: WriteJob | None = None) -> Writer:
    """Write shots to a target from the first unfinished one on, and return the spent writer."""
    writer = open_writer(target, job or WriteJob())
    try:
        writer.open(shots.spec)
        for frame in shots.frames(writer.next_shot):
            give(writer, frame)
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    return writer


def give(writer: Writer, frame: Frame) -> None:
    """Let a writer have a frame as the pipeline does."""
    if frame.ready is not None and writer.stream is not None:
        frame.ready.wait(writer.stream)
    elif frame.ready is not None:
        frame.ready.synchronize()
    writer.write(frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFacts:
    """What a track of a written file is: its kind, codec, words, and when it is first and last heard or seen."""

    kind: str
    codec: str | None
    language: str | None
    title: str | None
    disposition: int
    start: Fraction | None
    end: Fraction | None
    packets: int
    texts: tuple[str, ...] = field(default=())


def track_facts(path: Path) -> list[TrackFacts]:
    """Read every track of a file."""
    with av.open(str(path)) as container:
        rows: dict[int, list[tuple[Fraction, Fraction]]] = {}
        texts: dict[int, list[str]] = {}
        for packet in container.demux():
            if not packet.size or packet.pts is None:
                continue
            base = Fraction(packet.time_base)
            rows.setdefault(packet.stream_index, []).append((packet.pts * base, (packet.duration or 0) * base))
            if packet.stream.type == "subtitle":
                texts.setdefault(packet.stream_index, []).append(bytes(packet).decode(errors="replace"))
        return [
            TrackFacts(
                kind=s.type,
                codec=s.codec_context.codec.canonical_name if s.codec_context else None,
                language=s.metadata.get("language"),
                title=s.metadata.get("title") or s.metadata.get("name"),
                disposition=int(s.disposition),
                start=min((t for t, _ in rows.get(s.index, ())), default=None),
                end=max((t + d for t, d in rows.get(s.index, ())), default=None),
                packets=len(rows.get(s.index, ())),
                texts=tuple(texts.get(s.index, ())),
            )
            for s in container.streams
        ]


def picture_times(path: Path) -> list[Fraction]:
    """Decode a film and return its frames' times, seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * Fraction(frame.time_base) for frame in container.decode(video=0)]


def picture_hashes(path: Path) -> list[str]:
    """Decode a film and return a hash of each picture's samples."""
    with av.open(str(path)) as container:
        return [_hash(frame) for frame in container.decode(video=0)]


def lumas(path: Path) -> Iterable[np.ndarray]:
    """Decode a film and yield Y' of each picture as float64 in codes of 8 bits."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            is_deep = plane.line_size >= 2 * plane.width
            rows = np.frombuffer(plane, np.uint16 if is_deep else np.uint8).reshape(plane.height, -1)
            yield rows[:, : plane.width].astype(np.float64) / (4 if is_deep else 1)


def _hash(frame: av.VideoFrame) -> str:
    digest = hashlib.sha256()
    for plane in frame.planes:
        width = plane.width * (2 if "10" in frame.format.name else 1)
        digest.update(np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, :width].tobytes())
    return digest.hexdigest()


def _grid(spec: FrameSpec, count: int) -> list[Fraction]:
    assert spec.rate is not None
    return [spec.start + index / spec.rate for index in range(count)]


def _units(time: Fraction, base: Fraction) -> int:
    units = time / base
    assert units.denominator == 1, f"{time} s is no multiple of {base} s"
    return units.numerator


def write_sound_film(
    path: Path,
    count: int,
    *,
    codec: str,
    picture_at: Fraction = Fraction(0),
    sound_at: Fraction = Fraction(0),
    tracks: Sequence[tuple[str, str, int]] = (("und", "", 1),),
    spoil: Iterable[int] = (),
    cover: bool = False,
    sample_rate: int = 48000,
    channels: int = 1,
) -> Path:
    """Write a film of `count` pictures at 24000/1001 with sound, each beginning when told.

    Parameters
    ----------
    codec, sample_rate, channels : of the sound
    picture_at, sound_at : first picture and first sample, seconds
    tracks : language, title and whether it is the default, of each sound track
    spoil : numbers of the first track's packets whose bytes are overwritten
    cover : add a cover picture
    """
    spoiled = set(spoil)
    with av.open(str(path), "w") as container:
        quick = {"preset": "ultrafast", "tune": "zerolatency"}
        picture = container.add_stream("libx264", rate=NTSC_FILM, options=quick)
        picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
        picture.codec_context.time_base = Fraction(1, 720_000)
        sounds = []
        for language, title, is_default in tracks:
            layout = {1: "mono", 2: "stereo", 6: "5.1", 12: "7.1.4"}[channels]
            sound = container.add_stream(codec, rate=sample_rate, layout=layout)
            sound.metadata.update({"language": language, **({"title": title} if title else {})})
            sound.disposition = is_default
            sounds.append(sound)
        image = _add_cover(container) if cover else None
        seconds = count / NTSC_FILM
        for index in range(count):
            frame = av.VideoFrame(96, 64, "yuv420p")
            for plane in frame.planes:
                np.frombuffer(plane, np.uint8)[:] = 100 + index % 50
            frame.pts, frame.time_base = round((picture_at + index / NTSC_FILM) * 720_000), Fraction(1, 720_000)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if image is not None:
            container.mux(image)
        for number, sound in enumerate(sounds):
            for place, packet in enumerate(_tone_packets(sound, 220.0 * (number + 1), seconds, sound_at)):
                if number == 0 and place in spoiled:
                    np.frombuffer(packet, np.uint8)[:] = 0xFF
                container.mux(packet)
    return path


def _tone_packets(sound: av.AudioStream, pitch: float, seconds: Fraction, start: Fraction) -> Iterator[av.Packet]:
    rate, layout = sound.codec_context.sample_rate, sound.codec_context.layout
    samples = np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate) * 8000
    for first in range(0, len(samples), 1152):
        block = np.repeat(samples[first : first + 1152].astype(np.int16), layout.nb_channels)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, first + round(start * rate), Fraction(1, rate)
        yield from sound.encode(frame)
    yield from sound.encode(None)


def _add_cover(container: av.container.OutputContainer) -> av.Packet:
    encoder = av.CodecContext.create("png", "w")
    encoder.width = encoder.height = 16
    encoder.pix_fmt, encoder.time_base = "rgb24", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 90, np.uint8), format="rgb24")
    frame.pts = 0
    packet = [*encoder.encode(frame), *encoder.encode(None)][0]
    stream = container.add_mux_stream("png", width=16, height=16)
    stream.disposition = int(av.stream.Disposition.attached_pic)
    stream.time_base = Fraction(1, 90_000)
    packet.stream, packet.pts, packet.dts = stream, 0, 0
    return packet
