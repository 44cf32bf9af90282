"""`farshore restore`: films in, restored films out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from engine.cli import console, options
from engine.cli.batch import restore_batch
from engine.cli.film_run import RunOptions, restore_one
from engine.cli.targets import Work, plan_works
from engine.config_file import Overrides, load_settings, override
from engine.errors import ConfigError
from engine.metrics import Metrics
from engine.metrics_server import Address, MetricsServer
from engine.settings import InterpolateSettings, Settings, exact_rate

EXAMPLES = """
Examples:

`farshore restore film.mp4 restored.mp4`

`farshore restore film.mp4 --preset silent-film --strength 0.7`

`farshore restore reels/ --output-folder restored/ --interpolate 2x`

`farshore restore film.mov master.mov --codec prores --reference scene-120.png`

`ffmpeg -i film.avi -f yuv4mpegpipe - | farshore restore - - --quiet > restored.y4m`
"""


def restore(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="A film, and where its restoration goes (NAME.restored.EXTENSION beside it unless given). "
            "With --output-folder: films and folders of films. - is stdin or stdout, Y4M.",
        ),
    ],
    preset: options.Preset = None,
    config: options.Config = None,
    strength: options.Strength = None,
    no_enhance: options.NoEnhance = False,
    upscale: options.Upscale = None,
    enhance_model: options.EnhanceModel = None,
    tile: options.Tile = None,
    faces: options.Faces = None,
    faces_strength: options.FacesStrength = None,
    faces_model: options.FacesModel = None,
    faces_detector: options.FacesDetector = None,
    faces_confidence: options.FacesConfidence = None,
    faces_smallest: options.FacesSmallest = None,
    faces_most: options.FacesMost = None,
    interpolate: options.Interpolate = None,
    interpolate_model: options.InterpolateModel = None,
    interpolate_scale: options.InterpolateScale = None,
    colorize: options.Colorize = None,
    references: options.References = None,
    saturation: options.Saturation = None,
    colorize_model: options.ColorizeModel = None,
    working_size: options.WorkingSize = None,
    steadiness: options.Steadiness = None,
    deinterlace: options.Deinterlace = None,
    field_rate: options.FieldRate = None,
    decoder: options.Decoder = None,
    input_rate: options.InputRate = None,
    output_folder: options.OutputFolder = None,
    codec: options.Codec = None,
    quality: options.Quality = None,
    bit_depth: options.BitDepth = None,
    encoder: options.Encoder = None,
    compare: options.Compare = None,
    label: options.Label = None,
    counter: options.Counter = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    backend: options.Backend = None,
    device: options.Device = None,
    streams: options.Streams = None,
    streams_per_stage: options.StreamsPerStage = None,
    cpu_nodes: options.CpuNodes = None,
    threads: options.Threads = None,
    precision: options.Precision = None,
    force_int8: options.ForceInt8 = None,
    trace: options.Trace = None,
    metrics: options.Metrics = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Restore films: clean the picture, make motion smooth, bring colour back."""
    console.start_logging(debug=debug, quiet=quiet)
    settings = load_settings(config=config, preset_name=preset)
    given: Overrides = {
        "input": {
            "deinterlace": deinterlace,
            "field_rate": field_rate,
            "rate": _rate(input_rate),
            "decoder": decoder,
        },
        "enhance": {
            "enabled": False if no_enhance else None,
            "strength": strength,
            "upscale": upscale,
            "model": enhance_model,
            "tile": tile,
        },
        "faces": {
            "enabled": faces,
            "strength": faces_strength,
            "model": faces_model,
            "detector": faces_detector,
            "confidence": faces_confidence,
            "smallest": faces_smallest,
            "most": faces_most,
        },
        "interpolate": {"model": interpolate_model, "scale": interpolate_scale},
        "colorize": {
            "mode": colorize,
            "references": tuple(references) if references else None,
            "saturation": saturation,
            "model": colorize_model,
            "working_size": working_size,
            "steadiness": steadiness,
        },
        "output": {
            "codec": codec,
            "quality": quality,
            "bit_depth": bit_depth,
            "encoder": encoder,
            "compare": compare,
            "label": label,
            "counter": counter,
        },
        "runtime": {
            "backend": backend,
            "device": device,
            "streams": streams,
            "streams_per_stage": streams_per_stage,
            "cpu_nodes": cpu_nodes,
            "precision": precision,
            "threads": threads,
            "force_int8": force_int8,
        },
    }
    settings = override(settings, {section: _only_given(values) for section, values in given.items()})
    settings = override(settings, {"interpolate": _interpolation(interpolate)})
    works = plan_works(paths, output_folder, settings.output.codec)
    if output_folder is not None:
        _make_folder(output_folder)
    how = RunOptions(resume=resume, overwrite=overwrite, trace=trace, as_json=as_json, quiet=quiet)
    invocation = context.ensure_object(console.Invocation)
    if metrics is None:
        return _run(works, settings, how, invocation)
    figures = Metrics()
    with MetricsServer(Address.parse(metrics), figures.text) as server:
        if not quiet:
            console.remarks.print(f"metrics at {server.address.url}")
        return _run(works, settings, replace(how, metrics=figures), invocation)


def _run(works: Sequence[Work], settings: Settings, how: RunOptions, invocation: console.Invocation) -> int:
    if len(works) == 1:
        return restore_one(works[0], settings, how, invocation)
    return restore_batch(works, settings, how, invocation)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--output-folder {folder}: cannot be made ({error.strerror}); choose another") from error


def _only_given(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}


def _interpolation(text: str | None) -> dict[str, object]:
    if text is None:
        return {}
    parsed = InterpolateSettings.parse(text)
    return {"rate": parsed.rate, "factor": parsed.factor}


def _rate(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        return exact_rate(Fraction(text))
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"--input-rate: got {text!r}; wanted a rate such as 18 or 24000/1001") from error
