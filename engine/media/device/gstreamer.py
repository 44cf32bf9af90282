"""Packets into a GStreamer pipeline, pictures out of it: all that knows GStreamer.

GStreamer and PyGObject are the system's (JetPack brings both), and are imported when they are first asked for. What is
called of them is there from GStreamer 1.20 on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from threading import Thread
from typing import Any, NamedTuple, cast

import av
import numpy as np

from engine.errors import DecodeError
from engine.media.device.lending import LentPlane
from engine.media.exact import seconds
from engine.media.film_source import DAMAGED, FilmPacket
from engine.work_clock import waiting

STALL_SECONDS = 10.0
"""Without a packet taken or a picture made, after which a pipeline counts as stuck; a decoder takes two to start."""

CLOSE_SECONDS = 5.0
MOST_WAITING = 4
"""Packets that may wait in the pipeline before the next one is taken up."""
MOST_READY = 4
"""Pictures that may wait at its end; the decoder waits for room."""

_VERSIONED = ("Gst", "GstApp", "GstVideo")
_LOOK_SECONDS = 0.005
_HOST = (1, 0)
_FORMATS = {"NV12": ("nv12", np.uint8), "P010_10LE": ("p010le", np.uint16)}
"""GStreamer's name of a format → FFmpeg's, and what its samples are."""

_FIRST_TOKEN, _TOKENS_A_SECOND, _NS_A_TOKEN = 3600 * 10**6, 10**6, 1000
_JUMP = 10 * _TOKENS_A_SECOND
_REMEMBERED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """Names of the elements that a film goes through.

    parser, decoder : with their properties, as in `gst-launch-1.0`
    download : brings the decoder's pictures into the host's memory
    """

    parser: str
    decoder: str
    download: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedStream:
    """What the packets are.

    caps : in GStreamer's words
    head : bytes that come before the first packet
    pix_fmt : of the pictures, `nv12` or `p010le`
    """

    caps: str
    head: bytes
    pix_fmt: str


class PipelineError(DecodeError):
    """A pipeline cannot be built, or fails.

    Parameters
    ----------
    name : of the film
    what : has happened
    """

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: GStreamer cannot decode it: {what}; give --decoder software")
        self.what = what


def why_no_elements(names: Sequence[str]) -> str | None:
    """Return why GStreamer does not have all of some elements, None where it has."""
    try:
        gst = _gstreamer()
    except (ImportError, ValueError) as error:
        return f"PyGObject or GStreamer is not to be seen here ({_line(error)})"
    missing = [name for name in names if gst.Gst.ElementFactory.find(name) is None]
    return f"GStreamer has no {' and no '.join(missing)}" if missing else None


class GstDecoder:
    """Decodes one film's packets in a pipeline of their own.

    Pictures come in the order in which they are shown, with their packets' times. They come when they are ready, mostly
    with a later packet than the one that showed them.

    Parameters
    ----------
    name : of the film, for messages
    elements : that it goes through
    coded : what its packets are
    like : the film's first picture as FFmpeg decodes it; the pictures are tagged as this one

    Raises
    ------
    PipelineError
        The pipeline cannot be built or does not start.
    """

    def __init__(self, name: str, elements: Elements, coded: CodedStream, like: av.VideoFrame) -> None:
        modules = _gstreamer()
        self._gst: Any = modules.Gst
        self._video: Any = modules.GstVideo
        self._name, self._like = name, like
        self._time_base = like.time_base
        self._head = coded.head
        self._tokens = _Tokens()
        self._is_stuck = False
        format = next(gst for gst, (pix_fmt, _) in _FORMATS.items() if pix_fmt == coded.pix_fmt)
        described = (
            f"appsrc name=packets format=time ! {elements.parser} ! {elements.decoder} ! {elements.download} ! "
            f"video/x-raw,format={format} ! appsink name=pictures sync=false max-buffers={MOST_READY}"
        )
        try:
            self._pipeline = self._gst.parse_launch(described)
        except modules.GLib.Error as error:
            raise self._error(_line(error)) from error
        self._source = self._pipeline.get_by_name("packets")
        self._sink = self._pipeline.get_by_name("pictures")
        self._bus = self._pipeline.get_bus()
        self._source.set_property("caps", self._gst.Caps.from_string(coded.caps))
        try:
            if self._pipeline.set_state(self._gst.State.PLAYING) == self._gst.StateChangeReturn.FAILURE:
                self._check_bus()
                raise self._error("the pipeline does not start")
        except BaseException:
            self.close()
            raise

    def decode(self, packet: "FilmPacket | None") -> list[av.VideoFrame]:
        """Take a packet, None at the end; return the pictures that are ready, at the end all that are left.

        Raises
        ------
        PipelineError
            An element reports an error, or nothing has moved for `STALL_SECONDS`.
        """
        if packet is None:
            self._source.end_of_stream()
            return self._ready(is_over=True)
        self._time_base = packet.time_base
        token = self._tokens.give(packet)
        buffer = self._gst.Buffer.new_wrapped(self._head + bytes(packet))
        self._head = b""
        buffer.pts = token * _NS_A_TOKEN
        if self._source.push_buffer(buffer) != self._gst.FlowReturn.OK:
            self._check_bus()
            raise self._error("the pipeline takes no more packets")
        return self._ready()

    def close(self) -> None:
        """Stop the pipeline; none of its threads is left running."""
        if not self._is_stuck:
            self._pipeline.set_state(self._gst.State.NULL)
            return
        # stopping waits for the elements' threads, which may hang in a driver
        stopping = Thread(target=self._pipeline.set_state, args=(self._gst.State.NULL,), name="gstreamer", daemon=True)
        stopping.start()
        stopping.join(CLOSE_SECONDS)

    def _ready(self, *, is_over: bool = False) -> list[av.VideoFrame]:
        """Return pictures; wait while too many packets do, or, at the end, for the last picture."""
        pictures = list[av.VideoFrame]()
        waiting_before, last_move = self._waiting(), time.monotonic()
        while True:
            while (sample := self._sink.try_pull_sample(0)) is not None:
                pictures += self._pictures(sample)
                last_move = time.monotonic()
            self._check_bus()
            now_waiting = self._waiting()
            if now_waiting != waiting_before:
                waiting_before, last_move = now_waiting, time.monotonic()
            if self._sink.is_eos() if is_over else now_waiting <= MOST_WAITING:
                return pictures
            if time.monotonic() - last_move > STALL_SECONDS:
                self._is_stuck = True
                raise self._error(f"nothing has come of it for {STALL_SECONDS:.0f} s")
            with waiting():
                sample = self._sink.try_pull_sample(int(_LOOK_SECONDS * self._gst.SECOND))
            if sample is not None:
                pictures += self._pictures(sample)
                last_move = time.monotonic()

    def _waiting(self) -> int:
        return self._source.get_property("current-level-buffers")

    def _check_bus(self) -> None:
        """Raise what an element has reported; let go of all other messages, which would pile up."""
        message = self._bus.pop_filtered(self._gst.MessageType.ERROR)
        if message is not None:
            error, _ = message.parse_error()
            raise self._error(_line(error))

    def _pictures(self, sample: Any) -> list[av.VideoFrame]:
        """Return a sample's picture; none where its packet was there for others to be decoded from alone."""
        buffer = sample.get_buffer()
        packet = self._tokens.take(buffer.pts // _NS_A_TOKEN)
        if packet.is_discard:
            return []
        picture = self._picture(buffer, sample.get_caps())
        picture.time_base, picture.pts, picture.duration = self._time_base, packet.pts, packet.duration
        return [picture]

    def _picture(self, buffer: Any, caps: Any) -> av.VideoFrame:
        """Make a picture of FFmpeg's over a copy of a buffer's bytes; the pipeline has the buffer back at once."""
        info = self._video.VideoInfo.new_from_caps(caps)
        if info.interlace_mode != self._video.VideoInterlaceMode.PROGRESSIVE:
            raise self._error("it turns interlaced on its way")
        pix_fmt, dtype = _FORMATS[caps.get_structure(0).get_string("format")]
        meta = self._video.buffer_get_video_meta(buffer)
        offsets, pitches = (info.offset, info.stride) if meta is None else (meta.offset, meta.stride)
        data: bytes = buffer.extract_dup(0, buffer.get_size())
        picture = av.VideoFrame.from_dlpack(
            tuple(
                _lent(data, plane, offsets[plane], pitches[plane], info.width, info.height, dtype) for plane in (0, 1)
            ),
            format=pix_fmt,
        )
        like = self._like
        picture.colorspace, picture.color_range = like.colorspace, like.color_range
        picture.color_trc, picture.color_primaries = like.color_trc, like.color_primaries
        if buffer.has_flags(self._gst.BufferFlags.CORRUPTED):
            picture.opaque = DAMAGED
        return picture

    def _error(self, what: str) -> PipelineError:
        return PipelineError(self._name, what)


class _Taken(NamedTuple):
    """What a picture has of its packet."""

    pts: int | None = None
    duration: int = 0
    is_discard: bool = False


class _Tokens:
    """Times for a pipeline to pass on, and what they stand for.

    A decoder takes times for more than numbers: `nvv4l2decoder` keeps them in microseconds, looks for the nearest when
    a picture comes, and gives up every packet that is to be shown before it. So a token is whole microseconds,
    positive, of one packet alone, and goes on evenly where a film's times jump.
    """

    def __init__(self) -> None:
        self._of: dict[int, _Taken] = {}
        self._last = self._highest = _FIRST_TOKEN
        self._shift: int | None = None

    def give(self, packet: FilmPacket) -> int:
        """Return a packet's token."""
        shown = seconds(packet.pts, packet.time_base)
        if shown is None:
            token = self._highest + 1
        else:
            at = round(shown * _TOKENS_A_SECOND)
            if self._shift is None:
                self._shift = _FIRST_TOKEN - at
            if abs(at + self._shift - self._last) > _JUMP:
                self._shift = self._highest + _TOKENS_A_SECOND - at
            token = at + self._shift
        while token in self._of:
            token += 1
        self._of[token] = _Taken(packet.pts, packet.duration or 0, packet.is_discard)
        if len(self._of) > _REMEMBERED:  # of packets that never became pictures
            del self._of[next(iter(self._of))]
        self._last, self._highest = token, max(self._highest, token)
        return token

    def take(self, token: int) -> _Taken:
        """Return what there is of the packet that had this token; of none: no time."""
        return self._of.pop(token, _Taken())


def _lent(data: bytes, plane: int, at: int, pitch: int, width: int, height: int, dtype: type) -> LentPlane:
    """Return a plane of a semi-planar picture in `data`, which lives as long as it is lent."""
    step = pitch // np.dtype(dtype).itemsize
    shape, strides = ((height, width), (step, 1)) if plane == 0 else ((height // 2, width // 2, 2), (step, 2, 1))
    pointer = np.frombuffer(data, np.uint8).ctypes.data + at
    return LentPlane(pointer, shape, strides, dtype, _HOST, partial(_let_go, data))


def _let_go(data: bytes) -> None:
    """Hold `data` until this has been called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Modules:
    Gst: Any
    GstVideo: Any
    GLib: Any


def _gstreamer() -> _Modules:
    """Import GStreamer.

    Raises
    ------
    ImportError, ValueError
        PyGObject, GStreamer or one of its descriptions is missing.
    """
    gi: Any = import_module("gi")
    for module in _VERSIONED:
        gi.require_version(module, "1.0")
    gst, _, video, glib = (cast(Any, import_module(f"gi.repository.{module}")) for module in (*_VERSIONED, "GLib"))
    is_ready, _ = gst.init_check(None)
    if not is_ready:
        raise ImportError("GStreamer does not start")
    return _Modules(Gst=gst, GstVideo=video, GLib=glib)


def _line(error: BaseException) -> str:
    return " ".join(str(getattr(error, "message", error)).split())[:200]
