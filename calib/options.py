"""What can be chosen when a model is calibrated, and what is known afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from calib.bound import Search
from calib.graph import Form
from calib.placement import Layers
from calib.ranges import METHODS, Method
from calib.table import Table
from engine.errors import ConfigError
from engine.model import Model

DEFAULT_BOUNDS = {"dB": 0.1, "CIEDE2000": 0.3}
"""Unit → what a quantized model may lose unless another bound is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to calibrate.

    form : `cpu` for ONNX Runtime on a processor, `tensorrt` for TensorRT and TensorRT for RTX, `fp8` for them on Ada,
        Hopper and Blackwell
    frames : pictures to collect ranges from, over all films
    held_apart : pictures, chosen from the end of every film, on which the loss is measured
    method : by which ranges are chosen; `auto` tries all and takes for each tensor the one that loses least
    max_loss : the bound; None: 0.1 dB, for colour 0.3 CIEDE2000
    threads : processor threads
    whole_curve : measure every number of layers kept, for the report, not only up to the bound
    """

    form: Form = "cpu"
    frames: int = 48
    held_apart: int = 12
    method: Literal["auto", "minmax", "percentile", "entropy", "mse"] = "auto"
    max_loss: float | None = None
    threads: int = 1
    whole_curve: bool = True

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ConfigError(f"form: got {self.form!r}; wanted one of {', '.join(get_args(Form))}")
        if self.method not in ("auto", *METHODS):
            raise ConfigError(f"method: got {self.method!r}; wanted auto or one of {', '.join(METHODS)}")
        for name, value in (("frames", self.frames), ("held-apart frames", self.held_apart), ("threads", self.threads)):
            if value < 1:
                raise ConfigError(f"{name}: got {value}; wanted 1 or more")
        if self.max_loss is not None and not self.max_loss > 0:
            raise ConfigError(f"max loss: got {self.max_loss}; wanted a number above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was done.

    model : the quantized one, as written
    table : what was seen of its tensors
    search : layers by their cost, and every model that was measured
    layers : float layers by reason; all others are in `search`
    method : that loses least for all tensors alike
    methods : tensors by the method that was taken for them
    method_losses : loss of each method on the pictures for ranking
    is_balanced : whether scaling the inputs of concatenations lost less
    is_bias_corrected : whether corrected biases lost less
    seconds : that all of it took
    float_milliseconds : of one run of the float32 model; None where nothing was timed
    sizes : bytes of the float32 and of the quantized file
    """

    model: Model
    table: Table
    search: Search
    layers: Layers
    method: Method
    methods: Mapping[Method, int]
    method_losses: Mapping[Method, float]
    is_balanced: bool
    is_bias_corrected: bool
    seconds: float
    float_milliseconds: float | None
    sizes: tuple[int, int]
