"""The product's kernels, timed on a simulated device."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

import bench.gpu.product_film as product_film_module
from bench.gpu.kernels import TOLD, TOUCHED, KernelTimes, Timed, Watched, table, time_kernels, touched_bytes
from bench.gpu.outcome import failures
from bench.gpu.product import PARTS
from engine.device.arguments import kernel_grid, signature
from engine.device.base import DeviceArray, Stream
from engine.errors import DeviceError
from kernels.catalogue import Element, catalogue
from tests.kernels.test_used import startable
from tests.support.simulated_device import SimulatedDevice, host_view

SMALL = {"width": 256, "height": 176, "copy_bytes": 1 << 16, "launches": 1, "runs": 1}
"""So large that motion is looked for at half the size too."""


@pytest.fixture(autouse=True)
def _noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the film be noise: drawing takes seconds."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(
        product_film_module, "draw_shots", lambda width, height: [rng.random((6, height, width), np.float32)]
    )


class Still(SimulatedDevice):
    """Checks what kernels are given, and takes time for them, but computes nothing."""

    def prepare(self, kernels: Sequence[str], element: Element) -> None:
        pass

    def launch(
        self,
        kernel: str,
        element: Element,
        domain: tuple[int, int, int],
        arguments: Sequence[DeviceArray | int | float | None],
        stream: Stream,
    ) -> None:
        signature(kernel, element).values(arguments)
        kernel_grid(catalogue()[kernel], domain)
        nbytes = sum(argument.nbytes for argument in arguments if isinstance(argument, DeviceArray))
        self.submit(stream, kernel, _nothing, 5_000 + int(nbytes / 5e11 * 1e9))


def _nothing() -> None:
    pass


@pytest.fixture(scope="module")
def times() -> KernelTimes:
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            product_film_module, "draw_shots", lambda width, height: [rng.random((6, height, width), np.float32)]
        )
        return time_kernels(Still(), **SMALL)


def test_every_kernel_that_the_engine_can_start_is_started_and_timed(times: KernelTimes):
    assert [row.reason for row in (*times.parts, *times.kernels) if row.outcome != "right"] == []
    assert [row.name for row in times.parts] == list(PARTS)
    assert {row.name for row in times.kernels} == startable()


def test_every_figure_is_that_of_its_launches(times: KernelTimes):
    assert times.bytes_per_second == pytest.approx(1e12, rel=0.01)
    for row in (*times.parts, *times.kernels):
        assert row.milliseconds is not None
        assert row.nbytes is not None
        assert row.launches is not None
        assert row.nbytes > 0
        share = row.nbytes / (row.milliseconds / 1e3) / times.bytes_per_second
        assert row.share_of_bandwidth == pytest.approx(share, rel=1e-6)
    by_name = {row.name: row for row in times.kernels}
    read, motion = by_name["read_ycbcr"], {row.name: row for row in times.parts}["motion, both ways"]
    pixels = 256 * 176
    assert (read.part, read.domain, read.launches) == ("read p010le", (256, 176, 1), 1)
    assert read.nbytes == 4 * 3 * pixels + pixels * 3
    assert read.milliseconds == pytest.approx(0.005 + read.nbytes / 5e11 * 1e3, rel=1e-3)
    assert motion.launches is not None
    assert motion.launches > 10
    json.dumps(times.to_json(), allow_nan=False)


def test_no_more_of_an_array_counts_than_is_touched():
    device = Still()
    stream = device.stream()
    watched = Watched(device, stream)
    arrays = [device.empty(shape, np.float32) for shape in ((1, 40, 60), (1, 8, 8))]
    arguments = [*arrays, 60, 40, 60, 2400, 3, 4, 8, 8, 1, 8, 64]
    assert touched_bytes("tile_cut", "float32", arguments) == 4 * (64 + 64)
    assert touched_bytes("tile_cut", "float16", arguments) == 2 * 64 + 4 * 64
    assert watched.given == []
    for kernel, parts in TOUCHED.items():
        parameters = {parameter.name: parameter for parameter in catalogue()[kernel].parameters}
        for array, sizes in parts.items():
            assert parameters[array].is_pointer
            assert all(parameters[size].type == "int" for size in sizes)


def test_what_a_graph_holds_counts_when_it_is_launched():
    device = SimulatedDevice()
    stream = device.stream()
    watched = Watched(device, stream)
    first, second, third = (device.empty((4,), np.float32) for _ in range(3))
    watched.clear(first, stream)
    graph = watched.record_graph(stream, lambda: watched.copy(first, second, stream))
    assert [(piece.name, piece.nbytes) for piece in watched.given] == [("clear", 16)]
    graph.launch(stream)
    watched.copy(second, third, stream)
    assert [(piece.name, piece.nbytes) for piece in watched.given] == [("clear", 16), ("copy", 32), ("copy", 32)]
    stream.synchronize()
    assert not host_view(third).any()
    host_view(first).fill(7)
    for piece in watched.given[1:]:
        piece.give()
    stream.synchronize()
    assert (host_view(third) == 7).all()


def test_the_kernels_compute_with_the_arguments_that_are_timed():
    parts = {name: PARTS[name] for name in ("read rgb24", "upsample chroma", "faces, one", "tiles, put")}
    times = time_kernels(SimulatedDevice(), **SMALL, parts=parts)
    assert [row.outcome for row in (*times.parts, *times.kernels)] == ["right"] * (
        len(times.parts) + len(times.kernels)
    )
    assert {"read_rgb", "guided_chroma", "face_paste", "tile_put", "tile_cut"} <= {row.name for row in times.kernels}


class Failing(Still):
    """Refuses one kernel, and to copy much."""

    def launch(self, kernel, *given):
        if kernel == "draw_label":
            raise DeviceError("GPU: lost")
        super().launch(kernel, *given)

    def copy(self, source, out, stream):
        if out.nbytes == SMALL["copy_bytes"]:
            raise DeviceError("GPU: no copy")
        super().copy(source, out, stream)


def test_what_fails_is_told_and_the_others_are_timed():
    parts = {name: PARTS[name] for name in ("label", "read nv12")}
    times = time_kernels(Failing(), **SMALL, parts=parts)
    assert [(row.outcome, row.reason) for row in times.parts] == [("failed", "GPU: lost"), ("right", None)]
    assert [(row.name, row.share_of_bandwidth) for row in times.kernels] == [("read_ycbcr", None)]
    found = {"kernels": [], "kernel_times": times.to_json(), "backends": {}}
    assert failures(found) == ["part label at 256x176: GPU: lost", "copy beside the kernels: GPU: no copy"]
    assert table(times.to_json())[0] == "beside the models at 256x176; a copy failed: GPU: no copy"


def test_the_table_is_short_and_begins_with_what_takes_longest(times: KernelTimes):
    lines = table(times.to_json())
    assert lines[0] == "beside the models at 256x176; a copy moves 1001 GB/s"
    assert len(lines) == 1 + 1 + len(PARTS) + 1 + TOLD
    assert lines[-TOLD - 1].startswith(f"one launch: {TOLD} slowest of {len(startable())} kernels")
    taken = [float(line[42:].split()[0]) for line in lines[-TOLD:]]
    assert taken == sorted(taken, reverse=True)
    failed = Timed(name="x", outcome="failed", reason="no")
    nothing = KernelTimes(width=1, height=1, parts=[failed])
    assert len(table(nothing.to_json())) == 3
