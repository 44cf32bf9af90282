"""The options of `farshore restore`, by panel. Help texts are the settings' own docstrings wherever a setting exists.

Every option is None unless given, so that presets and configuration files can decide what the command line leaves open.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from engine.cli.console import Invocation
from engine.cli.settings_reference import explain
from engine.presets import PRESETS

_PICTURE = "Picture"
_FACES = "Faces"
_MOTION = "Motion"
_COLOUR = "Colour"
_READING = "Reading the film"
_WRITING = "Writing the film"
_SETTINGS = "Settings (later ones win: defaults, preset, file, options)"
_RUNNING = "Running"


def _show_debug(context: typer.Context, value: bool) -> bool:
    if value:
        context.ensure_object(Invocation).debug = True
    return value


def _complete_preset(incomplete: str) -> list[tuple[str, str]]:
    return [(name, item.film) for name, item in PRESETS.items() if name.startswith(incomplete)]


Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        autocompletion=_complete_preset,
        help=f"Settings for a kind of film: {', '.join(PRESETS)}.",
        rich_help_panel=_SETTINGS,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Settings in TOML; docs/settings.md has every key.", rich_help_panel=_SETTINGS),
]

Strength = Annotated[
    float | None, typer.Option(metavar="0..1", help=explain("enhance", "strength"), rich_help_panel=_PICTURE)
]
NoEnhance = Annotated[
    bool, typer.Option("--no-enhance", metavar="", help="Leave grain and damage as they are.", rich_help_panel=_PICTURE)
]
Upscale = Annotated[
    int | None, typer.Option(metavar="1..4", help=explain("enhance", "upscale"), rich_help_panel=_PICTURE)
]
Tile = Annotated[int | None, typer.Option(metavar="PIXELS", help=explain("enhance", "tile"), rich_help_panel=_PICTURE)]
EnhanceModel = Annotated[
    str | None,
    typer.Option(
        "--enhance-model",
        "--enhance-with",
        metavar="NAME|FILE",
        help="A built-in model or an ONNX file; unless given, the one built in for --upscale.",
        rich_help_panel=_PICTURE,
    ),
]

Faces = Annotated[
    bool | None,
    typer.Option(
        "--faces/--no-faces",
        metavar="",
        help="Restore faces one by one; the models are fetched first (farshore models fetch).",
        rich_help_panel=_FACES,
    ),
]
FacesStrength = Annotated[
    float | None, typer.Option(metavar="0..1", help=explain("faces", "strength"), rich_help_panel=_FACES)
]
FacesModel = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help=explain("faces", "model"), rich_help_panel=_FACES)
]
FacesDetector = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help=explain("faces", "detector"), rich_help_panel=_FACES)
]
FacesConfidence = Annotated[
    float | None, typer.Option(metavar="0..1", help=explain("faces", "confidence"), rich_help_panel=_FACES)
]
FacesSmallest = Annotated[
    int | None, typer.Option(metavar="PIXELS", help=explain("faces", "smallest"), rich_help_panel=_FACES)
]
FacesMost = Annotated[int | None, typer.Option(metavar="N", help=explain("faces", "most"), rich_help_panel=_FACES)]

Interpolate = Annotated[
    str | None,
    typer.Option(
        metavar="RATE|FACTOR|none",
        help="Frames per second (48, 60000/1001, 23.976), a multiple of the film's true rate (2x), or none.",
        rich_help_panel=_MOTION,
    ),
]
InterpolateModel = Annotated[
    str | None,
    typer.Option(
        "--interpolate-model",
        "--interpolate-with",
        metavar="NAME|FILE",
        help="A built-in model or an ONNX file.",
        rich_help_panel=_MOTION,
    ),
]
InterpolateScale = Annotated[
    float | None,
    typer.Option(metavar="1|0.5|0.25", help=explain("interpolate", "scale"), rich_help_panel=_MOTION),
]

Colorize = Annotated[
    Literal["auto", "always", "never"] | None,
    typer.Option(help=explain("colorize", "mode"), rich_help_panel=_COLOUR),
]
References = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference",
        metavar="PICTURE",
        help="A colour picture to follow, again for more; a number in its name is the source frame that it shows.",
        rich_help_panel=_COLOUR,
    ),
]
Saturation = Annotated[
    float | None, typer.Option(metavar="0..2", help=explain("colorize", "saturation"), rich_help_panel=_COLOUR)
]
ColorizeModel = Annotated[
    str | None,
    typer.Option(
        "--colorize-model",
        "--colorize-with",
        metavar="NAME|FILE",
        help="A built-in model or an ONNX file.",
        rich_help_panel=_COLOUR,
    ),
]
WorkingSize = Annotated[
    int | None, typer.Option(metavar="PIXELS", help=explain("colorize", "working_size"), rich_help_panel=_COLOUR)
]
Steadiness = Annotated[
    float | None, typer.Option(metavar="0..1", help=explain("colorize", "steadiness"), rich_help_panel=_COLOUR)
]

Deinterlace = Annotated[
    Literal["auto", "always", "never"] | None,
    typer.Option(help=explain("input", "deinterlace"), rich_help_panel=_READING),
]
FieldRate = Annotated[
    bool | None,
    typer.Option(
        "--field-rate/--frame-rate", metavar="", help=explain("input", "field_rate"), rich_help_panel=_READING
    ),
]
Decoder = Annotated[
    Literal["auto", "software", "device"] | None,
    typer.Option(help=explain("input", "decoder"), rich_help_panel=_READING),
]
InputRate = Annotated[str | None, typer.Option(metavar="RATE", help=explain("input", "rate"), rich_help_panel=_READING)]

OutputFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where restored films go; then every path given is a film or a folder of films.",
        rich_help_panel=_WRITING,
    ),
]
Codec = Annotated[
    Literal["h264", "h265", "av1", "prores", "ffv1"] | None,
    typer.Option(help="Unless given, the extension of the output decides.", rich_help_panel=_WRITING),
]
Quality = Annotated[
    int | None, typer.Option(metavar="0..100", help=explain("output", "quality"), rich_help_panel=_WRITING)
]
BitDepth = Annotated[
    int | None,
    typer.Option(
        metavar="8|10", help="Unless given, 8-bit film stays at 8 and deeper film at 10.", rich_help_panel=_WRITING
    ),
]
Encoder = Annotated[
    Literal["auto", "software", "device"] | None,
    typer.Option(help=explain("output", "encoder"), rich_help_panel=_WRITING),
]
Compare = Annotated[
    Literal["side", "wipe"] | None,
    typer.Option(
        help="Put film and restoration side by side, or divide one picture between them.", rich_help_panel=_WRITING
    ),
]
Label = Annotated[
    bool | None,
    typer.Option("--label/--no-label", metavar="", help=explain("output", "label"), rich_help_panel=_WRITING),
]
Counter = Annotated[
    bool | None,
    typer.Option("--counter/--no-counter", metavar="", help=explain("output", "counter"), rich_help_panel=_WRITING),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", metavar="", help="Replace a film that is already there.", rich_help_panel=_WRITING),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        metavar="",
        help="Go on where an interrupted run stopped, from its last finished shot.",
        rich_help_panel=_WRITING,
    ),
]

Backend = Annotated[
    Literal["onnxruntime", "tensorrt", "cuda", "null"] | None,
    typer.Option(help=explain("runtime", "backend"), rich_help_panel=_RUNNING),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NUMBER|UUID", help=explain("runtime", "device"), rich_help_panel=_RUNNING),
]
Streams = Annotated[
    Literal["stage", "one"] | None, typer.Option(help=explain("runtime", "streams"), rich_help_panel=_RUNNING)
]
StreamsPerStage = Annotated[
    int | None, typer.Option(metavar="1|2", help=explain("runtime", "streams_per_stage"), rich_help_panel=_RUNNING)
]
CpuNodes = Annotated[
    bool | None,
    typer.Option("--cpu-nodes", metavar="", help=explain("runtime", "cpu_nodes"), rich_help_panel=_RUNNING),
]
ForceInt8 = Annotated[
    bool | None,
    typer.Option("--force-int8", metavar="", help=explain("runtime", "force_int8"), rich_help_panel=_RUNNING),
]
Precision = Annotated[
    Literal["fp32", "fp16", "int8"] | None, typer.Option(help=explain("runtime", "precision"), rich_help_panel=_RUNNING)
]
Threads = Annotated[int | None, typer.Option(metavar="N", help=explain("runtime", "threads"), rich_help_panel=_RUNNING)]
Trace = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write each stage's work, its models' runs and the queues as a Chrome trace; ui.perfetto.dev shows it.",
        rich_help_panel=_RUNNING,
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="[HOST:]PORT",
        help="Serve the run's figures to Prometheus; to this machine alone unless a host says otherwise.",
        rich_help_panel=_RUNNING,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", metavar="", help="Results as one JSON object on stdout, progress as JSON lines on stderr."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="Only errors; no progress, no results.")]
Debug = Annotated[
    bool,
    typer.Option("--debug", metavar="", callback=_show_debug, help="Log everything; show the traceback of an error."),
]
