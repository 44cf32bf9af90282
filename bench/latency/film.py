"""A film to measure with, drawn and aged here, so that nothing is needed from outside."""

from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from engine.damage.model import damage_clip
from engine.damage.settings import STRENGTHS
from engine.demo.aged_film import luma_of
from engine.demo.scene import Scene

SEED = 1
_PLACES = ("street", "lake")
_DRAWN = 20
"""Pictures drawn of each place; shown forwards and backwards they make a shot of 38 without a seam."""

_DRAWN_RATE = 24
_DRAWN_WIDTH = 320
"""Scenes are drawn at most so wide and enlarged: drawing takes longest, and grain and damage, which come after, are
what makes the film hard to code and to restore."""

_CODING = {"crf": "16", "preset": "veryfast", "tune": "grain", "x264-params": "mbtree=0"}

Luma = npt.NDArray[np.float32]


def write_film(path: Path, *, width: int, height: int, rate: Fraction, frames: int) -> None:
    """Write an aged, grey film, H.264, with a cut every 38 frames; the same arguments give the same pictures.

    Two shots are coded; the film is their packets again and again.

    Parameters
    ----------
    path : an .mp4 file
    width, height : even, pixels
    rate : pictures a second
    frames : at least so many
    """
    rng = np.random.default_rng(SEED)
    pictures: list[Luma] = []
    for shot in draw_shots(width, height):
        aged = list(damage_clip(shot, STRENGTHS["medium"], rng).frames)
        pictures += [*aged, *aged[-2:0:-1]]
    once = path.with_suffix(".once.mp4")
    _encode(once, pictures, rate)
    _repeat(once, path, -(-frames // len(pictures)), len(pictures))
    once.unlink()


def draw_shots(width: int, height: int) -> list[Luma]:
    """Return the two shots, float32 (20, height, width) in [0, 1]."""
    reduced = min(1.0, _DRAWN_WIDTH / width)
    drawn_size = (max(round(width * reduced), 16), max(round(height * reduced), 16))
    scene = Scene(*drawn_size, SEED)
    shots: list[Luma] = []
    for place in _PLACES:
        drawn = [luma_of(scene.picture(place, number / _DRAWN_RATE)) for number in range(_DRAWN)]
        large = [np.clip(cv2.resize(luma, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1) for luma in drawn]
        shots.append(np.stack(large).astype(np.float32, copy=False))
    return shots


def _encode(path: Path, pictures: list[Luma], rate: Fraction) -> None:
    height, width = pictures[0].shape
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options=_CODING)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, luma in enumerate(pictures):
            planes[:height] = np.rint(np.clip(luma, 0, 1) * 219 + 16)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _repeat(once: Path, path: Path, times: int, frames: int) -> None:
    """Write the packets of a film `times` times, one after the other."""
    with av.open(str(once)) as source, av.open(str(path), "w") as container:
        coded = source.streams.video[0]
        stream = container.add_stream_from_template(coded)
        packets = [packet for packet in source.demux(coded) if packet.size]
        assert coded.average_rate is not None
        length = round(frames / coded.average_rate / packets[0].time_base)
        for number, packet in enumerate(islice(cycle(packets), times * len(packets))):
            if number >= len(packets):
                packet.pts = (packet.pts or 0) + length
                packet.dts = (packet.dts or 0) + length
            packet.stream = stream
            container.mux(packet)
