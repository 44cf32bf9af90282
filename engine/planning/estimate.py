"""From what a chain runs and how fast a device is: frames a second, delay and memory, with their margins."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from engine.planning.demand import Demand, ModelRun, StageDemand
from engine.planning.device import Device
from engine.planning.device_work import WORK
from engine.planning.host import BETWEEN, HostCost
from engine.stages.device import face_detect, looks

SHARED_CORES = 0.9
"""Of several cores a chain of threads keeps so much busy (`farshore bench chain`)."""

SESSION_OVERHEAD = 1.6
"""Memory that ONNX Runtime was seen to take ÷ that of the tensors alive (engine/stages/tile_plan.py)."""

BASE_BYTES = 140_000_000
"""Of a process with its libraries and the film's reader and writer open, before the first model."""

MODEL_BYTES = 12_000_000
"""Of each session beside weights and tensors."""

PLANES = {"": 60, "enhance": 30, "interpolate": 30, "colorize": 10}
"""Stage → planes of float32 of its pictures' size that it and the queue behind it hold; "": reader, inspection, writer.

These and the two above are fitted to the runs of `python -m bench.plan_check`; see docs/machine.md."""

MEMORY_LOW, MEMORY_HIGH = 0.75, 1.35
"""Times the estimated memory, between which measurements lay."""

DELAY_LOW, DELAY_HIGH = 0.9, 1.15
"""Times the estimated delay: threads that share cores do not begin at once."""

CODER_THREADS = 2
"""Of decoder and encoder each, where there are cores."""

LATE = {"inspect": looks.LATE, "faces": face_detect.LATE}
"""Stage → frames that it waits for on a GPU besides those it looks ahead to."""

FACE_SECONDS = HostCost(fixed=4.6e-3, per_pixel=0.0)
"""Of cutting a face out and putting it back (engine/stages/README.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEstimate:
    """A model's share of a frame of the film.

    seconds : of all its runs for one frame
    gigaops, gigabytes : additions and multiplications, and bytes moved, of all its runs for one frame
    """

    name: str
    precision: str
    seen: tuple[int, int]
    runs: float
    seconds: float
    gigaops: float
    gigabytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEstimate:
    """A stage's share of a frame of the film.

    host_seconds : of one core
    device_seconds : of a GPU, beside the models
    """

    name: str
    host_seconds: float
    device_seconds: float = 0.0
    models: tuple[ModelEstimate, ...] = ()

    @property
    def model_seconds(self) -> float:
        """Of all models."""
        return sum(model.seconds for model in self.models)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An estimate and between what a measurement is expected to lie."""

    low: float
    value: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Return plain values."""
        return {"low": self.low, "value": self.value, "high": self.high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a chain is expected to do on a device.

    fps : frames of the film a second
    delay : seconds from a frame read to the same frame written while the chain keeps up with a film that is playing
    memory : bytes of the process; on a GPU without the models
    device_bytes : of models on a GPU, all sessions that may be open counted; 0 where there is none
    bottleneck : stage that takes longest
    """

    stages: tuple[StageEstimate, ...]
    fps: Span
    fps_out: float
    delay: Span
    memory: Span
    device_bytes: int
    bottleneck: str
    film_rate: float
    width_out: int
    height_out: int

    @property
    def holds(self) -> str:
        """Whether the film's rate is held: `yes`, `probably`, `hardly` or `no`."""
        if self.fps.low >= self.film_rate:
            return "yes"
        if self.fps.high < self.film_rate:
            return "no"
        return "probably" if self.fps.value >= self.film_rate else "hardly"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "holds": self.holds,
            "film_fps": self.fps.to_json(),
            "out_fps": self.fps_out,
            "out_size": [self.width_out, self.height_out],
            "delay_seconds": self.delay.to_json(),
            "memory_bytes": self.memory.to_json(),
            "device_bytes": self.device_bytes,
            "bottleneck": self.bottleneck,
            "stages": [
                {
                    "stage": stage.name,
                    "host_ms": 1e3 * stage.host_seconds,
                    "device_ms": 1e3 * stage.device_seconds,
                    "model_ms": 1e3 * stage.model_seconds,
                    "models": [
                        {
                            "name": model.name,
                            "precision": model.precision,
                            "sees": list(model.seen),
                            "runs_per_frame": model.runs,
                            "ms": 1e3 * model.seconds,
                            "gigaops": model.gigaops,
                            "gigabytes": model.gigabytes,
                        }
                        for model in stage.models
                    ],
                }
                for stage in self.stages
            ],
        }


def estimate(demand: Demand, device: Device, host: Mapping[str, HostCost]) -> Estimate:
    """Estimate what a chain does on a device.

    On a processor all work shares the cores, and no stage is faster than its own work spread over them; a GPU does
    everything between decoder and encoder, one after the other, while the processor decodes and codes. Where NVDEC and
    NVENC do that it is faster than said.
    """
    assert demand.spec_in.rate is not None
    stages = _stages(demand, device, host)
    total_host = sum(stage.host_seconds for stage in stages)
    total_model = sum(stage.model_seconds + stage.device_seconds for stage in stages)
    used = device.cores * (SHARED_CORES if device.cores > 1 else 1.0)
    alone = [_alone_seconds(stage, device.cores) for stage in stages]
    if device.is_gpu:
        period = max(total_model, total_host / used, *alone)
    else:
        spread = (seconds + stage.model_seconds / device.cores for seconds, stage in zip(alone, stages, strict=True))
        period = max((total_host + total_model) / used, *spread)
    rate = float(demand.spec_in.rate)
    shown = 1.0 + float(demand.synthesized)
    waited = sum(stage.look_ahead + (LATE.get(stage.name, 0) if device.is_gpu else 0) for stage in demand.stages) / rate
    worked = total_host + total_model
    lanes = {stage.name: stage.lanes if device.is_gpu else 1 for stage in demand.stages}
    models = sum(lanes[stage.name] * _session_bytes(run) for stage in demand.stages for run in stage.models)
    bytes_held = BASE_BYTES + _picture_bytes(demand) + (0 if device.is_gpu else models)
    return Estimate(
        stages=stages,
        fps=Span(low=1 / period / device.high, value=1 / period, high=1 / period / device.low),
        fps_out=shown / period,
        delay=Span(
            low=DELAY_LOW * (waited + worked * device.low),
            value=waited + worked,
            high=DELAY_HIGH * (waited + worked * device.high),
        ),
        memory=Span(low=MEMORY_LOW * bytes_held, value=bytes_held, high=MEMORY_HIGH * bytes_held),
        device_bytes=models if device.is_gpu else 0,
        bottleneck=max(stages, key=_seconds).name,
        film_rate=rate,
        width_out=demand.spec_out.width,
        height_out=demand.spec_out.height,
    )


def _stages(demand: Demand, device: Device, host: Mapping[str, HostCost]) -> tuple[StageEstimate, ...]:
    made = float(demand.synthesized)
    source = demand.spec_in.width * demand.spec_in.height
    out = demand.spec_out.width * demand.spec_out.height
    stages = [
        StageEstimate(
            name="decode",
            host_seconds=host["decode"].seconds(source),
            device_seconds=_on_gpu("decode", source, device),
        )
    ]
    for stage in demand.stages:
        cost = host.get(stage.name, FACE_SECONDS if stage.name == "faces" else HostCost(fixed=0.0, per_pixel=0.0))
        seconds = cost.seconds(stage.pixels)
        if stage.name in BETWEEN and made:
            seconds += made * host[BETWEEN[stage.name]].seconds(stage.pixels)
        there = _on_gpu(stage.name, stage.pixels, device)
        if stage.name in BETWEEN and made:
            there += made * _on_gpu(BETWEEN[stage.name], stage.pixels, device)
        stages.append(
            StageEstimate(
                name=stage.name,
                host_seconds=0.0 if device.is_gpu else seconds,
                device_seconds=there,
                models=tuple(_model(run, device) for run in stage.models),
            )
        )
    stages.append(
        StageEstimate(
            name="encode",
            host_seconds=(1 + made) * host["encode"].seconds(out),
            device_seconds=(1 + made) * _on_gpu("encode", out, device),
        )
    )
    return tuple(stages)


def _on_gpu(work: str, pixels: float, device: Device) -> float:
    """Return the seconds of a GPU for what is done beside the models; on a processor it is among the host's."""
    cost = WORK.get(work) if device.is_gpu else None
    return 0.0 if cost is None else cost.seconds(pixels, device.bandwidth)


def _seconds(stage: StageEstimate) -> float:
    return stage.host_seconds + stage.device_seconds + stage.model_seconds


def _alone_seconds(stage: StageEstimate, cores: int) -> float:
    """Return what a stage takes beside its models with as many threads as it can use; all but coders use one."""
    return stage.host_seconds / (min(CODER_THREADS, cores) if stage.name in ("decode", "encode") else 1)


def _model(run: ModelRun, device: Device) -> ModelEstimate:
    card = run.model.card
    return ModelEstimate(
        name=card.name,
        precision=card.precision,
        seen=run.picture,
        runs=run.runs,
        seconds=run.runs * device.seconds(run.work, card.precision),
        gigaops=run.runs * run.work.total_operations / 1e9,
        gigabytes=run.runs * run.work.total_bytes / 1e9,
    )


def _session_bytes(run: ModelRun) -> int:
    given = sum(4 * prod(shape) for shape in run.seen.values())
    return round(SESSION_OVERHEAD * run.work.peak_bytes) + 2 * run.work.weight_bytes + given + MODEL_BYTES


def _picture_bytes(demand: Demand) -> int:
    """Return what pictures take: each stage holds some, of the size that it works at."""
    source = demand.spec_in.width * demand.spec_in.height
    out = demand.spec_out.width * demand.spec_out.height
    held = PLANES[""] * (source + out) / 2
    held += sum(PLANES.get(stage.name, 0) * stage.pixels for stage in demand.stages if stage.models)
    return round(4 * held)


def stage_named(demand: Demand, name: str) -> StageDemand | None:
    """Return a stage of the chain, None where it is not in it."""
    return next((stage for stage in demand.stages if stage.name == name), None)
