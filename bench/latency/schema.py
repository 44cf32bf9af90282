"""The JSON that the latency bench writes, as a JSON Schema, and a check against it.

The keywords are those of draft 2020-12 (https://json-schema.org), few enough to check here.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.latency.figures import QUANTILES
from engine.errors import ConfigError

SCHEMA_NAME = "farshore.bench.latency/2"
"""Keys may be added; none changes its meaning under this name."""

Schema = dict[str, Any]

_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SHARE: Schema = {"type": ["number", "null"], "minimum": 0}
_TEXT: Schema = {"type": "string"}
_MAYBE_NUMBER: Schema = {"type": ["number", "null"]}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _object(later: Mapping[str, Schema] | None = None, **properties: Schema) -> Schema:
    """Return the schema of an object; `later` are keys that files of earlier builds lack."""
    return {"type": "object", "properties": {**properties, **(later or {})}, "required": list(properties)}


def _list(of: Schema, *, at_least: int = 0) -> Schema:
    return {"type": "array", "items": of, "minItems": at_least}


_MS: Schema = {"type": "number", "minimum": 0}
_DISTRIBUTION: dict[str, Schema] = {
    "mean_ms": _MS,
    "median_ms": _MS,
    "p95_ms": _MS,
    "p99_ms": _MS,
    "max_ms": _MS,
    "quantiles_ms": {"type": "array", "items": _MS, "minItems": len(QUANTILES), "maxItems": len(QUANTILES)},
}
_SHAPES: Schema = {"type": "object", "additionalProperties": _list(_COUNT)}

_STAGE = _object(
    stage=_TEXT,
    threads=_COUNT,
    frames=_COUNT,
    left_out=_object(first=_COUNT, last=_COUNT),
    budget_ms=_MAYBE_NUMBER,
    **_DISTRIBUTION,
    jitter_ms=_MAYBE_NUMBER,
    busy=_SHARE,
    starved=_SHARE,
    blocked=_SHARE,
    in_queue_ms={"type": ["object", "null"], "properties": {"median": _MS, "p95": _MS}},
)
_RUN = _object(
    {"notices": _list(_TEXT)},
    seconds=_NUMBER,
    failures=_COUNT,
    frames=_COUNT,
    fps_in=_NUMBER,
    fps_out=_NUMBER,
    rate_in=_MAYBE_NUMBER,
    rate_out=_MAYBE_NUMBER,
    interval_jitter_ms=_MAYBE_NUMBER,
    delay_ms=_object(**_DISTRIBUTION),
    delay_in_queues_ms=_MS,
    slowest=_TEXT,
    efficiency=_SHARE,
    cores_busy=_SHARE,
    stages=_list(_STAGE, at_least=2),
    models=_list(_object(stage=_TEXT, model=_TEXT, sha256=_SHA256, threads=_COUNT, shapes=_SHAPES, runs=_COUNT)),
    peak_memory_bytes={"type": ["integer", "null"]},
    device_memory_bytes={"type": ["integer", "null"]},
)
_CASE = _object(
    case=_object(
        kind={"enum": ["stages", "chain"]},
        width=_COUNT,
        height=_COUNT,
        precision=_TEXT,
        backend=_TEXT,
        models=_list(_TEXT),
        rate=_TEXT,
        interpolate=_TEXT,
        upscale=_COUNT,
        threads=_COUNT,
        queue_frames=_COUNT,
        warm_up=_NUMBER,
        seconds=_NUMBER,
        live={"type": "boolean"},
    ),
    runs=_list(_RUN, at_least=1),
    models=_list(_object(name=_TEXT, role=_TEXT, version=_TEXT, precision=_TEXT, sha256=_SHA256, bytes=_COUNT)),
    costs=_list(_object(stage=_TEXT, model=_TEXT, threads=_COUNT, shapes=_SHAPES, gflop=_NUMBER, gbyte=_NUMBER)),
    timeline=_list(_object(lane=_TEXT, kind={"enum": ["work", "model"]}, start_ms=_NUMBER, end_ms=_NUMBER)),
)
SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": SCHEMA_NAME,
    **_object(
        schema={"const": SCHEMA_NAME},
        kind={"enum": ["stages", "chain"]},
        head=_object(
            version=_TEXT,
            commit=_MAYBE_TEXT,
            date=_TEXT,
            machine=_object(
                processor=_TEXT,
                cores=_COUNT,
                cores_of_machine={"type": ["integer", "null"]},
                governor=_MAYBE_TEXT,
                load=_NUMBER,
                memory_bytes=_COUNT,
                system=_TEXT,
            ),
            libraries={"type": "object", "additionalProperties": _MAYBE_TEXT},
            roofs=_list(_object(threads=_COUNT, gflops=_NUMBER, gbytes_per_second=_NUMBER)),
        ),
        cases=_list(_CASE, at_least=1),
    ),
}
"""What a file of this name holds."""

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "number": (int, float),
    "null": (type(None),),
}


def read_result(path: Path) -> dict[str, Any]:
    """Read a file that the latency bench wrote.

    Raises
    ------
    ConfigError
        There is no such file, or it is something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON ({error}); wanted what `farshore bench chain --json` wrote") from error
    fault = next(faults(value), None)
    if fault is not None:
        raise ConfigError(f"{path}: {fault}; wanted {SCHEMA_NAME}, as `farshore bench chain --json` writes it")
    return value


def faults(value: Any, schema: Schema = SCHEMA, place: str = "") -> Iterator[str]:
    """Yield in words where a value is not as a schema asks."""
    where = place or "the file"
    if "const" in schema and value != schema["const"]:
        yield f"{where} is {value!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is_a(value, kind) for kind in kinds):
        yield f"{where} is a {type(value).__name__}, not {' or '.join(kinds)}"
    elif isinstance(value, dict):
        yield from _object_faults(value, schema, place)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0) or len(value) > schema.get("maxItems", len(value)):
            yield f"{where} has {len(value)} items"
        for number, item in enumerate(value):
            yield from faults(item, schema.get("items", {}), f"{place}[{number}]")
    elif isinstance(value, (int, float)) and value < schema.get("minimum", value):
        yield f"{where} is {value}"


def _is_a(value: Any, kind: str) -> bool:
    """Whether a value is of a JSON type; to Python true and false are numbers too."""
    return isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")


def _object_faults(value: dict[str, Any], schema: Schema, place: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    yield from (f"{place or 'the file'} lacks {key!r}" for key in schema.get("required", ()) if key not in value)
    for key, item in value.items():
        inner = properties.get(key, schema.get("additionalProperties", {}))
        yield from faults(item, inner, f"{place}.{key}".lstrip("."))
