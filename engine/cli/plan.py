"""`farshore plan`: which chain a machine holds live, before it is run."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from engine.cli import console, options
from engine.cli.outcome import ExitCode
from engine.errors import ConfigError
from engine.settings import InterpolateSettings, Settings, exact_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.planning.device import Device
    from engine.planning.estimate import Estimate, Span
    from engine.planning.host import HostCost
    from engine.planning.ladder import Rung

STAGES = ("enhance", "faces", "interpolate", "colorize")
"""Stages that can be asked for; reading, inspection and writing are always there."""

SCHEMA = "farshore.plan/1"

SIZES = range(32, 8193)
"""Pixels on each side."""

_ANSWERS = {
    "yes": "holds",
    "probably": "probably holds",
    "hardly": "hardly holds",
    "no": "does not hold",
}


def plan(
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the film's pictures, such as 1920x1080.")],
    fps: Annotated[str, typer.Option(metavar="RATE", help="Of the film: 25, 24000/1001, 23.976.")],
    interpolate: options.Interpolate = None,
    stages: Annotated[
        str | None,
        typer.Option(metavar="STAGE,...", help=f"Of {', '.join(STAGES)}; all but faces unless given."),
    ] = None,
    upscale: options.Upscale = None,
    enhance_model: options.EnhanceModel = None,
    interpolate_model: options.InterpolateModel = None,
    colorize_model: options.ColorizeModel = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|measure",
            help="What models run on: this processor, measured once and kept, measured again with `measure`; or a "
            "device by name (`list` shows them), from published figures.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Say what a machine holds live: frames a second, delay, memory, and what to give up first.

    The estimate is a roofline: arithmetic and bytes of each model, from its graph, against what the device does in a
    second. Exit code 0, whatever the answer is; it is in the last line and in the JSON.
    """
    console.start_logging(debug=debug, quiet=quiet)
    width, height = _size(size)
    rate = _rate(fps)
    wanted = _settings(stages, interpolate, upscale)
    wanted = replace(
        wanted,
        enhance=replace(wanted.enhance, model=enhance_model),
        interpolate=replace(wanted.interpolate, model=interpolate_model),
        colorize=replace(wanted.colorize, model=colorize_model),
    )
    from engine.planning.ladder import Planner

    if device == "list":
        _list_devices()
        return ExitCode.DONE
    used, host = _device(device, quiet=quiet)
    rungs = Planner(used, host, width=width, height=height, rate=rate).plan(wanted)
    if as_json:
        console.print_json(_to_json(used, rungs, f"{width}x{height}"))
    elif not quiet:
        _print(used, rungs, f"{width}×{height}")
    return ExitCode.DONE


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)[xX×](\d+)", text)
    if found is None or not all(int(side) in SIZES for side in found.groups()):
        raise ConfigError(f"--size: got {text!r}; wanted WIDTHxHEIGHT in pixels, {SIZES[0]} to {SIZES[-1]} each")
    return int(found[1]), int(found[2])


def _rate(text: str) -> Fraction:
    try:
        rate = exact_rate(Fraction(text))
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"--fps: got {text!r}; wanted a rate such as 25 or 24000/1001") from error
    if not 0 < rate <= 1000:
        raise ConfigError(f"--fps: got {text!r}; wanted more than 0 and at most 1000")
    return rate


def _settings(stages: str | None, interpolate: str | None, upscale: int | None) -> Settings:
    names = {name.strip() for name in stages.split(",")} if stages is not None else {*STAGES} - {"faces"}
    if unknown := names - {*STAGES}:
        raise ConfigError(f"--stages: got {', '.join(sorted(unknown))!r}; wanted some of {', '.join(STAGES)}")
    between = InterpolateSettings() if interpolate is None else InterpolateSettings.parse(interpolate)
    if stages is not None and "interpolate" in names and interpolate is None:
        raise ConfigError("--stages: got interpolate without a rate; say which with --interpolate 2x")
    if "interpolate" not in names and (between.factor or between.rate):
        raise ConfigError("--interpolate: given, but interpolate is not among --stages; leave one of them out")
    settings = Settings(interpolate=between)
    return replace(
        settings,
        enhance=replace(settings.enhance, enabled="enhance" in names, upscale=upscale),
        faces=replace(settings.faces, enabled="faces" in names),
        colorize=replace(settings.colorize, mode="always" if "colorize" in names else "never"),
    )


def _device(name: str | None, *, quiet: bool) -> "tuple[Device, dict[str, HostCost]]":
    """Return a named device, or this machine's processor as it was measured now or before."""
    from engine.planning.host import measure_host
    from engine.planning.measure import measure_device
    from engine.planning.named import named_device
    from engine.planning.stored import store, stored

    if name not in (None, "measure"):
        return named_device(name)
    if name is None and (found := stored()) is not None:
        return found
    with _progress(quiet=quiet) as tell:
        device, host = measure_device(tell), measure_host(tell)
    store(device, host)
    return device, host


@contextmanager
def _progress(*, quiet: bool) -> "Generator[Callable[[str], None]]":
    """Show what is being measured: a live line on a terminal, one line in all elsewhere."""
    if quiet:
        yield lambda text: None
    elif console.remarks.is_terminal:
        with console.remarks.status("measuring this machine") as status:
            yield lambda text: status.update(f"measuring this machine: {text}")
    else:
        console.remarks.print("measuring this machine; half a minute of one core's time")
        yield lambda text: None


def _list_devices() -> None:
    from engine.planning.named import DEVICES

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("name", "device", "TFLOPS fp32", "fp16", "TOPS int8", "GB/s", "GB"):
        table.add_column(header, justify="left" if header in ("name", "device") else "right", no_wrap=True)
    for name, item in DEVICES.items():
        figures = (item.tflops, item.half, item.int8, item.gigabytes_per_second, item.gigabytes)
        table.add_row(name, item.title, *(f"{figure:g}" for figure in figures))
    console.print_table(console.results, table)


def _to_json(device: "Device", rungs: "list[Rung]", size: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "device": {"name": device.name, "cores": device.cores, "measured": device.is_measured, "note": device.note},
        "size": size,
        "film_rate": str(rungs[0].demand.spec_in.rate),
        "holds": rungs[0].estimate.holds,
        "rungs": [{"what": rung.what, **rung.estimate.to_json()} for rung in rungs],
    }


def _print(device: "Device", rungs: "list[Rung]", size: str) -> None:
    out, first = console.results, rungs[0].estimate
    cores = f", {device.cores} core{'s' if device.cores > 1 else ''}"
    out.print(f"{device.name}{cores}: {device.note}")
    out.print(f"{size} at {first.film_rate:g} frames/s")
    console.print_table(out, _stage_table(device, first))
    out.print(f"frames/s  {_span(first.fps)} of the film, {first.fps_out:.1f} shown; {first.film_rate:g} are needed")
    out.print(f"slowest   {first.bottleneck}")
    out.print(f"delay     {_span(first.delay, 2)} s while it keeps up")
    out.print(f"memory    {_span(first.memory, 0, 1e-6)} MB{_on_device(device, first)}")
    if len(rungs) > 1:
        out.print("\nwhat to give up first, each with all above it:")
        console.print_table(out, _ladder_table(rungs))
    out.print(_verdict(rungs))


def _stage_table(device: "Device", estimate: "Estimate") -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("stage", "model", "precision", "sees", "runs", "Gop", "GB", "model ms", "rest ms"):
        is_text = header in ("stage", "model", "precision", "sees")
        table.add_column(header, justify="left" if is_text else "right", no_wrap=True)
    for stage in estimate.stages:
        rest = f"{1e3 * (stage.host_seconds + stage.device_seconds):.1f}"
        if not stage.models:
            table.add_row(stage.name, "", "", "", "", "", "", "", rest)
        for number, model in enumerate(stage.models):
            table.add_row(
                stage.name if number == 0 else "",
                model.name,
                model.precision,
                f"{model.seen[0]}×{model.seen[1]}",
                f"{model.runs:g}",
                f"{model.gigaops:.1f}",
                f"{model.gigabytes:.2f}",
                f"{1e3 * model.seconds:.1f}",
                rest if number == 0 else "",
            )
    return table


def _ladder_table(rungs: "list[Rung]") -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("", "frames/s of the film", "the film's rate"):
        table.add_column(header, justify="right" if header.startswith("frames") else "left", no_wrap=True)
    for rung in rungs:
        table.add_row(rung.what, _span(rung.estimate.fps), _ANSWERS[rung.estimate.holds])
    return table


def _verdict(rungs: "list[Rung]") -> str:
    last = rungs[-1]
    if len(rungs) == 1:
        return f"as asked for, this {_ANSWERS[last.estimate.holds]} the film's rate"
    if last.estimate.holds == "yes":
        return f"the film's rate is held from this rung on: {last.what}"
    return f"nothing here surely holds the film's rate; the last rung {_ANSWERS[last.estimate.holds]} it"


def _on_device(device: "Device", estimate: "Estimate") -> str:
    if not device.is_gpu:
        return ""
    text = f", and {estimate.device_bytes / 1e6:.0f} MB on the device"
    if device.memory_bytes is not None and estimate.device_bytes > device.memory_bytes:
        text += f", which has {device.memory_bytes / 1e9:.0f} GB: too little"
    return text


def _span(span: "Span", digits: int = 1, scale: float = 1.0) -> str:
    low, value, high = (f"{scale * number:.{digits}f}" for number in (span.low, span.value, span.high))
    return f"{value} ({low} to {high})"
