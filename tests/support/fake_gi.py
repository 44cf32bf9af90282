"""PyGObject and GStreamer as far as the engine uses them; FFmpeg decodes within.

A test holds it against the real ones. It works like the Jetson's decoder where that is peculiar: only when it is looked
at, at random moments; rows are padded; times are whole microseconds; of pictures that are to be shown before one that
was, nothing comes; a packet that FFmpeg refuses vanishes without a word.
"""

import contextlib
import re
import sys
import threading
import time
from collections import deque
from random import Random
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from av.error import FFmpegError

from engine.media.layout import LAYOUTS, samples

SECOND = 10**9
CODECS = {"x-h264": "h264", "x-h265": "hevc", "x-vp9": "vp9", "mpeg": "mpeg2video"}
PADDING = 32


class Error(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(f"gst_parse_error: {message} (1)")
        self.message = message


class Structure:
    def __init__(self, format: str) -> None:
        self._format = format

    def get_string(self, name: str) -> str:
        assert name == "format"
        return self._format


class Caps:
    def __init__(self, text: str, **raw: Any) -> None:
        self._text, self._raw = text, raw

    @staticmethod
    def from_string(text: str) -> "Caps":
        return Caps(text)

    def get_structure(self, number: int) -> Structure:
        assert number == 0
        return Structure(self._raw["format"])


class Buffer:
    def __init__(self, data: bytes) -> None:
        self._data, self.pts = data, 0
        self._meta: VideoMeta | None = None
        self._is_corrupt = False

    @staticmethod
    def new_wrapped(data: bytes) -> "Buffer":
        return Buffer(data)

    def has_flags(self, flags: str) -> bool:
        assert flags == "corrupted"
        return self._is_corrupt

    def get_size(self) -> int:
        return len(self._data)

    def extract_dup(self, offset: int, size: int) -> bytes:
        return bytes(bytearray(self._data[offset : offset + size]))


class VideoMeta:
    def __init__(self, offset: list[int], stride: list[int]) -> None:
        self.offset, self.stride = offset, stride


class VideoInterlaceMode:
    PROGRESSIVE, INTERLEAVED = "progressive", "interleaved"


class VideoInfo:
    def __init__(self, raw: dict[str, Any]) -> None:
        self.width, self.height, self.interlace_mode = raw["width"], raw["height"], raw["interlace_mode"]
        self.offset = self.stride = [0, 0]  # wrong where rows are padded, as these are

    @staticmethod
    def new_from_caps(caps: Caps) -> "VideoInfo":
        return VideoInfo(caps._raw)


class Sample:
    def __init__(self, buffer: Buffer, caps: Caps) -> None:
        self._buffer, self._caps = buffer, caps

    def get_buffer(self) -> Buffer:
        return self._buffer

    def get_caps(self) -> Caps:
        return self._caps


class Message:
    def __init__(self, text: str) -> None:
        self._text = text

    def parse_error(self) -> tuple[Error, str]:
        return Error(self._text), "where it was"


class Bus:
    def __init__(self) -> None:
        self._messages: deque[Message] = deque()

    def pop_filtered(self, types: str) -> Message | None:
        assert types == "error"
        return self._messages.popleft() if self._messages else None


class AppSrc:
    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline = pipeline

    def set_property(self, name: str, value: Caps) -> None:
        assert name == "caps"
        self._pipeline._open(value._text)

    def get_property(self, name: str) -> int:
        assert name == "current-level-buffers"
        return len(self._pipeline._queue)

    def push_buffer(self, buffer: Buffer) -> str:
        self._pipeline._queue.append(buffer)
        return "flushing" if self._pipeline._is_broken else "ok"

    def end_of_stream(self) -> str:
        self._pipeline._queue.append(None)
        return "ok"


class AppSink:
    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline = pipeline

    def try_pull_sample(self, timeout: int) -> Sample | None:
        ready = self._pipeline._work()
        if not ready and timeout:
            time.sleep(1e-4)
        return ready.popleft() if ready else None

    def is_eos(self) -> bool:
        return self._pipeline._is_over and not self._pipeline._ready


class Pipeline:
    def __init__(self, fake: "FakeGStreamer", described: str) -> None:
        self.described, self.state = described, "null"
        self._fake, self._bus = fake, Bus()
        self._format = str(re.findall(r"format=(NV12|P010_10LE)", described)[0])
        self._most = int(re.findall(r"max-buffers=(\d+)", described)[0])
        self._queue: deque[Buffer | None] = deque()
        self._ready: deque[Sample] = deque()
        self._decoded: deque[av.VideoFrame] = deque()
        self._taken = 0
        self._shown = -1
        self._is_over = self._is_flushed = self._is_broken = False

    def get_by_name(self, name: str) -> AppSrc | AppSink:
        return {"packets": AppSrc, "pictures": AppSink}[name](self)

    def get_bus(self) -> Bus:
        return self._bus

    def set_state(self, state: str) -> str:
        if state == "null" and self._fake.hangs:
            self._fake.freed.wait(10.0)
        self.state = state
        return "failure" if state == "playing" and self._fake.does_not_start else "success"

    def _open(self, caps: str) -> None:
        media = caps.split(",")[0].split("/")[1]
        self._context: Any = av.CodecContext.create(CODECS[media], "r")
        data = re.findall(r"codec_data=\(buffer\)([0-9a-f]+)", caps)
        if data:
            self._context.extradata = bytes.fromhex(data[0])

    def _work(self) -> deque[Sample]:
        """Do a little of what is to be done; return what is ready."""
        if self._fake.stalls_at is not None and self._taken >= self._fake.stalls_at:
            return self._ready
        if self._fake.random.random() < 0.7 and not self._is_broken:
            if self._queue and len(self._decoded) < 8:
                self._take(self._queue.popleft())
            while self._decoded and len(self._ready) < self._most:
                self._show(self._decoded.popleft())
            self._is_over = self._is_flushed and not self._decoded
        return self._ready

    def _take(self, buffer: Buffer | None) -> None:
        if self._taken == self._fake.fails_at:
            self._is_broken = True
            self._bus._messages.append(Message("Failed to\n process frame."))
            return
        self._taken += 1
        packet = None
        if buffer is not None:
            packet = av.Packet(buffer._data)
            packet.pts = buffer.pts // 1000
        with contextlib.suppress(FFmpegError):
            self._decoded.extend(self._context.decode(packet))
        self._is_flushed |= buffer is None

    def _show(self, picture: av.VideoFrame) -> None:
        self._fake.shown += 1
        if picture.pts is None or picture.pts < self._shown or self._fake.shown in self._fake.dropped:
            return
        self._shown = picture.pts
        data, meta = semi_planar(picture, self._format, self._fake.brighter)
        buffer = Buffer(data)
        buffer.pts, buffer._meta = picture.pts * 1000 + self._fake.late_by, meta
        buffer._is_corrupt = picture.is_corrupt
        mode = VideoInterlaceMode.PROGRESSIVE
        if self._fake.interlaced_from is not None and self._fake.shown > self._fake.interlaced_from:
            mode = VideoInterlaceMode.INTERLEAVED
        raw = {"width": picture.width, "height": picture.height, "interlace_mode": mode, "format": self._format}
        self._ready.append(Sample(buffer, Caps("", **raw)))


def semi_planar(picture: av.VideoFrame, format: str, brighter: int = 0) -> tuple[bytes, VideoMeta]:
    """Return a 4:2:0 picture as NV12 or P010, its rows padded, a gap between its planes."""
    dtype, shift = (np.uint16, 6) if format == "P010_10LE" else (np.uint8, 0)
    luma, *chroma = (samples(picture, LAYOUTS[picture.format.name], component) for component in range(3))
    height, width = luma.shape
    coded = np.full((height + 1 + height // 2, width + PADDING), 0xAA, dtype)
    coded[:height, :width] = (luma.astype(dtype) + brighter) << shift
    for place, plane in enumerate(chroma):
        coded[height + 1 :, place : width + place : 2] = plane.astype(dtype) << shift
    pitch = coded.strides[0]
    return coded.tobytes(), VideoMeta([0, (height + 1) * pitch], [pitch, pitch])


class FakeGStreamer:
    """What happens in the fake.

    Attributes
    ----------
    elements : that exist
    fails_at, stalls_at : packet at which the decoder fails, at which nothing moves any more
    hangs : whether stopping never ends, until `freed`
    brighter : codes by which its pictures are
    late_by : nanoseconds
    dropped : numbers of pictures, the first is 1, that never come
    interlaced_from : number of the picture behind which all are told to be interlaced
    pipelines : that were made
    """

    def __init__(self) -> None:
        self.elements = {"nvv4l2decoder", "nvvidconv", "h264parse", "h265parse", "vp9parse", "mpegvideoparse"}
        self.fails_at: int | None = None
        self.stalls_at: int | None = None
        self.interlaced_from: int | None = None
        self.does_not_start = self.hangs = False
        self.freed = threading.Event()
        self.brighter = self.late_by = self.shown = 0
        self.dropped: set[int] = set()
        self.random = Random(5)
        self.pipelines: list[Pipeline] = []

    def parse_launch(self, described: str) -> Pipeline:
        for name in (each.split()[0] for each in described.split(" ! ")):
            if name not in self.elements | {"appsrc", "appsink"} and "/" not in name:
                raise Error(f'no element "{name}"')
        self.pipelines.append(Pipeline(self, described))
        return self.pipelines[-1]

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Let `import gi` find this."""
        for name, module in self.modules().items():
            patch.setitem(sys.modules, name, module)

    def modules(self) -> dict[str, ModuleType]:
        """Return what `import gi` finds, by name."""
        finder = type("ElementFactory", (), {"find": lambda name: name if name in self.elements else None})
        named: dict[str, dict[str, Any]] = {
            "gi": {"require_version": lambda module, version: None},
            "gi.repository": {},
            "gi.repository.Gst": {
                "init_check": lambda arguments: (True, arguments),
                "parse_launch": self.parse_launch,
                "ElementFactory": finder,
                "Caps": Caps,
                "Buffer": Buffer,
                "BufferFlags": type("BufferFlags", (), {"CORRUPTED": "corrupted"}),
                "SECOND": SECOND,
                "State": type("State", (), {"PLAYING": "playing", "NULL": "null"}),
                "StateChangeReturn": type("StateChangeReturn", (), {"FAILURE": "failure"}),
                "FlowReturn": type("FlowReturn", (), {"OK": "ok"}),
                "MessageType": type("MessageType", (), {"ERROR": "error"}),
            },
            "gi.repository.GstApp": {},
            "gi.repository.GstVideo": {
                "VideoInfo": VideoInfo,
                "VideoInterlaceMode": VideoInterlaceMode,
                "buffer_get_video_meta": lambda buffer: buffer._meta,
            },
            "gi.repository.GLib": {"Error": Error},
        }
        made: dict[str, ModuleType] = {}
        for name, attributes in named.items():
            made[name] = ModuleType(name)
            for attribute, value in attributes.items():
                setattr(made[name], attribute, value)
        return made
