"""Colour is held steady on a device as it is on the processor."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from engine.device.base import DeviceArray
from engine.device.operators import Operators, view
from engine.stages.device.steadiness import DeviceSteadiness
from engine.stages.steadiness import Steadiness
from tests.support.simulated_device import SimulatedDevice

Planes = npt.NDArray[np.float32]

SIZE, FINE = (48, 64), (37, 51)
STRENGTH = 0.8


class GivenMotion:
    """In the place of `DenseMotion`: gives the motion that the device found, back first, the reference's last."""

    def __init__(self) -> None:
        self.ways: list[Planes] = []

    def reduce(self, luma: Planes, out: npt.NDArray[np.uint8]) -> None:
        pass

    def find(self, origin: npt.NDArray[np.uint8], goal: npt.NDArray[np.uint8], out: Planes) -> None:
        np.copyto(out, self.ways.pop(0).transpose(1, 2, 0))


class Both:
    """The same calls on the processor and on a device, each along its own motion, or along the device's."""

    def __init__(self, *, one_motion: bool = False, size: tuple[int, int] = SIZE) -> None:
        self.device = SimulatedDevice()
        self.operators = Operators(self.device, self.device.stream())
        self.on_host = Steadiness(size, FINE, STRENGTH)
        self.on_device = DeviceSteadiness(self.operators, size, FINE, STRENGTH)
        self._given = GivenMotion()
        if one_motion:
            for lender in (self.on_host._before, self.on_host._reference):
                setattr(lender, "motion", self._given)  # noqa: B010 - of another type

    def anchor(self, luma: Planes, ab: Planes) -> None:
        self.on_host.anchor(luma, ab)
        self.on_device.anchor(view(self._sent(luma[None])), self._sent(ab))

    def steady(self, luma: Planes, ab: Planes) -> tuple[Planes, Planes]:
        """Return what both make of a picture's chroma."""
        given = self._sent(ab)
        before, reference = self.on_device._before, self.on_device._reference
        lenders = [lender for lender in (before, reference) if lender is not None and lender.is_there]
        self.on_device.steady(view(self._sent(luma[None])), given)
        made, wanted = self._fetched(given), ab.copy()
        motions = [lender.motion for lender in lenders]
        self._given.ways = [self._fetched(way) for motion in motions for way in (motion.backward, motion.forward)]
        self.on_host.steady(luma, wanted)
        return made, wanted

    def begin(self) -> None:
        self.on_host.reset()
        self.on_device.reset()

    def _fetched(self, array: DeviceArray) -> Planes:
        out = np.empty(array.shape, np.float32)
        self.device.download(array, out, self.operators.stream)
        self.operators.stream.synchronize()
        return out

    def _sent(self, planes: Planes) -> DeviceArray:
        return self.operators.constant(np.ascontiguousarray(planes))


def picture(seed: int, shift: float = 0.0, size: tuple[int, int] = SIZE) -> Planes:
    noise = np.random.default_rng(seed).random((size[0] + 40, size[1] + 80), np.float32)
    soft = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.5), np.empty(0), 0.0, 1.0, cv2.NORM_MINMAX)
    matrix = np.array([[1, 0, shift - 40], [0, 1, -20]], np.float32)
    return cv2.warpAffine(soft, matrix, (size[1], size[0]), flags=cv2.INTER_CUBIC).clip(0, 1)


def colours(count: int) -> list[Planes]:
    return list(np.random.default_rng(5).random((count, 2, *FINE)).astype(np.float32))


def differences(pairs: Sequence[tuple[Planes, Planes]]) -> list[float]:
    return [float(np.abs(made - wanted).max()) for made, wanted in pairs]


def test_a_picture_that_stands_still_has_the_same_colours():
    both = Both()
    found = [both.steady(picture(1), ab) for ab in colours(5)]
    assert max(differences(found)) < 2e-5
    assert np.abs(found[-1][0] - colours(5)[-1]).mean() > 0.2  # most of it was carried


def test_nothing_crosses_a_cut():
    both, (theirs, *own) = Both(), colours(4)
    both.anchor(picture(1), theirs)
    both.steady(picture(1), own[0])
    both.begin()
    first, second = (both.steady(picture(1), ab) for ab in own[1:])
    for result in first:
        np.testing.assert_array_equal(result, own[1])
    assert max(differences([second])) < 2e-5
    assert np.abs(second[0] - own[1]).mean() > 0.05  # no longer sure, as what a reference gave was


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_a_reference_leads_where_it_shows_the_picture_itself(share: float):
    both, (theirs, *own) = Both(), colours(4)
    reference = picture(1)
    reference[int(share * SIZE[0]) :] = picture(9)[int(share * SIZE[0]) :]
    both.anchor(reference, theirs)
    found = [both.steady(picture(1), ab) for ab in own]
    if share == 1.0:  # motion is none: the same to rounding, and the reference's colours stay
        assert max(differences(found)) < 2e-5
        np.testing.assert_allclose(found[-1][0], theirs, atol=1e-3)
    else:
        leads = [np.abs(result - own[0]).mean() > 0.01 for result in found[0]]
        assert leads == [share > 0.5] * 2


def test_a_reference_of_something_else_leaves_no_trace():
    both, (theirs, own) = Both(), colours(2)
    both.anchor(picture(9), theirs)
    made, wanted = both.steady(picture(1), own)
    np.testing.assert_array_equal(made, own)
    np.testing.assert_array_equal(wanted, own)


@pytest.mark.parametrize("share", [None, 0.7, 0.9])
def test_along_one_motion_colours_are_the_same(share: float | None):
    both, (theirs, *own) = Both(one_motion=True), colours(6)
    if share is not None:
        reference = picture(1)
        reference[int(share * SIZE[0]) :] = picture(9)[int(share * SIZE[0]) :]
        both.anchor(reference, theirs)
    found = [both.steady(picture(1, 2.5 * number) * 0.96**number, ab) for number, ab in enumerate(own)]
    # OpenCV takes flow, two numbers a pixel, at places rounded to 1/32: it shows where flow jumps
    assert max(differences(found)) < (1e-3 if share is None else 0.05)
    assert max(float(np.abs(made - wanted).mean()) for made, wanted in found) < 2e-4


def test_along_motion_colours_are_nearly_the_same():
    both, own = Both(), colours(6)
    found = [both.steady(picture(1, 2.5 * number), ab) for number, ab in enumerate(own)]
    for (made, wanted), ab in zip(found[1:], own[1:], strict=True):
        inner = np.s_[:, 4:-4, 8:-4]
        assert np.abs(made - wanted)[inner].mean() < 0.15 * np.abs(wanted - ab)[inner].mean()


def test_the_host_does_not_wait_and_nothing_is_allocated():
    both = Both()
    luma, ab = view(both._sent(picture(1)[None])), both._sent(colours(1)[0])
    for _ in range(3):
        both.on_device.anchor(luma, ab)
        both.on_device.steady(luma, ab)
    device = both.device
    before = (device.allocations, device.page_locked, device.host_waits)
    for number in range(4):
        if number == 2:
            both.on_device.anchor(luma, ab)
        both.on_device.steady(luma, ab)
    assert (device.allocations, device.page_locked, device.host_waits) == before


def test_a_reference_is_asked_itself_as_long_as_it_can_be_seen():
    """To and fro by fractions of a pixel: carried from picture to picture colours would be sampled away."""
    both, (theirs, *own) = Both(), colours(13)
    both.anchor(picture(1), theirs)
    for number, ab in enumerate(own):
        made, wanted = both.steady(picture(1, 0.7 * (number % 2)), ab)
    inner = np.s_[:, 4:-4, 4:-4]
    there = both.steady(picture(1), own[0])
    assert max(np.abs(result - theirs)[inner].mean() for result in there) < 0.08  # of random colours: 0.25 without it
    assert np.abs(made - wanted)[inner].mean() < 0.02


def test_a_reference_lends_nothing_to_pictures_that_show_something_else():
    both, (theirs, *own) = Both(one_motion=True), colours(8)
    theirs = np.ones_like(theirs)
    both.anchor(picture(1), theirs)
    both.steady(picture(1), own[0])
    shares: list[float] = []
    for ab in own[1:]:
        made, wanted = both.steady(picture(9), 0 * ab)
        assert np.abs(made - wanted).mean() < 5e-3
        shares.append(float(made.mean()))
    assert shares[-1] <= shares[0] + 1e-3  # what the shot once had fades; nothing more comes


@pytest.mark.parametrize("is_led", [False, True])
def test_along_motion_of_a_larger_picture_colours_are_nearly_the_same(is_led: bool):
    """Large enough for motion to a reference to be found more finely than to the picture before."""
    size = (112, 160)
    both, (theirs, *own) = Both(size=size), colours(4)
    if is_led:
        both.anchor(picture(1, 0.0, size), theirs)
    found = [both.steady(picture(1, 2.5 * number, size), ab) for number, ab in enumerate(own)]
    for (made, wanted), ab in zip(found[1:], own[1:], strict=True):
        inner = np.s_[:, 4:-4, 8:-4]
        assert np.abs(made - wanted)[inner].mean() < 0.15 * np.abs(wanted - ab)[inner].mean()
