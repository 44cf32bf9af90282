"""Which stages a film passes, made from settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2

from engine.backends.base import Backend
from engine.backends.null import NullBackend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.onnxruntime_cuda import CudaBackend
from engine.backends.tensorrt.backend import TensorRtBackend
from engine.device.base import Device, Stream
from engine.device.cuda import open_device
from engine.errors import ConfigError
from engine.model import Model, find_model
from engine.places import kernels_folder
from engine.quantized import check_loss
from engine.settings import EnhanceSettings, RuntimeSettings, Settings
from engine.stages.base import Stage
from engine.stages.colorize import Colorize
from engine.stages.compare import Compare
from engine.stages.device.face_detect import LATE
from engine.stages.download import Download
from engine.stages.enhance import Enhance
from engine.stages.faces import Faces
from engine.stages.inspect import Inspect
from engine.stages.interpolate import Interpolate
from engine.stages.place import HOST, DevicePlace, Place
from engine.stages.upload import Upload

BUILT_IN = {"interpolate": "film-interpolate", "colorize": "film-colorize"}
"""Role → the built-in model that plays it where the settings name none."""

ENHANCERS = {1: "film-restore", 2: "film-restore-x2"}
"""Upscale factor → the built-in enhancer."""

SUFFIXES = {"fp32": "", "fp16": "-fp16"}
"""Precision → what the names of the built-in models of that precision end in."""

INT8_SUFFIXES = {"cpu": "-int8", "tensorrt": "-int8-tensorrt"}
"""Form of an 8-bit model → the same; `Backend.int8_form` says which one is computed on integers."""

LARGE_ENHANCERS = ("realesr-general-x4v3", "realesr-animevideov3", "realesrgan-x4plus")
"""Published networks that enlarge by more than the built-in ones, named where one is wanted."""


HELD_FRAMES = 4
"""Frames that a stage may hold beside those it looks ahead to: the last ones, for whatever comes next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The stages of one run, in order, and the models they use.

    inspect : the first stage, which knows shots and cadence
    frames_of_reader : most of the reader's buffers that can be out at once, with a writer that lets every queue fill
    """

    inspect: Inspect
    stages: Sequence[Stage]
    models: Sequence[Model]
    frames_of_reader: int


def open_backend(settings: RuntimeSettings) -> Backend:
    """Return the backend that the settings name; on a GPU with the GPU that they name.

    Raises
    ------
    NoDeviceError, MissingExtraError, ConfigError
        It cannot be had on this machine. Nothing else is taken in its place.
    """
    if settings.backend == "null":
        return NullBackend()
    if settings.backend == "onnxruntime":
        return OnnxRuntimeBackend()
    device = open_device(settings.device, kernels_folder=kernels_folder())
    if settings.backend == "tensorrt":
        return TensorRtBackend(device)
    return CudaBackend(device, may_fall_back=settings.cpu_nodes)


def _built_in_enhancer(settings: EnhanceSettings) -> str:
    """Return the built-in enhancer for the scale that is asked for; a model that is named needs none."""
    upscale = settings.upscale or 1
    if settings.model is None and upscale not in ENHANCERS:
        raise ConfigError(
            f"upscale: got {upscale}; the built-in models enlarge by {' or '.join(map(str, ENHANCERS))}; name a model "
            f"for more, such as {', '.join(LARGE_ENHANCERS)}, that came with `farshore models fetch NAME` and "
            "`farshore export NAME`"
        )
    return ENHANCERS.get(upscale, ENHANCERS[1])


def _suffix(precision: str, backend: Backend) -> str:
    """Return what the names of the built-in models end in that a backend is to run."""
    if precision != "int8":
        return SUFFIXES[precision]
    if backend.int8_form is None:
        raise ConfigError(
            f"precision: got int8 with backend {backend.name}, which computes 8-bit models in float32; wanted fp32 or "
            "fp16, or --backend tensorrt"
        )
    return INT8_SUFFIXES[backend.int8_form]


def build_chain(
    settings: Settings,
    *,
    colorize: bool,
    true_rate: Fraction | None = None,
    backend: Backend | None = None,
    starts_on_device: bool = False,
    ends_on_device: bool = False,
) -> Chain:
    """Make the stages; no model runs yet.

    Parameters
    ----------
    settings : of the restoration
    colorize : whether this film is to be coloured; what `auto` means was decided by looking at the film
    true_rate : of the film's motion, pictures per second, which a factor multiplies; None: the rate that the film tells
    backend : what the models run on; None: what the settings name
    starts_on_device : the reader's frames lie on the backend's device
    ends_on_device : the writer takes frames that lie there

    Raises
    ------
    ModelError
        A model is missing, damaged or not for its role.
    ConfigError
        Settings and models contradict each other, or a reference picture cannot be read.
    """
    cv2.setNumThreads(1)  # for the whole process: a stage works within its own thread, and cores are shared out
    backend = backend or open_backend(settings.runtime)
    models: list[Model] = []

    device = backend.device
    suffix = _suffix(settings.runtime.precision, backend)

    shared = device.stream() if device is not None and settings.runtime.streams == "one" else None

    queue_frames = settings.runtime.queue_frames

    def place(behind: int, waiting: int = 0) -> Place:
        """Return where the next stage works, which has that many others behind it, that hold so many frames back."""
        if device is None:
            return HOST
        frames, lanes = _out_at_once(queue_frames, behind) + waiting, settings.runtime.streams_per_stage
        return DevicePlace(device, shared, frames=frames, lanes=lanes)

    def model(name: str | None, built_in: str, role: str) -> Model:
        models.append(find_model(name or built_in + suffix, role))
        return models[-1]

    wanted = settings.interpolate
    changes_rate = wanted.rate is not None or wanted.factor is not None
    looks_there = starts_on_device and shared is None  # in one stream its numbers would come behind the models' work
    watching = HOST if device is None or not looks_there else DevicePlace(device, device.stream(urgent=True))
    shows = settings.output
    compares = shows.compare is not None or shows.label or shows.counter
    inspect = Inspect(retime=changes_rate, keep_original=settings.output.compare is not None, place=watching)
    stages: list[Stage] = [inspect]
    if settings.enhance.enabled:
        enhancer = model(settings.enhance.model, _built_in_enhancer(settings.enhance), "enhance")
        faces = settings.faces.enabled
        there = place(1 + faces + colorize + compares, LATE * faces)
        stages.append(Enhance(enhancer, backend, settings.enhance, place=there))
    if settings.faces.enabled:
        restorer = find_model(settings.faces.model, "face")
        detector = find_model(settings.faces.detector, "detect")
        models += (restorer, detector)
        stages.append(Faces(restorer, detector, backend, settings.faces, place=place(1 + colorize + compares)))
    interpolator = None
    if changes_rate:
        interpolator = model(wanted.model, BUILT_IN["interpolate"], "interpolate")
    stages.append(Interpolate(interpolator, backend, wanted, true_rate=true_rate, place=place(colorize + compares)))
    if colorize:
        colorizer = model(settings.colorize.model, BUILT_IN["colorize"], "colorize")
        encoder = None
        if colorizer.card.reference_model is not None and settings.colorize.references:
            encoder = model(colorizer.card.reference_model, "", "reference")
        stages.append(Colorize(colorizer, backend, settings.colorize, reference_model=encoder, place=place(compares)))
    for loaded in models:
        check_loss(loaded, force=settings.runtime.force_int8)
    if compares:
        film_is_there = looks_there  # the film's own pictures, which inspection keeps beside the frames
        stages.append(Compare(settings.output, place=place(0) if film_is_there else HOST))
    if device is not None:
        stages = _with_transfers(
            stages,
            device,
            queue_frames,
            shared,
            starts_there=starts_on_device,
            ends_there=ends_on_device,
            are_kept=settings.output.compare is not None,
        )
    return Chain(
        inspect=inspect,
        stages=stages,
        models=models,
        frames_of_reader=_frames_of_reader(queue_frames, stages, are_kept=settings.output.compare is not None),
    )


def _with_transfers(
    stages: Sequence[Stage],
    device: Device,
    queue_frames: int,
    stream: Stream | None,
    *,
    starts_there: bool,
    ends_there: bool,
    are_kept: bool,
) -> list[Stage]:
    """Return the stages with copies between host and device wherever neighbours work in two places."""
    chain: list[Stage] = []

    def upload(behind: Sequence[Stage]) -> Upload:
        return Upload(
            device, name=_free_name("upload", chain), stream=stream, frames=_copies_at_once(queue_frames, behind)
        )

    def download(behind: Sequence[Stage]) -> Download:
        name, is_first = _free_name("download", chain), not chain
        frames = (
            _frames_of_reader(queue_frames, behind, are_kept=are_kept)
            if is_first
            else _copies_at_once(queue_frames, behind)
        )
        return Download(device, name=name, stream=stream, frames=frames)

    is_there = starts_there
    for number, stage in enumerate(stages):
        works_there = stage.device is not None
        if works_there and not is_there:
            chain.append(upload(stages[number:]))
        elif is_there and not works_there:
            chain.append(download(stages[number:]))
        is_there = works_there
        chain.append(stage)
    if is_there and not ends_there:
        chain.append(download(()))
    elif ends_there and not is_there:
        chain.append(upload(()))
    return chain


def _out_at_once(queue_frames: int, behind: int) -> int:
    """Return how many of a stage's buffers can be out at once, with a writer that lets every queue fill.

    As many as wait in each queue from the stage on, the one that whoever takes from it works on, those that are held
    for what comes next, and the one being made.

    Parameters
    ----------
    queue_frames : between two neighbours
    behind : stages that may pass the buffer on
    """
    return (queue_frames + 1) * (behind + 1) + HELD_FRAMES + 1


def _frames_of_reader(queue_frames: int, stages: Sequence[Stage], *, are_kept: bool) -> int:
    """Return how many frames as they were read can be out at once.

    Parameters
    ----------
    queue_frames : between two neighbours
    stages : of the chain, all of them
    are_kept : as originals, to the chain's end, for comparison
    """
    if are_kept:
        return _out_at_once(queue_frames, len(stages)) + sum(stage.look_ahead for stage in stages)
    return _copies_at_once(queue_frames, stages) + stages[0].look_ahead


def _copies_at_once(queue_frames: int, behind: Sequence[Stage]) -> int:
    """Return how many frames copied to, or from, a device can be out at once.

    Parameters
    ----------
    queue_frames : between two neighbours
    behind : every stage behind the copy
    """
    passing, waiting, there = 0, 0, [stage.device is not None for stage in behind]
    for stage, is_there in zip(behind, there, strict=True):
        if is_there != there[0]:
            break
        if isinstance(stage, (Enhance, Faces)):  # wait for those that come after
            waiting += stage.look_ahead
        if isinstance(stage, Enhance):  # makes pictures of its own
            break
        passing += 1
    return _out_at_once(queue_frames, passing) + waiting


def _free_name(name: str, stages: Sequence[Stage]) -> str:
    taken = sum(stage.name.startswith(name) for stage in stages)
    return f"{name}-{taken + 1}" if taken else name
