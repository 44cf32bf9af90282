"""Models on a GPU beside the processor: whether they compute the same, and how fast."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import isfinite, log10, prod

import numpy as np

from bench.gpu.outcome import FOR_PROCESSORS, Outcome, outcome_of
from bench.gpu.roof import Roof, filled, median_seconds
from bench.latency.operations import Cost, count
from engine.backends.base import Backend, Profile
from engine.backends.tensorrt.profiles import usual_shapes
from engine.device.base import Device
from engine.errors import FarshoreError
from engine.model import Model

Values = Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
Shapes = Mapping[str, tuple[int, ...]]
Size = tuple[int, int]

COMPARED: Size = (240, 320)
"""Height and width at which models are compared, where their size is open: the processor computes them quickly."""

FLOORS_DB: Mapping[str, float] = {"fp32": 60.0, "fp16": 45.0}
"""By a model's precision, the PSNR that the GPU's outputs must have against the processor's.

Both libraries multiply float32 in TF32, which keeps 10 bits behind the point as half precision does. One such rounding
is off by 2^-11 of a value at most, 2^-11 / sqrt(3) in the root of the mean square: 71 dB; ten that are independent,
61 dB; most values are far below the peak, so 60 dB leaves room, and whatever is wired wrongly is below 40 dB. In half
precision the processor's library casts up and a GPU may add up in half as well, over hundreds of products: 45 dB. Other
precisions have no floor: there one rounding that falls the other way is a whole step; that they are finite must hold.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How far outputs are from those wanted.

    finite : whether all values, of both, are numbers; where not, there are no figures
    psnr_db : the worst output's, its own largest magnitude as peak; None: equal
    largest_error : share of an output's largest magnitude
    """

    finite: bool
    psnr_db: float | None = None
    largest_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One model's speed at one size.

    outcome : ``right``: it ran
    reason : why it did not run
    milliseconds : of one run, median, by the device's clock
    operations : of one run, in proportion to the picture from those at the size at which it was compared
    share_of_roof : of the time that its operations, or its bytes, take at best, whichever is longer
    no_share : why there is no share
    """

    height: int
    width: int
    outcome: Outcome
    reason: str | None = None
    milliseconds: float | None = None
    operations: int | None = None
    share_of_roof: float | None = None
    no_share: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """One model on one backend.

    model : its file's name, by which it is asked for
    network : its card's name, which its precisions share
    builtin : whether it comes with farshore
    outcome, reason : of the comparison; a reason unless it is right
    height, width : at which it was compared; None: it was not
    floor_db : the PSNR that it must have; None: none is set for its precision
    """

    model: str
    network: str
    sha256: str
    precision: str
    builtin: bool
    outcome: Outcome
    reason: str | None = None
    height: int | None = None
    width: int | None = None
    likeness: Likeness | None = None
    floor_db: float | None = None
    timings: Sequence[Timing] = ()


def check_model(
    device: Device,
    backend: Backend,
    reference: Backend,
    model: Model,
    sizes: Sequence[Size],
    roof: Roof,
    *,
    builtin: bool = True,
) -> ModelResult:
    """Run a model on a GPU and on the processor with the same seeded inputs, and time it at every size.

    Parameters
    ----------
    sizes : height and width; a model with a size of its own is timed at that alone
    builtin : whether it comes with farshore: then its 8-bit form is for processors and is not run
    """
    card = model.card
    result = _Result(model, builtin)
    if is_for_processors(model):
        return result("refused", reason=FOR_PROCESSORS)
    size = model.own_size or COMPARED
    try:
        shapes = usual_shapes(model, size)
        likeness = _compare(device, backend, reference, model, shapes)
        cost = count(model.data, shapes)
    except FarshoreError as error:
        return result(outcome_of(error), reason=str(error))
    reason = judge(likeness, card.precision)
    timings = tuple(_timings(device, backend, model, sizes, roof, (shapes, cost)))
    return result("wrong" if reason else "right", reason=reason, size=size, likeness=likeness, timings=timings)


def is_for_processors(model: Model) -> bool:
    """Whether it is an 8-bit model in the form that ONNX Runtime likes on a processor."""
    return model.card.precision == "int8" and (model.card.calibration or {}).get("form") == "cpu"


def judge(likeness: Likeness, precision: str) -> str | None:
    """Return what is wrong with outputs; None where they are near enough."""
    if not likeness.finite:
        return "outputs are not finite"
    floor = FLOORS_DB.get(precision)
    if likeness.psnr_db is None or floor is None or likeness.psnr_db >= floor:
        return None
    return f"{likeness.psnr_db:.1f} dB from the processor's outputs; {precision} must have {floor:.0f} dB"


def worst(wanted: Values, got: Values) -> Likeness:
    """Return the lowest PSNR and the largest error of all outputs."""
    psnr: float | None = None
    largest = 0.0
    for name, truth in wanted.items():
        if not (np.isfinite(truth).all() and np.isfinite(got[name]).all()):
            return Likeness(finite=False)
        peak = max(float(np.abs(truth).max()), 1e-6)
        apart = np.abs(truth.astype(np.float64) - got[name])
        mean = float(np.mean(apart**2))
        largest = max(largest, float(apart.max()) / peak)
        if mean > 0:
            own = 10 * log10(peak**2 / mean)
            psnr = own if psnr is None else min(psnr, own)
    return Likeness(finite=isfinite(largest), psnr_db=psnr, largest_error=largest)


class _Result:
    """Makes results of one model."""

    def __init__(self, model: Model, builtin: bool) -> None:
        self._model, self._builtin = model, builtin

    def __call__(
        self,
        outcome: Outcome,
        *,
        reason: str | None,
        size: Size | None = None,
        likeness: Likeness | None = None,
        timings: Sequence[Timing] = (),
    ) -> ModelResult:
        card = self._model.card
        return ModelResult(
            model=self._model.path.stem,
            network=card.name,
            sha256=self._model.sha256,
            precision=card.precision,
            builtin=self._builtin,
            outcome=outcome,
            reason=reason,
            height=None if size is None else size[0],
            width=None if size is None else size[1],
            likeness=likeness,
            floor_db=FLOORS_DB.get(card.precision),
            timings=timings,
        )


def _compare(device: Device, backend: Backend, reference: Backend, model: Model, shapes: Shapes) -> Likeness:
    rng = np.random.default_rng(1)
    inputs = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    with closing(backend.open(model, Profile(shapes), 1)) as session:
        stream = device.stream()
        given = {name: filled(device, stream, array) for name, array in inputs.items()}
        made = {name: device.empty(shape, np.float32) for name, shape in session.output_shapes.items()}
        session.enqueue(given, made, stream)
        got = {name: np.empty(array.shape, np.float32) for name, array in made.items()}
        for name, array in made.items():
            device.download(array, got[name], stream)
        stream.synchronize()
    with closing(reference.open(model, Profile(shapes), 1)) as host:
        wanted = {name: np.zeros(shape, np.float32) for name, shape in host.output_shapes.items()}
        host.enqueue(inputs, wanted)
    return worst(wanted, got)


def _timings(
    device: Device, backend: Backend, model: Model, sizes: Sequence[Size], roof: Roof, compared: tuple[Shapes, Cost]
) -> Iterator[Timing]:
    for size in [model.own_size] if model.own_size else sizes:
        try:
            yield _time(device, backend, model, size, roof, compared)
        except FarshoreError as error:
            yield Timing(height=size[0], width=size[1], outcome=outcome_of(error), reason=str(error))


def _time(
    device: Device, backend: Backend, model: Model, size: Size, roof: Roof, compared: tuple[Shapes, Cost]
) -> Timing:
    shapes, (known, cost) = usual_shapes(model, size), compared
    with closing(backend.open(model, Profile(shapes), 1)) as session:
        stream = device.stream()
        rng = np.random.default_rng(1)
        given = {name: filled(device, stream, rng.random(shape, np.float32)) for name, shape in shapes.items()}
        made = {name: device.empty(shape, np.float32) for name, shape in session.output_shapes.items()}
        taken = median_seconds(device, stream, lambda: session.enqueue(given, made, stream))
    # Counting runs the graph on the processor, too slow at these sizes. All but the weights grows with the picture.
    larger = _values(shapes) / _values(known)
    at_best = roof.best_seconds(model.card.precision, cost.operations * larger, cost.bytes * larger)
    return Timing(
        height=size[0],
        width=size[1],
        outcome="right",
        milliseconds=taken * 1e3,
        operations=round(cost.operations * larger),
        share_of_roof=None if at_best is None else at_best / taken,
        no_share=roof.why_not(model.card.precision),
    )


def _values(shapes: Shapes) -> int:
    """Return how many values the pictures have that a model is given."""
    return sum(prod(shape) for shape in shapes.values() if len(shape) == 4) or 1
