"""Device, demand, estimate and ladder together, on a made-up device whose figures can be worked out by hand."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.planning import stored as stored_module
from engine.planning.demand import COARSE_SHARE, survey
from engine.planning.device import Device, rate_at
from engine.planning.estimate import _session_bytes, estimate
from engine.planning.host import HostCost
from engine.planning.ladder import Planner
from engine.planning.named import DEVICES, REFERENCE_HOST, named_device
from engine.planning.operations import Kind
from engine.planning.probes import byte_probes, convolution, seconds_of
from engine.settings import ColorizeSettings, EnhanceSettings, InterpolateSettings, RuntimeSettings, Settings
from engine.stages.device import looks

COLOURED = Settings(colorize=ColorizeSettings(mode="always"))
DOUBLED = replace(COLOURED, interpolate=InterpolateSettings(factor=Fraction(2)))
RATE = Fraction(24)


def device(speed: float, *, cores: int = 1, is_gpu: bool = False) -> Device:
    curve = ((16.0, speed * 1e9),)
    return Device(
        name="made up",
        is_measured=False,
        is_gpu=is_gpu,
        cores=cores,
        float_rates={kind: curve for kind in (Kind.CONV, Kind.UNEVEN, Kind.DEPTHWISE, Kind.MATMUL)},
        int8_rates={},
        byte_rates={},
        bandwidth=1e15,
        node_seconds=0.0,
        low=0.5,
        high=2.0,
        note="",
    )


def test_rates_lie_between_points_and_stay_beyond_them() -> None:
    curve = ((16.0, 100.0), (64.0, 200.0))
    assert [rate_at(curve, at) for at in (1, 16, 32, 64, 500)] == [100, 100, 150, 200, 200]


def test_a_survey_finds_what_the_stages_open() -> None:
    demand = survey(DOUBLED, width=320, height=240, rate=RATE)
    by_name = {stage.name: stage for stage in demand.stages}
    assert list(by_name) == ["inspect", "enhance", "interpolate", "colorize"]
    assert [(run.picture, run.runs) for run in by_name["enhance"].models] == [((320, 240), 1.0)]
    assert [(run.picture, run.runs) for run in by_name["interpolate"].models] == [
        ((320, 240), 1.0),
        ((160, 128), COARSE_SHARE),
    ]
    assert demand.synthesized == 1
    assert by_name["enhance"].look_ahead == by_name["enhance"].models[0].model.card.window[1]


def test_enlarging_makes_what_comes_behind_larger() -> None:
    settings = replace(COLOURED, enhance=EnhanceSettings(upscale=2))
    demand = survey(settings, width=320, height=240, rate=RATE)
    assert (demand.spec_out.width, demand.spec_out.height) == (640, 480)
    assert demand.stages[-1].pixels == 640 * 480


def test_one_core_does_everything_after_another() -> None:
    demand = survey(COLOURED, width=320, height=240, rate=RATE)
    host = {name: HostCost(fixed=0.01, per_pixel=0.0) for name in REFERENCE_HOST}
    found = estimate(demand, device(100.0), host)
    models = sum(stage.model_seconds for stage in found.stages)
    computed = sum(work.computed for stage in demand.stages for run in stage.models for work in run.work.operations)
    assert models == pytest.approx(computed / 100e9, rel=1e-4)
    assert found.fps.value == pytest.approx(1 / (models + 6 * 0.01))  # decode, four stages, encode
    assert (found.fps.low, found.fps.high) == pytest.approx((found.fps.value / 2, found.fps.value * 2))


def test_a_gpu_works_beside_the_processor() -> None:
    demand = survey(COLOURED, width=320, height=240, rate=RATE)
    host = {name: HostCost(fixed=0.001, per_pixel=0.0) for name in REFERENCE_HOST}
    slow = estimate(demand, device(10.0, cores=8, is_gpu=True), host)
    assert slow.fps.value == pytest.approx(1 / sum(stage.model_seconds + stage.device_seconds for stage in slow.stages))
    assert slow.device_bytes > 0
    assert {stage.name for stage in slow.stages if stage.host_seconds} == {"decode", "encode"}
    assert all(stage.device_seconds > 0 for stage in slow.stages if stage.name != "interpolate")
    on_processor = estimate(demand, device(10.0, cores=8), host)
    assert all(stage.device_seconds == 0 for stage in on_processor.stages)
    host = {name: HostCost(fixed=0.02, per_pixel=0.0) for name in REFERENCE_HOST}
    fast = estimate(demand, device(1e6, cores=8, is_gpu=True), host)
    assert fast.fps.value == pytest.approx(1 / 0.01, rel=0.01)  # decoder and encoder on two threads each
    waited = sum(stage.look_ahead for stage in demand.stages) + looks.LATE
    worked = sum(stage.host_seconds + stage.model_seconds + stage.device_seconds for stage in fast.stages)
    assert fast.delay.value == pytest.approx(waited / float(RATE) + worked)


def test_a_second_session_counts_as_memory_of_a_gpu_alone() -> None:
    host = {name: HostCost(fixed=0.001, per_pixel=0.0) for name in REFERENCE_HOST}
    one_each = replace(DOUBLED, runtime=RuntimeSettings(streams_per_stage=1))
    measured, asked = (survey(settings, width=320, height=240, rate=RATE) for settings in (DOUBLED, one_each))
    assert {stage.name: stage.lanes for stage in measured.stages if stage.lanes > 1} == {"interpolate": 2}
    assert all(stage.lanes == 1 for stage in asked.stages)
    (between,) = (stage for stage in measured.stages if stage.name == "interpolate")
    many, few = (estimate(demand, device(10.0, is_gpu=True), host).device_bytes for demand in (measured, asked))
    assert many - few == sum(_session_bytes(run) for run in between.models)
    on_processor = [estimate(demand, device(10.0), host).memory for demand in (measured, asked)]
    assert on_processor[0] == on_processor[1]


def test_the_delay_is_what_is_waited_for_and_what_is_worked() -> None:
    demand = survey(COLOURED, width=320, height=240, rate=RATE)
    found = estimate(demand, device(1e9), {name: HostCost(fixed=0.0, per_pixel=0.0) for name in REFERENCE_HOST})
    waited = sum(stage.look_ahead for stage in demand.stages) / 24
    assert found.delay.value == pytest.approx(waited, abs=1e-3)


def planner(speed: float) -> Planner:
    host = {name: HostCost(fixed=0.0, per_pixel=0.0) for name in REFERENCE_HOST}
    return Planner(device(speed), host, width=320, height=240, rate=RATE)


def test_what_holds_gives_nothing_up() -> None:
    (only,) = planner(1e6).plan(DOUBLED)
    assert only.estimate.holds == "yes"


def test_the_ladder_goes_down_in_its_declared_order_and_ends_at_what_holds() -> None:
    rungs = planner(100.0).plan(replace(DOUBLED, interpolate=InterpolateSettings(factor=Fraction(4))))
    speeds = [rung.estimate.fps.value for rung in rungs]
    assert speeds == sorted(speeds)
    assert rungs[-1].estimate.holds == "yes"
    words = [rung.what for rung in rungs]
    assert words[1:4] == [
        "fewer synthesized frames: 3 times the film's",
        "fewer synthesized frames: 2 times the film's",
        "no synthesized frames",
    ]
    assert words.index("no synthesized frames") < words.index("without colour") < len(words)


def test_where_nothing_holds_the_last_rung_has_nothing_left_to_give() -> None:
    host = {name: HostCost(fixed=1.0, per_pixel=0.0) for name in REFERENCE_HOST}
    rungs = Planner(device(100.0), host, width=320, height=240, rate=RATE).plan(DOUBLED)
    assert rungs[-1].estimate.holds == "no"
    assert not rungs[-1].settings.enhance.enabled


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_named_devices_are_said_to_be_unmeasured(name: str) -> None:
    found, host = named_device(name)
    assert not found.is_measured
    assert "not measured by us" in found.note
    assert host.keys() == REFERENCE_HOST.keys()
    assert rate_at(found.int8_rates[Kind.CONV], 64) > rate_at(found.float_rates[Kind.CONV], 64)


def test_an_unknown_device_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ConfigError, match="rtx-4070"):
        named_device("voodoo-2")


@pytest.mark.parametrize("probe", [convolution(16, 16), convolution(16, 16, is_int8=True), *byte_probes()])
def test_probes_run(probe: object) -> None:
    assert seconds_of(probe, runs=1) > 0  # type: ignore[arg-type]


def test_a_measurement_is_kept_for_this_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARSHORE_HOME", str(tmp_path))
    assert stored_module.stored() is None
    made, host = device(100.0), {"decode": HostCost(fixed=1.0, per_pixel=2.0)}
    stored_module.store(made, host)
    found = stored_module.stored()
    assert found is not None
    assert found[1] == host
    assert rate_at(found[0].float_rates[Kind.CONV], 16) == 100e9
    file = stored_module.stored_file()
    value = json.loads(file.read_text())
    value["machine"]["processor"] = "another"
    file.write_text(json.dumps(value))
    assert stored_module.stored() is None
    file.write_text("{")
    assert stored_module.stored() is None
    assert [path.name for path in file.parent.iterdir()] == ["device.json"]
