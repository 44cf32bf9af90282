"""Every setting of a restoration, as frozen dataclasses. Presets, TOML files and the command line map onto these."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from engine.errors import ConfigError

CODECS = ("h264", "h265", "av1", "prores", "ffv1")
"""Names of the video codecs that can be written."""

SMALLEST_TILE = 16
"""Pixels that a tile answers for on each side, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhanceSettings:
    """Grain, dust, scratches, flicker, blur, resolution.

    enabled : run the stage at all
    strength : how much of grain and damage goes, 0 (nothing) to 1 (everything); a little grain looks like film
    upscale : output size ÷ film size, 1 to 4 (the built-in models: 1 and 2); what a model makes larger is reduced to
        it. None: as the model enlarges, 1 for the built-in one
    model : name of a built-in model or path of an ONNX file; None picks the built-in one for `upscale`
    tile : the model works on tiles of so many film pixels on each side, so that it takes less memory; 0: on whole
        pictures. None: on whole pictures where memory allows it
    """

    enabled: bool = True
    strength: float = 0.8
    upscale: int | None = None
    model: str | None = None
    tile: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise ConfigError(f"strength: got {self.strength}; wanted a number from 0 to 1")
        if self.upscale not in (None, 1, 2, 3, 4):
            raise ConfigError(f"upscale: got {self.upscale}; wanted 1, 2, 3 or 4")
        if self.tile is not None and self.tile != 0 and self.tile < SMALLEST_TILE:
            raise ConfigError(f"tile: got {self.tile}; wanted {SMALLEST_TILE} pixels or more, or 0 for whole pictures")


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesSettings:
    """Faces, restored one by one with a model made for them.

    enabled : run the stage at all; off unless asked, since its models have to be fetched and add detail that the film
        does not have
    strength : how much of the restored faces is taken, 0 (nothing) to 1 (all of it)
    model : name of a face model or path of an ONNX file
    detector : name of a face detector or path of an ONNX file
    confidence : how sure the detector must be of a face, 0 to 1
    smallest : shorter side of the smallest face that is restored, pixels of the frame; smaller ones are left alone
    most : faces restored in one frame, the largest ones
    """

    enabled: bool = False
    strength: float = 0.8
    model: str = "gpen-512"
    detector: str = "yunet"
    confidence: float = 0.7
    smallest: int = 48
    most: int = 8

    def __post_init__(self) -> None:
        for name, value in (("strength", self.strength), ("confidence", self.confidence)):
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"faces {name}: got {value}; wanted a number from 0 to 1")
        for name, value in (("smallest", self.smallest), ("most", self.most)):
            if value < 1:
                raise ConfigError(f"faces {name}: got {value}; wanted 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpolateSettings:
    """The rate of the restored film.

    rate : frames per second, exact ("24000/1001", "48"); None unless asked
    factor : multiple of the film's true rate; None unless asked. With neither, the film's own times are kept
    model : name of a built-in model or path of an ONNX file
    scale : size at which the model looks for motion ÷ the film's: 1, 0.5 or 0.25; less is quicker and finds larger
        motion, more finds finer motion. None chooses by the picture's size, and by motion pair by pair
    """

    rate: Fraction | None = None
    factor: Fraction | None = None
    model: str | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.scale not in (None, 1, 0.5, 0.25):
            raise ConfigError(f"interpolate: got a scale of {self.scale}; wanted 1, 0.5 or 0.25")
        if self.rate is not None and self.factor is not None:
            raise ConfigError("interpolate: got both a rate and a factor; give one")
        for name, value in (("rate", self.rate), ("factor", self.factor)):
            if value is not None and not 0 < value <= 1000:
                raise ConfigError(f"interpolate: got a {name} of {value}; wanted more than 0 and at most 1000")

    @classmethod
    def parse(cls, text: str, *, model: str | None = None) -> "InterpolateSettings":
        """Read "48", "60000/1001", "23.976", "2x" or "none".

        Decimal NTSC rates (23.976, 29.97, 59.94, 119.88) become their exact fractions.
        """
        text = text.strip().lower()
        if text in ("none", "off"):
            return cls(model=model)
        is_factor = text.endswith("x")
        try:
            value = Fraction(text.removesuffix("x"))
        except (ValueError, ZeroDivisionError) as error:
            raise ConfigError(
                f"interpolate: got {text!r}; wanted a rate such as 48 or 60000/1001, a factor such as 2x, or none"
            ) from error
        if is_factor:
            return cls(factor=value, model=model)
        return cls(rate=exact_rate(value), model=model)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorizeSettings:
    """Colour.

    mode : `auto` colours grey films and leaves coloured ones alone; `always`; `never`
    references : colour pictures to follow; a number in a file's name is the source frame that it shows
    saturation : factor on the colours' strength, 0 to 2
    model : name of a built-in model or path of an ONNX file
    working_size : side in pixels of the square whose area the model sees, in the film's own shape; DeOldify's render
        factor is this ÷ 16. None: what the model likes
    steadiness : how much of a picture's colour is carried over from the one before along the motion, 0 to 1; for models
        that see every picture on its own, and wherever references are followed; 0 also keeps references that show the
        film itself from giving their colours as they are
    """

    mode: Literal["auto", "always", "never"] = "auto"
    references: tuple[Path, ...] = ()
    saturation: float = 1.0
    model: str | None = None
    working_size: int | None = None
    steadiness: float = 0.8

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "always", "never"):
            raise ConfigError(f"colorize: got {self.mode!r}; wanted auto, always or never")
        if not 0.0 <= self.saturation <= 2.0:
            raise ConfigError(f"saturation: got {self.saturation}; wanted a number from 0 to 2")
        if self.working_size is not None and not 16 <= self.working_size <= 4096:
            raise ConfigError(f"working size: got {self.working_size}; wanted 16 to 4096 pixels")
        if not 0.0 <= self.steadiness <= 1.0:
            raise ConfigError(f"steadiness: got {self.steadiness}; wanted a number from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSettings:
    """How the film is read.

    deinterlace : `auto` follows the film's own flags, `always`, `never`
    field_rate : one frame per field (50i becomes 50p) rather than one per pair of fields
    rate : frames per second of an image sequence, which has no times of its own
    decoder : `device` is the GPU's (NVDEC), whose pictures stay there; `software` the processor's; `auto` the GPU's
        where the backend runs on one and it can decode the film, else, with a word on why, the processor's
    """

    deinterlace: Literal["auto", "always", "never"] = "auto"
    field_rate: bool = False
    rate: Fraction = Fraction(24)
    decoder: Literal["auto", "software", "device"] = "auto"

    def __post_init__(self) -> None:
        if self.deinterlace not in ("auto", "always", "never"):
            raise ConfigError(f"deinterlace: got {self.deinterlace!r}; wanted auto, always or never")
        if not 0 < self.rate <= 1000:
            raise ConfigError(f"input rate: got {self.rate}; wanted more than 0 and at most 1000")
        if self.decoder not in ("auto", "software", "device"):
            raise ConfigError(f"decoder: got {self.decoder!r}; wanted auto, software or device")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """How the restored film is written.

    codec : one of `CODECS`; None picks by the file's extension
    quality : one dial for all codecs, 0 (smallest) to 100 (visually lossless or better)
    bit_depth : 8 or 10; None keeps 8-bit film at 8 and deeper film at 10
    encoder : `device` is the GPU's (NVENC: h264, h265, av1), which takes the chain's pictures where they lie;
        `software` the processor's, which makes smaller films of the same quality; `auto` the GPU's where the backend
        runs on one and it can code the film, else, with a word on why, the processor's
    encoder_threads : threads of the encoder; part of the settings because it can change the bits
    compare : `side` puts the film beside its restoration, `wipe` divides one picture; None writes the restoration alone
    label : write "restored" on the picture
    counter : write the number of the film's frame on the picture, counted from 0; a + behind it stands on pictures
        made between that frame and the next
    """

    codec: str | None = None
    quality: int = 75
    bit_depth: int | None = None
    encoder: Literal["auto", "software", "device"] = "auto"
    encoder_threads: int = 2
    compare: Literal["side", "wipe"] | None = None
    label: bool = False
    counter: bool = False

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise ConfigError(f"codec: got {self.codec!r}; wanted one of {', '.join(CODECS)}")
        if not 0 <= self.quality <= 100:
            raise ConfigError(f"quality: got {self.quality}; wanted 0 to 100")
        if self.bit_depth not in (None, 8, 10):
            raise ConfigError(f"bit depth: got {self.bit_depth}; wanted 8 or 10")
        if self.encoder not in ("auto", "software", "device"):
            raise ConfigError(f"encoder: got {self.encoder!r}; wanted auto, software or device")
        if self.encoder_threads < 1:
            raise ConfigError(f"encoder threads: got {self.encoder_threads}; wanted 1 or more")
        if self.compare not in (None, "side", "wipe"):
            raise ConfigError(f"compare: got {self.compare!r}; wanted side or wipe")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """What the chain runs on. Nothing here but backend and precision changes what the restored film shows.

    backend : `onnxruntime` on the processor; on a GPU `tensorrt` (TensorRT, or TensorRT for RTX) or `cuda` (ONNX
        Runtime's CUDA provider); `null` computes nothing, for trying the rest
    device : which GPU, by its number or its UUID, as nvidia-smi -L lists them
    streams : on a GPU, `stage`: each stage works in a CUDA stream of its own, at the same time as the others; or `one`:
        all in one, one after the other, which is slower and for finding faults
    streams_per_stage : on a GPU, frames that may be in flight at once through a stage whose model keeps nothing of one
        for the next, each in a CUDA stream and with a session of its own (others say num_streams, or instances): 1 or
        2. None: 2 where that is measured to be faster when the stage opens
    cpu_nodes : with `cuda`, let parts of a model for which there is no CUDA kernel run on the processor
    precision : of the built-in models: `fp32`; `fp16`, for GPUs; or `int8`, about twice as fast on processors with
        8-bit instructions (VNNI), and with `tensorrt` on GPUs, with the loss that their cards tell; models given by
        name or path are what they are
    threads : processor cores to use; 0 is all
    queue_frames : frames that may wait between two stages
    force_int8 : run 8-bit models too whose loss was not measured or is over their bound
    """

    backend: Literal["onnxruntime", "tensorrt", "cuda", "null"] = "onnxruntime"
    device: str = "0"
    streams: Literal["stage", "one"] = "stage"
    streams_per_stage: int | None = None
    cpu_nodes: bool = False
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    threads: int = 0
    queue_frames: int = 4
    force_int8: bool = False

    def __post_init__(self) -> None:
        if self.backend not in ("onnxruntime", "tensorrt", "cuda", "null"):
            raise ConfigError(f"backend: got {self.backend!r}; wanted onnxruntime, tensorrt, cuda or null")
        if self.streams not in ("stage", "one"):
            raise ConfigError(f"streams: got {self.streams!r}; wanted stage or one")
        if self.streams_per_stage not in (None, 1, 2):
            raise ConfigError(f"streams per stage: got {self.streams_per_stage}; wanted 1 or 2")
        if self.streams == "one" and self.streams_per_stage == 2:
            raise ConfigError("streams per stage: got 2 with one stream for all stages; leave one of the two out")
        if self.precision not in ("fp32", "fp16", "int8"):
            raise ConfigError(f"precision: got {self.precision!r}; wanted fp32, fp16 or int8")
        if self.threads < 0:
            raise ConfigError(f"threads: got {self.threads}; wanted 0 (all) or more")
        if self.queue_frames < 1:
            raise ConfigError(f"queue frames: got {self.queue_frames}; wanted 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one restoration."""

    input: InputSettings = field(default_factory=InputSettings)
    enhance: EnhanceSettings = field(default_factory=EnhanceSettings)
    faces: FacesSettings = field(default_factory=FacesSettings)
    interpolate: InterpolateSettings = field(default_factory=InterpolateSettings)
    colorize: ColorizeSettings = field(default_factory=ColorizeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)


def exact_rate(value: Fraction) -> Fraction:
    """Return the n×1000/1001 rate that a rounded decimal such as 23.976 or 29.97 stands for, else the value itself."""
    nearest = Fraction(round(value * Fraction(1001, 1000)) * 1000, 1001)
    is_rounded = nearest > 0 and value.denominator not in (1, 1001) and abs(value - nearest) < Fraction(1, 200)
    return nearest if is_rounded else value
