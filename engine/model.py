"""A model: one ONNX file that says what it is.

The contract of the metadata is `engine/models/README.md`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from engine.errors import MissingExtraError, ModelError, UnsupportedModelError, WeightsError
from engine.places import models_folder
from engine.trial import try_enhancer

PREFIX = "farshore."
ROLES = ("enhance", "interpolate", "colorize", "face", "detect", "reference")
"""What a model can be for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output: its shape (None where dynamic) and ONNX element type."""

    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePair:
    """A recurrent tensor: what comes out at `output` goes in at `input` with the shot's next frame."""

    input: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a model says of itself; field by field the keys of `engine/models/README.md`."""

    name: str
    version: str
    role: str
    precision: Literal["fp32", "fp16", "int8", "fp8"]
    color_space: Literal["gray", "rgb", "ycbcr420", "lab"]
    value_range: tuple[float, float] = (0.0, 1.0)
    scale: int = 1
    size_multiple: int = 1
    window: tuple[int, int] = (0, 0)
    aligned: Literal["no", "window"] = "no"
    past: Literal["film", "restored"] = "film"
    states: tuple[StatePair, ...] = ()
    working_size: tuple[int, int] | None = None
    reference_model: str | None = None
    moments: Literal["any", "middle"] = "any"
    licence: str = "unknown"
    commercial_use: Literal["yes", "no", "ask"] = "ask"
    source: str = "unknown"
    training_data: str = ""
    metrics: Mapping[str, Any] | None = None
    calibration: Mapping[str, Any] | None = None
    assumed: tuple[str, ...] = ()
    """What had to be assumed because the file does not say it; empty for a file with metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model file, read and checked, not yet running anywhere.

    path : where it lies
    sha256 : of the file's bytes, hexadecimal
    data : the file's bytes
    card : what it says of itself
    inputs, outputs : tensors by name, in the file's order
    """

    path: Path
    sha256: str
    data: bytes
    card: ModelCard
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    @property
    def own_size(self) -> tuple[int, int] | None:
        """Height and width at which it works whatever the film's: its working size, or what its file fixes."""
        if self.card.working_size is not None:
            return self.card.working_size
        for spec in self.inputs.values():
            if len(spec.shape) == 4:
                height, width = spec.shape[2:]
                return None if height is None or width is None else (height, width)
        return None

    @classmethod
    def load(cls, path: str | Path, *, role: str | None = None) -> "Model":
        """Read a model file.

        Parameters
        ----------
        path : an ONNX file
        role : what to use it as; needed where the file has no metadata, checked where it has

        Raises
        ------
        WeightsError
            The file is missing, empty or damaged.
        UnsupportedModelError
            It is a good ONNX file, but not a model for `role`.
        """
        path = Path(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise WeightsError(f"model {path}: cannot be read ({error.strerror}); check the path") from error
        session, properties, inputs, outputs = _read_onnx(path, data)
        if any(key.startswith(PREFIX) for key in properties):
            card = _card_from_properties(path, properties)
        elif role is None:
            raise UnsupportedModelError(
                f"model {path}: says nothing of itself; name what it is for: one of {', '.join(ROLES)}"
            )
        else:
            card = _assumed_card(path, role, session, inputs, outputs)
        if role is not None and card.role != role:
            raise UnsupportedModelError(f"model {path}: its role is {card.role}; wanted one for {role}")
        return cls(
            path=path, sha256=hashlib.sha256(data).hexdigest(), data=data, card=card, inputs=inputs, outputs=outputs
        )


def builtin_models() -> dict[str, Path]:
    """Return the models that come with farshore, by name."""
    folder = resources.files("engine") / "models"
    with resources.as_file(folder) as path:
        return {file.stem: file for file in sorted(path.glob("*.onnx"))}


def installed_models() -> dict[str, Path]:
    """Return the models that were exported or copied into the user's models folder, by name."""
    return {file.stem: file for file in sorted(models_folder().glob("*.onnx"))}


def find_model(name: str, role: str | None) -> Model:
    """Load a built-in or installed model by name, or any ONNX file by its path.

    Parameters
    ----------
    name : a name or a path
    role : what to use it as; None: whatever it says of itself

    Raises
    ------
    ModelError
        There is neither a model nor a file of that name; the message lists the names.
    """
    known = {**installed_models(), **builtin_models()}
    if name in known:
        return Model.load(known[name], role=role)
    if Path(name).suffix == ".onnx" or Path(name).exists():
        return Model.load(name, role=role)
    raise ModelError(
        f"model {name!r}: not built in, not installed in {models_folder()}, and no such file; there are "
        f"{', '.join(known)}; published networks come with `farshore models fetch NAME` and `farshore export NAME`"
    )


def _read_onnx(path: Path, data: bytes) -> tuple[Any, dict[str, str], dict[str, TensorSpec], dict[str, TensorSpec]]:
    """Open a file with ONNX Runtime, which every installation has, without optimising: session, metadata, tensors."""
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "cpu") from error
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # every failure of ONNX Runtime's loader means the same here
        raise WeightsError(
            f"model {path}: not a readable ONNX file ({_first_line(error)}); fetch or export it again"
        ) from error
    inputs = {tensor.name: TensorSpec(shape=_shape(tensor.shape), dtype=tensor.type) for tensor in session.get_inputs()}
    outputs = {
        tensor.name: TensorSpec(shape=_shape(tensor.shape), dtype=tensor.type) for tensor in session.get_outputs()
    }
    return session, dict(session.get_modelmeta().custom_metadata_map), inputs, outputs


def _shape(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__


def _pair(text: str) -> tuple[int, int]:
    first, second = (int(part) for part in text.split(","))
    return first, second


def _range(text: str) -> tuple[float, float]:
    low, high = (float(part) for part in text.split(","))
    return low, high


def _states(text: str) -> tuple[StatePair, ...]:
    return tuple(StatePair(input=item["input"], output=item["output"]) for item in json.loads(text))


def _json_object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("wanted a JSON object")
    return found


def _choice(*allowed: str) -> Any:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"wanted one of {', '.join(allowed)}")
        return text

    return parse


_REQUIRED = ("schema", "name", "version", "role", "precision", "color_space", "licence", "commercial_use", "source")
_PARSERS: dict[str, Any] = {
    "schema": _choice("1"),
    "name": str,
    "version": str,
    "role": str,
    "precision": _choice("fp32", "fp16", "int8", "fp8"),
    "color_space": _choice("gray", "rgb", "ycbcr420", "lab"),
    "value_range": _range,
    "scale": int,
    "size_multiple": int,
    "window": _pair,
    "aligned": _choice("no", "window"),
    "past": _choice("film", "restored"),
    "states": _states,
    "working_size": _pair,
    "reference_model": str,
    "moments": _choice("any", "middle"),
    "licence": str,
    "commercial_use": _choice("yes", "no", "ask"),
    "source": str,
    "training_data": str,
    "metrics": json.loads,
    "calibration": _json_object,
}


def _card_from_properties(path: Path, properties: Mapping[str, str]) -> ModelCard:
    ours = {key.removeprefix(PREFIX): value for key, value in properties.items() if key.startswith(PREFIX)}
    missing = [key for key in _REQUIRED if key not in ours]
    if missing:
        raise UnsupportedModelError(
            f"model {path}: metadata lacks {', '.join(PREFIX + key for key in missing)}; export it again"
        )
    fields: dict[str, Any] = {}
    for key, text in ours.items():
        if key not in _PARSERS:
            raise UnsupportedModelError(
                f"model {path}: metadata key {PREFIX + key!r} is unknown; known are {', '.join(_PARSERS)}"
            )
        try:
            fields[key] = _PARSERS[key](text)
        except (ValueError, KeyError, TypeError) as error:
            raise UnsupportedModelError(f"model {path}: metadata {PREFIX + key} is {text!r}: {error}") from error
    del fields["schema"]
    return ModelCard(**fields)


def _assumed_card(
    path: Path, role: str, session: Any, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec]
) -> ModelCard:
    """Infer what can be inferred of a model that carries no metadata, and record each guess."""
    if role not in ROLES:
        raise UnsupportedModelError(f"role {role!r}: wanted one of {', '.join(ROLES)}")
    if role == "enhance":
        trial = try_enhancer(path, session, inputs, outputs)
        return ModelCard(
            name=path.stem,
            version="unknown",
            role=role,
            precision="fp32",
            color_space="gray" if trial.channels == 1 else "rgb",
            scale=trial.scale,
            size_multiple=trial.size_multiple,
            assumed=(
                f"color space {'gray' if trial.channels == 1 else 'rgb'} (its picture has {trial.channels} channels)",
                "values in [0, 1]",
                *trial.findings,
                "no temporal window, no states",
            ),
        )
    pictures = [spec for spec in inputs.values() if len(spec.shape) == 4]
    if not pictures or not outputs:
        raise UnsupportedModelError(f"model {path}: has no picture input (1, C, H, W); it cannot play the role {role}")
    channels = pictures[0].shape[1]
    color_space: Literal["gray", "rgb"] = "gray" if channels == 1 else "rgb"
    return ModelCard(
        name=path.stem,
        version="unknown",
        role=role,
        precision="fp32",
        color_space=color_space,
        assumed=(
            f"color space {color_space} (its picture input has {channels} channels)",
            "values in [0, 1]",
            "scale 1, no temporal window, no states",
        ),
    )
