"""`farshore restore`: films in, restored films out."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from engine.cli import console, options
from engine.cli.batch import restore_batch
from engine.cli.film_run import RunOptions, restore_one
from engine.cli.targets import plan_works
from engine.config_file import Overrides, load_settings, override
from engine.errors import ConfigError
from engine.settings import InterpolateSettings, exact_rate

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
    interpolate: options.Interpolate = None,
    interpolate_model: options.InterpolateModel = None,
    colorize: options.Colorize = None,
    references: options.References = None,
    saturation: options.Saturation = None,
    colorize_model: options.ColorizeModel = None,
    deinterlace: options.Deinterlace = None,
    field_rate: options.FieldRate = None,
    input_rate: options.InputRate = None,
    output_folder: options.OutputFolder = None,
    codec: options.Codec = None,
    quality: options.Quality = None,
    bit_depth: options.BitDepth = None,
    compare: options.Compare = None,
    label: options.Label = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    backend: options.Backend = None,
    threads: options.Threads = None,
    trace: options.Trace = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Restore films: clean the picture, make motion smooth, bring colour back."""
    console.start_logging(debug=debug, quiet=quiet)
    settings = load_settings(config=config, preset_name=preset)
    given: Overrides = {
        "input": {"deinterlace": deinterlace, "field_rate": field_rate, "rate": _rate(input_rate)},
        "enhance": {
            "enabled": False if no_enhance else None,
            "strength": strength,
            "upscale": upscale,
            "model": enhance_model,
        },
        "interpolate": {"model": interpolate_model},
        "colorize": {
            "mode": colorize,
            "references": tuple(references) if references else None,
            "saturation": saturation,
            "model": colorize_model,
        },
        "output": {"codec": codec, "quality": quality, "bit_depth": bit_depth, "compare": compare, "label": label},
        "runtime": {"backend": backend, "threads": threads},
    }
    settings = override(settings, {section: _only_given(values) for section, values in given.items()})
    settings = override(settings, {"interpolate": _interpolation(interpolate)})
    works = plan_works(paths, output_folder, settings.output.codec)
    if output_folder is not None:
        _make_folder(output_folder)
    how = RunOptions(resume=resume, overwrite=overwrite, trace=trace, as_json=as_json, quiet=quiet)
    if len(works) == 1:
        return restore_one(works[0], settings, how, context.ensure_object(console.Invocation))
    return restore_batch(works, settings, how, context.ensure_object(console.Invocation))


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
