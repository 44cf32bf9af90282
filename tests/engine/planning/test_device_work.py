"""The work of a GPU beside the models, against what its kernels are really given."""

from dataclasses import replace
from fractions import Fraction

import pytest

import bench.gpu.kernels as kernels_module
from bench.gpu.kernels import time_kernels
from bench.gpu.product import PARTS
from engine.device.arguments import signature
from engine.planning.device_work import WORK
from engine.planning.ladder import Planner
from engine.planning.named import named_device
from engine.settings import Settings
from tests.support.simulated_device import SimulatedDevice

SIZE = 640, 480
PART_OF = {
    "decode": "read nv12",
    "inspect": "inspect",
    "enhance": "restore, grey",
    "faces": "faces, one",
    "interpolate between": "interpolate, one picture",
    "colorize between": "make chroma of its neighbours",
    "compare": "compare side by side",
    "encode": "write nv12 of luma and ab",
}


class Idle(SimulatedDevice):
    """Checks arguments, and computes nothing."""

    def launch(self, kernel, element, domain, arguments, stream):
        signature(kernel, element).values(arguments)


@pytest.mark.parametrize(("is_gpu", "ending"), [(True, "-int8-tensorrt"), (False, "-int8")])
def test_8_bits_are_those_of_the_device(is_gpu: bool, ending: str) -> None:
    device, host = named_device("rtx-4070")
    planner = Planner(replace(device, is_gpu=is_gpu), host, width=320, height=240, rate=Fraction(24))
    settings = planner.eight_bits(planner.rung("as asked for", Settings()))
    assert settings is not None
    assert settings.enhance.model == f"film-restore{ending}"


def test_bytes_are_those_of_the_kernels_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels_module, "median_seconds", lambda *_, **__: 1.0)
    parts = {part: PARTS[part] for part in PART_OF.values()}
    width, height = SIZE
    times = time_kernels(Idle(), width=width, height=height, parts=parts, copy_bytes=1 << 16, launches=1, runs=1)
    found = {part.name: part for part in times.parts}
    for work, part in PART_OF.items():
        cost = WORK[work]
        assert cost.fixed + cost.per_pixel * width * height == pytest.approx(found[part].nbytes, rel=0.05), work
        assert 0.5 * cost.launches <= found[part].launches <= cost.launches, work
