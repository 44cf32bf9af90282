"""The compare stage on a device shows what it shows on the processor."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.device.pool import DevicePool, on_device, work_on
from engine.errors import InternalError
from engine.frame import Frame
from engine.pool import BufferPool, Lease
from engine.settings import ColorizeSettings, InterpolateSettings, OutputSettings
from engine.stages.base import Stage
from engine.stages.colorize import Colorize
from engine.stages.compare import Compare
from engine.stages.inspect import Inspect
from engine.stages.interpolate import Interpolate
from engine.stages.place import HOST, DevicePlace, Place
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes
from tests.engine.stages.test_inspect import padded
from tests.support.chain import film_spec
from tests.support.device_chain import Pictures, moving, run_on_device, run_pipeline
from tests.support.doubling import Doubling
from tests.support.numbers import number_on
from tests.support.quick_inspect import QuickDevice
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice, host_view
from tests.support.tiny_models import counting_colorizer, pan_interpolator

Mode = Literal["side", "wipe"]

ROUNDING = 2e-6
BY_TABLE = 0.8 / 255
"""Of ab: OpenCV takes L*a*b* from a table (`tests/kernels/test_colour.py`)."""


class Showing:
    """A compare stage on this thread, on the processor or on a device.

    Parameters
    ----------
    film : planes, height and width of the film's own pictures
    """

    def __init__(
        self, spec: FrameSpec, settings: OutputSettings, film: tuple[int, int, int], device: SimulatedDevice | None
    ) -> None:
        self._spec, self._device = spec, device
        self.stage = Compare(settings, place=HOST if device is None else DevicePlace(device))
        self.made = self.stage.open(spec)
        work_on(self.stage.stream)
        self.pools = [self._pool(shape) for shape in (spec.pixels_shape, film, spec.chroma_shape) if shape is not None]

    def push(
        self,
        pixels: Planes,
        original: Planes | None,
        chroma: Planes | None,
        index: int = 0,
        flags: FrameFlags = FrameFlags.NONE,
    ) -> tuple[Planes, Planes | None]:
        """Return the planes of what goes out."""
        given = [
            None if planes is None else self._lease(pool, planes)
            for pool, planes in zip(self.pools, (pixels, original, chroma), strict=False)
        ]
        picture, film, colour = (*given, None)[:3]
        assert picture is not None
        frame = Frame(
            pixels=picture.array,
            chroma=None if colour is None else colour.array,
            format=self._spec.format,
            pts=0,
            time_base=self._spec.time_base,
            index=index,
            flags=flags,
            original=None if film is None else film.array,
            original_leases=() if film is None else (film,),
            leases=tuple(lease for lease in (picture, colour) if lease is not None),
        )
        (made,) = self.stage.push(frame)
        if made.ready is not None:
            made.ready.synchronize()
        shown = self._read(made.pixels), None if made.chroma is None else self._read(made.chroma)
        made.release()
        assert [pool.on_loan for pool in self.pools] == [0] * len(self.pools)
        return shown

    def _pool(self, shape: tuple[int, ...]) -> BufferPool:
        return BufferPool(shape) if self._device is None else DevicePool(self._device, shape, np.float32)

    def _lease(self, pool: BufferPool, planes: Planes) -> Lease:
        lease = pool.lease()
        if self._device is None:
            np.copyto(lease.array, planes)
        else:
            np.copyto(host_view(on_device(lease.array)), planes)
        return lease

    def _read(self, planes: Planes) -> Planes:
        return np.array(planes if self._device is None else host_view(on_device(planes)))


@pytest.fixture(autouse=True)
def on_this_thread() -> Iterator[None]:
    yield
    work_on(None)


def picture(seed: int, shape: tuple[int, ...]) -> Planes:
    """Return planes of something soft, a little beyond the range."""
    spec = film_spec(shape[2], shape[1], format=PixelFormat.RGB)
    return (moving(spec, 1, grain=0.02)[0][: shape[0]] * 1.2 - 0.1 + 0.02 * seed).astype(np.float32)


@pytest.mark.parametrize("mode", ["side", "wipe"])
@pytest.mark.parametrize("has_label", [False, True], ids=["", "label"])
@pytest.mark.parametrize(("upscale", "height", "width"), [(1, 48, 64), (1, 21, 33), (2, 24, 36), (2, 31, 45)])
@pytest.mark.parametrize(
    ("format", "film_planes"),
    [
        (PixelFormat.GRAY, 1),
        (PixelFormat.GRAY, 3),
        (PixelFormat.RGB, 1),
        (PixelFormat.RGB, 3),
        (PixelFormat.LAB, 1),
        (PixelFormat.LAB, 3),
    ],
)
def test_film_and_restoration_stand_together_as_on_the_processor(
    mode: Mode, has_label: bool, upscale: int, height: int, width: int, format: PixelFormat, film_planes: int
):
    spec = film_spec(width * upscale, height * upscale, format=format)
    film = (film_planes, height, width)
    settings = OutputSettings(compare=mode, label=has_label)
    planes = picture(1, spec.pixels_shape), picture(2, film)
    chroma = None if spec.chroma_shape is None else picture(3, (3, *spec.chroma_shape[1:]))[:2]
    here, there = Showing(spec, settings, film, None), Showing(spec, settings, film, SimulatedDevice())
    assert there.made == here.made
    work_on(None)
    expected, expected_chroma = here.push(*planes, chroma)
    work_on(there.stage.stream)
    made, made_chroma = there.push(*planes, chroma)
    np.testing.assert_allclose(made, expected, rtol=0, atol=ROUNDING)
    assert (made_chroma is None) == (expected_chroma is None) == (chroma is None)
    if made_chroma is not None and expected_chroma is not None:
        atol = ROUNDING if film_planes == 1 else BY_TABLE
        np.testing.assert_allclose(made_chroma, expected_chroma, rtol=0, atol=atol)


@pytest.mark.parametrize("format", list(PixelFormat))
@pytest.mark.parametrize(("height", "width"), [(120, 160), (21, 33), (3, 5)])
def test_a_label_alone_is_drawn_over_the_restored_picture(format: PixelFormat, height: int, width: int):
    spec = film_spec(width, height, format=format)
    settings = OutputSettings(label=True)
    pixels = picture(1, spec.pixels_shape)
    chroma = None if spec.chroma_shape is None else picture(3, (3, *spec.chroma_shape[1:]))[:2]
    here, there = (Showing(spec, settings, spec.pixels_shape, device) for device in (None, SimulatedDevice()))
    expected, expected_chroma = here.push(pixels, None, chroma)
    made, made_chroma = there.push(pixels, None, chroma)
    np.testing.assert_allclose(made, expected, rtol=0, atol=ROUNDING)
    assert np.abs(made - pixels).max() > 0.05
    if chroma is not None and made_chroma is not None and expected_chroma is not None:
        np.testing.assert_allclose(made_chroma, expected_chroma, rtol=0, atol=ROUNDING)
        assert np.abs(made_chroma - chroma).max() > 0.01


@pytest.mark.parametrize("format", list(PixelFormat))
@pytest.mark.parametrize(("height", "width"), [(120, 160), (49, 65), (21, 33), (3, 5)])
@pytest.mark.parametrize("mode", [None, "side", "wipe"])
def test_a_counter_is_drawn_as_on_the_processor(format: PixelFormat, height: int, width: int, mode: Mode | None):
    spec = film_spec(width, height, format=format)
    settings = OutputSettings(compare=mode, label=True, counter=True)
    planes = picture(1, spec.pixels_shape), picture(2, spec.pixels_shape)
    chroma = None if spec.chroma_shape is None else picture(3, (3, *spec.chroma_shape[1:]))[:2]
    here, there = (Showing(spec, settings, spec.pixels_shape, device) for device in (None, SimulatedDevice()))
    for index, flags in ((0, FrameFlags.NONE), (1907, FrameFlags.SYNTHESIZED), (12345678, FrameFlags.SYNTHESIZED)):
        work_on(None)
        expected, expected_chroma = here.push(*planes, chroma, index, flags)
        work_on(there.stage.stream)
        made, made_chroma = there.push(*planes, chroma, index, flags)
        np.testing.assert_allclose(made, expected, rtol=0, atol=ROUNDING)
        if made_chroma is not None and expected_chroma is not None:
            np.testing.assert_allclose(made_chroma, expected_chroma, rtol=0, atol=ROUNDING)
        if height > 100:
            assert number_on(made[0], cells=max(6, len(str(index)))) == f"{index:06d}" + "+" * bool(flags)


@pytest.mark.parametrize("is_on_device", [False, True], ids=["host", "device"])
def test_behind_interpolation_the_counter_tells_which_frames_are_made(tmp_path: Path, is_on_device: bool):
    spec, device = film_spec(96, 64), SimulatedDevice(seed=5)
    backend = SimulatedBackend(device) if is_on_device else OnnxRuntimeBackend()
    model = pan_interpolator(tmp_path, motion=(1.5, 0.0))

    def place() -> Place:
        return DevicePlace(device) if is_on_device else HOST

    stages = [
        Interpolate(model, backend, InterpolateSettings(factor=Fraction(2)), place=place()),
        Compare(OutputSettings(counter=True), place=place()),
    ]
    reader = Pictures(spec, moving(spec, 9), cuts=(0, 5))
    keeper = run_on_device(device, reader, stages) if is_on_device else run_pipeline(reader, stages)
    shown = [number_on(frame.pixels[0]) for frame in keeper.shown]
    last, first = "000004", "000005"  # of their shots; nothing is made between them
    assert shown[:3] == ["000000", "000000+", "000001"]
    assert shown[7:13] == ["000003+", last, last, first, "000005+", "000006"]
    assert len(shown) == 18


def chain(folder: Path, settings: OutputSettings, device: SimulatedDevice | None) -> list[Stage]:
    """Return stages from inspection to comparison, all in one place."""
    backend = OnnxRuntimeBackend() if device is None else SimulatedBackend(device)

    def place() -> Place:
        return HOST if device is None else DevicePlace(device)

    return [
        Inspect(keep_original=True, place=place()),
        Doubling(3.0, place=place()),
        Colorize(counting_colorizer(folder), backend, ColorizeSettings(), place=place()),
        Compare(settings, place=place()),
    ]


@pytest.mark.parametrize("mode", ["side", "wipe"])
@pytest.mark.parametrize("film", [PixelFormat.GRAY, PixelFormat.RGB])
def test_a_chain_from_inspection_to_comparison_shows_the_same(tmp_path: Path, mode: Mode, film: PixelFormat):
    device, spec = QuickDevice(seed=3), film_spec(160, 120, format=film)
    settings, pictures = OutputSettings(compare=mode, label=True, counter=True), padded(4, 5, 20)
    host = run_pipeline(Pictures(spec, pictures, cuts=()), chain(tmp_path, settings, None))
    there = run_on_device(device, Pictures(spec, pictures, cuts=()), chain(tmp_path, settings, device))
    assert [(shown.index, shown.time) for shown in there.shown] == [(shown.index, shown.time) for shown in host.shown]
    assert len(host.shown) > 30
    for first, second in zip(host.shown, there.shown, strict=True):
        np.testing.assert_allclose(second.pixels, first.pixels, rtol=0, atol=ROUNDING)
        assert first.chroma is not None
        assert second.chroma is not None
        np.testing.assert_allclose(second.chroma, first.chroma, rtol=0, atol=5e-4)


def test_in_a_chain_on_the_device_the_host_waits_for_no_frame_but_those_that_leave(tmp_path: Path):
    spec, besides = film_spec(160, 120), []
    for count in (15, 30):
        device = QuickDevice()
        stages = chain(tmp_path, OutputSettings(compare="wipe", label=True, counter=True), device)
        keeper = run_on_device(device, Pictures(spec, padded(4, 5, count), cuts=()), stages)
        assert isinstance(stages[0], Inspect)
        besides.append(device.host_waits - len(keeper.shown) - keeper.upload_waits - stages[0].waits)
    assert besides[0] == besides[1]


def test_nothing_is_allocated_and_nobody_waits_after_the_first_frame():
    device, spec = SimulatedDevice(), film_spec(64, 48, format=PixelFormat.LAB)
    assert spec.chroma_shape is not None
    there = Showing(spec, OutputSettings(compare="side", label=True, counter=True), (3, 24, 32), device)
    planes = picture(1, spec.pixels_shape), picture(2, (3, 24, 32)), picture(3, (3, *spec.chroma_shape[1:]))[:2]
    there.push(*planes)
    before = device.allocations, device.page_locked, device.host_waits
    for index in range(999995, 1000005):  # the number becomes longer, the mark comes and goes
        there.push(*planes, index, FrameFlags.SYNTHESIZED if index % 2 else FrameFlags.NONE)
    its_own = 10  # it reads what goes out
    assert (device.allocations, device.page_locked, device.host_waits - its_own) == before


@pytest.mark.parametrize("mode", ["side", "wipe"])
def test_a_frame_without_its_original_is_our_bug(mode: Mode):
    spec = film_spec()
    there = Showing(spec, OutputSettings(compare=mode), spec.pixels_shape, SimulatedDevice())
    with pytest.raises(InternalError, match="original"):
        there.push(picture(1, spec.pixels_shape), None, None)


def test_an_original_on_the_host_is_our_bug():
    spec, device = film_spec(), SimulatedDevice()
    there = Showing(spec, OutputSettings(compare="side"), spec.pixels_shape, device)
    there.pools[1] = BufferPool(spec.pixels_shape)
    with pytest.raises(InternalError, match="on the host"):
        there.push(picture(1, spec.pixels_shape), picture(2, spec.pixels_shape), None)
