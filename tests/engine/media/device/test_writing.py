"""Surfaces written on a device hold the codes that the processor writes from the same frames."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from engine.device.operators import Operators
from engine.device.pool import as_planes, work_on
from engine.errors import PixelFormatError
from engine.frame import Frame
from engine.media.codec_table import DEVICE_CODECS, VIDEO_CODECS
from engine.media.codecs import encoding_for
from engine.media.color import output_color
from engine.media.device.pictures import brought_down
from engine.media.device.writing import SurfaceWriter
from engine.media.layout import LAYOUTS, samples
from engine.media.pictures import CodedPicture, PictureRing
from engine.settings import OutputSettings
from engine.types import FrameSpec, PixelFormat
from tests.kernels.surface_formats import COLORS
from tests.support.simulated_device import POISON, SimulatedDevice, host_view
from tests.support.tracks import Shots, spec_of


def frame_of(spec: FrameSpec) -> Frame:
    frame = next(Shots(spec, [1]).frames())
    if frame.chroma is not None:
        frame.chroma[:] = np.random.default_rng(3).normal(0.5, 0.05, frame.chroma.shape)
    return frame


def lifted(frame: Frame, device: SimulatedDevice) -> Frame:
    """Return a frame with its planes on the device."""

    def up(planes: np.ndarray) -> np.ndarray:
        array = device.empty(planes.shape, np.float32)
        host_view(array)[:] = planes
        return as_planes(array)

    chroma = None if frame.chroma is None else up(frame.chroma)
    return replace(frame, pixels=up(frame.pixels), chroma=chroma, leases=())


def both(spec: FrameSpec, depth: int) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Return the codes of Y', Cb, Cr of device and processor, and what lies behind the rows of the device's surface."""
    settings, device, frame = OutputSettings(bit_depth=depth), SimulatedDevice(), frame_of(spec)
    there = encoding_for(DEVICE_CODECS["h264"], settings, spec).picture
    here = encoding_for(VIDEO_CODECS["h264"], settings, spec).picture
    assert replace(there, pix_fmt=here.pix_fmt) == here
    stream = device.stream()
    write = SurfaceWriter(Operators(device, stream), spec, there, pitch_multiple=256)
    surface = device.empty((write.surface.nbytes,), np.uint8)
    write(lifted(frame, device), surface)
    stream.synchronize()
    memory = host_view(surface).reshape(-1, write.surface.planes[0].pitch).view(LAYOUTS[there.pix_fmt].sample)
    luma, chroma = memory[: there.height], memory[there.height :]
    shift, width = LAYOUTS[there.pix_fmt].shift, there.width
    made = [part.astype(np.int64) >> shift for part in (luma[:, :width], chroma[:, :width:2], chroma[:, 1:width:2])]
    picture = PictureRing(here, spec).fill(frame)
    wanted = [samples(picture, LAYOUTS[here.pix_fmt], index).astype(np.int64) for index in range(3)]
    return made, wanted, memory[:, width:]


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("size", [(26, 18), (25, 18), (26, 17), (25, 17)])
@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB, PixelFormat.LAB])
def test_codes_are_the_processors_to_one_and_mostly_the_same(format, size, depth):
    made, wanted, behind = both(spec_of(format=format, size=size), depth)
    for there, here in zip(made, wanted, strict=True):
        away = np.abs(there - here)
        assert there.shape == here.shape
        assert away.max() <= 1
        assert (away > 0).mean() < 0.06  # of 8 bits, a repeated column or row has a dither of its own
    assert (behind.view(np.uint8) == POISON).all()


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS)
def test_matrix_range_and_siting(color):
    spec = replace(spec_of(format=PixelFormat.RGB, size=(26, 18)), color=color)
    made, wanted, _ = both(spec, 10)
    for there, here in zip(made, wanted, strict=True):
        assert np.abs(there - here).max() <= 1
        assert (there != here).mean() < 0.02


def test_grey_film_has_neutral_chroma_whatever_the_dither():
    made, _, _ = both(spec_of(format=PixelFormat.GRAY, size=(26, 18)), 8)
    assert (made[1] == 128).all()
    assert (made[2] == 128).all()


def test_a_lab_frame_without_chroma_is_refused():
    spec, device = spec_of(format=PixelFormat.LAB), SimulatedDevice()
    there = encoding_for(DEVICE_CODECS["h264"], OutputSettings(), spec).picture
    write = SurfaceWriter(Operators(device, device.stream()), spec, there, pitch_multiple=256)
    frame = replace(lifted(frame_of(spec), device), chroma=None)
    with pytest.raises(PixelFormatError, match="got lab without chroma"):
        write(frame, device.empty((write.surface.nbytes,), np.uint8))


PLANAR = ["yuv420p", "yuv420p10le", "yuv422p", "yuv422p10le", "yuv444p", "yuv444p16le", "gray", "gray10le"]


@pytest.mark.parametrize("size", [(26, 18), (25, 17), (1, 1)])
@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB, PixelFormat.LAB])
@pytest.mark.parametrize("pix_fmt", PLANAR)
def test_pictures_for_the_processors_encoder_are_its_own_to_one_code(pix_fmt, format, size):
    spec, device, layout = spec_of(format=format, size=size), SimulatedDevice(), LAYOUTS[pix_fmt]
    width, height = (side + side % 2 * layout.shift_y for side in size)  # 4:2:0 with x264's column and row
    color = output_color(spec.color, family=layout.family, is_full_range=False, height=height)
    coded = CodedPicture(pix_fmt=pix_fmt, width=width, height=height, color=color, time_base=Fraction(1, 24000))
    frame = frame_of(spec)
    wanted = PictureRing(coded, spec).fill(frame)
    made = brought_down(device, coded, spec, threads=1).fill(lifted(frame, device))
    work_on(None)
    assert (made.width, made.height, made.pts) == (wanted.width, wanted.height, wanted.pts)
    assert (made.colorspace, made.color_range) == (wanted.colorspace, wanted.color_range)
    for index in range(len(layout.components)):
        there, here = samples(made, layout, index), samples(wanted, layout, index)
        away = np.abs(there.astype(np.int64) - here.astype(np.int64))
        assert away.max() <= (1 if layout.bits < 16 else 4)  # float32 itself is no finer there
        assert layout.bits == 16 or (away > 0).mean() < 0.06
