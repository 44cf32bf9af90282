"""What the chain gives a GPU to do beside its models: the stages' own device classes, ready to do one frame's work."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import cycle

import numpy as np

from bench.gpu.product_film import Film, NoModels, card_of, model_of
from engine.array_ends import DeviceArrays
from engine.backends.base import Profile
from engine.device.base import DeviceArray
from engine.device.operators import view
from engine.device.pool import as_planes
from engine.frame import Frame
from engine.media.color import output_color
from engine.media.device.blocks import BlockShape
from engine.media.device.border import Surface
from engine.media.device.reading import SurfaceReader
from engine.media.device.writing import SurfaceWriter
from engine.media.layout import LAYOUTS
from engine.media.pictures import CodedPicture
from engine.media.upright import Orientation
from engine.model import Model, find_model
from engine.stages.chroma_tensors import half_size, motion_size
from engine.stages.comparison import Layout
from engine.stages.device.align import DeviceAligner
from engine.stages.device.chroma import DeviceChroma
from engine.stages.device.comparison import DeviceComparison
from engine.stages.device.counter import DeviceCounter
from engine.stages.device.face_restore import DeviceFaceRestorer
from engine.stages.device.guided_filter import DeviceGuidedUpsampler
from engine.stages.device.label import DeviceLabel
from engine.stages.device.looks import DeviceLooks
from engine.stages.device.motion import DeviceMotion
from engine.stages.device.motion_field import DeviceMotionField
from engine.stages.device.steadiness import DeviceSteadiness
from engine.stages.device.tensors import DeviceLumaTensors, DeviceRgbTensors
from engine.stages.device.tiles import DeviceTiles
from engine.stages.face_align import template
from engine.stages.inspect import LOOK_AHEAD
from engine.stages.lightness import NEUTRAL_AB
from engine.stages.tile_plan import plan_tiles
from engine.types import PixelFormat

FACE_SIDE = 512
"""Pixels of the faces that a model sees."""

FACE_SHARE = 0.4
"""Of the picture's height, a face's side."""

PITCH_MULTIPLE = 256
"""Bytes of rows of surfaces."""

TILE = 512
"""Pixels that a tile answers for, where the picture is larger."""

Work = Callable[[], None]


def _surface(film: Film, pix_fmt: str) -> tuple[BlockShape, DeviceArray]:
    spec = film.spec
    shape = BlockShape(pix_fmt=pix_fmt, width=spec.width, height=spec.height, pitch_multiple=PITCH_MULTIPLE)
    memory = film.device.empty((shape.nbytes,), np.uint8)
    film.device.clear(memory, film.operators.stream)
    return shape, memory


def _read(film: Film, pix_fmt: str) -> Work:
    spec = film.spec_of(PixelFormat.RGB)
    shape, memory = _surface(film, pix_fmt)
    family = LAYOUTS[pix_fmt].family
    color = output_color(spec.color, family=family, is_full_range=family == "rgb", height=spec.height)
    film.operators.prepare("read_ycbcr", "read_rgb")
    read = SurfaceReader(film.operators, pix_fmt, spec.width, spec.height, color, Orientation(), spec)
    surface = Surface(address=memory.pointer, planes=shape.places, nbytes=memory.nbytes)
    out = film.zeros(*spec.pixels_shape)

    def work() -> None:
        assert memory.owner is not None  # the surface knows but the address
        read(surface, out)

    return work


def _frame(film: Film, format: PixelFormat) -> Frame:
    pixels = film.coloured()[0] if format is PixelFormat.RGB else film.grey[0]
    shape = film.spec_of(format).chroma_shape
    chroma = None if shape is None else as_planes(film.operators.constant(np.full(shape, NEUTRAL_AB, np.float32)))
    return Frame(pixels=as_planes(pixels), chroma=chroma, format=format, pts=0, time_base=film.spec.time_base, index=0)


def _write(film: Film, pix_fmt: str, format: PixelFormat) -> Work:
    spec = film.spec_of(format)
    color = output_color(spec.color, family="yuv", is_full_range=False, height=spec.height)
    coded = CodedPicture(
        pix_fmt=pix_fmt, width=spec.width, height=spec.height, color=color, time_base=film.spec.time_base
    )
    write = SurfaceWriter(film.operators, spec, coded, pitch_multiple=PITCH_MULTIPLE)
    _, memory = _surface(film, pix_fmt)
    return partial(write, _frame(film, format), memory)


def _hand_out(film: Film) -> Work:
    ends = DeviceArrays(film.device, film.operators.stream)
    ends.open_out(film.spec_of(PixelFormat.LAB))
    frame = _frame(film, PixelFormat.LAB)

    def work() -> None:
        ends.hand_out(replace(frame, is_released=False))

    return work


def _inspect(film: Film) -> Work:
    looks = DeviceLooks(film.operators, film.spec.height, film.spec.width, LOOK_AHEAD)
    pictures = cycle(film.coloured())
    return lambda: _ignore(looks.see(as_planes(next(pictures))))


def _enhance(film: Film, model: Model, format: PixelFormat, *, is_rgb: bool = False) -> Work:
    """Work as the enhance stage does around its model, the window full."""
    spec, make = film.spec_of(format), DeviceRgbTensors if is_rgb else DeviceLumaTensors
    tensors = make(film.operators, model, spec, 0.9, upscale=None, multiple=model.card.size_multiple)
    pictures = cycle(film.coloured() if format is PixelFormat.RGB else film.grey)
    planes, height, width = spec.pixels_shape
    out = as_planes(film.zeros(planes, height * model.card.scale, width * model.card.scale))
    for _ in range(sum(model.card.window)):
        tensors.append(as_planes(next(pictures)))

    def work() -> None:
        picture = as_planes(next(pictures))
        tensors.append(picture)
        tensors.aim()
        tensors.finish(picture, out)

    return work


def _enhance_builtin(film: Film, name: str, format: PixelFormat) -> Work:
    return _enhance(film, find_model(name, None), format)


def _enhance_luma(film: Film) -> Work:
    model = model_of(card_of("enhance", "gray"), {"luma": 1}, {"luma_out": 1})
    return _enhance(film, model, PixelFormat.RGB)


def _enhance_rgb(film: Film, format: PixelFormat) -> Work:
    return _enhance(film, _rgb_enhancer(), format, is_rgb=True)


def _rgb_enhancer() -> Model:
    return model_of(card_of("enhance", "rgb"), {"frames": 3}, {"frame": 3})


def _tiles(film: Film, *, is_exact: bool) -> Work:
    size, model = (film.spec.height // 8 * 8, film.spec.width // 8 * 8), _rgb_enhancer()
    tile = min(TILE, size[0] // 2)
    plan = plan_tiles(model, None, size, 8, tile)
    assert plan is not None
    inputs, outputs = ({name: as_planes(film.zeros(1, 3, *size))} for name in ("frames", "frame"))
    tiles = DeviceTiles(film.operators, replace(plan, is_exact=is_exact), inputs, outputs)
    session = NoModels(film.device).open(model, Profile({"frames": (1, 3, *plan.tile)}), 1)
    return lambda: tiles.run(session, inputs, outputs)


def _motion(film: Film) -> Work:
    motion = DeviceMotion(film.operators, film.spec.height, film.spec.width, is_grainy=True)
    for picture in film.grey[:2]:
        motion.see(view(picture))
    return motion.find


def _align(film: Film) -> Work:
    past, future = find_model("film-restore", None).card.window
    height, width = film.spec.height // 2 * 2, film.spec.width // 2 * 2
    aligner = DeviceAligner(film.operators, past, future, height, width, has_chroma=True)
    lumas = [view(picture).corner(height, width) for picture in film.grey]
    chroma = view(film.zeros(2, height // 2, width // 2))
    count = past + 1 + future
    out = [[view(film.zeros(1, film.spec.height, film.spec.width)).corner(height, width), chroma] for _ in range(count)]
    pictures = cycle(lumas)
    for _ in range(count - 1):
        aligner.append(next(pictures))
    window = [[luma, view(film.zeros(2, height // 2, width // 2))] for luma in lumas[:count]]

    def work() -> None:
        aligner.append(next(pictures))
        aligner.write(window, out)

    return work


def _interpolate(film: Film) -> Work:
    model = find_model("film-interpolate", None)
    return _between(film, DeviceMotionField(film.operators, model, NoModels(film.device), film.spec), [0.5])


def _interpolate_middle(film: Film) -> Work:
    """Do the same with a model that knows but the middle, and makes pictures: three moments, one between the others."""
    card = card_of("interpolate", "gray", moments="middle", size_multiple=8)
    model = model_of(card, {"first": 1, "second": 1}, {"flow": 4, "mask": 1, "frame": 1})
    field = DeviceMotionField(film.operators, model, NoModels(film.device), film.spec, scale=1.0)
    return _between(film, field, [0.5, 0.25, 0.375])


def _between(film: Film, field: DeviceMotionField, moments: list[float]) -> Work:
    """Work of one pair: its new picture, and pictures of the moments."""
    pictures, motion = cycle(film.grey), as_planes(film.zeros(*field.shape))
    out = as_planes(film.zeros(*film.spec.pixels_shape))
    for _ in range(2 + field.look_ahead):
        field.see(as_planes(next(pictures)), is_even=True)

    def work() -> None:
        field.see(as_planes(next(pictures)), is_even=True)
        for moment in moments:
            field.find(moment, motion)
            field.write(as_planes(film.grey[0]), as_planes(film.grey[1]), motion, out)

    return work


def _colour_size() -> tuple[int, int]:
    size = find_model("film-colorize", None).card.working_size
    assert size is not None
    return size


def _colorize(film: Film) -> Work:
    """See a picture, and bring its ab to half size."""
    chroma = DeviceChroma(film.operators, film.spec, _colour_size(), 1.0, 0.0)
    ab = as_planes(film.zeros(1, 2, *_colour_size()))
    out = as_planes(film.zeros(2, *half_size(film.spec)))

    def work() -> None:
        chroma.see(as_planes(film.grey[0]))
        chroma.finish(ab, out)

    return work


def _upsample(film: Film) -> Work:
    half, (rows, columns) = half_size(film.spec), _colour_size()
    upsampler = DeviceGuidedUpsampler(film.operators, (rows, columns))
    luma, ab = view(film.zeros(1, rows, columns)), view(film.zeros(2, rows, columns))
    fine, out = view(film.zeros(1, *half)), view(film.zeros(2, *half))
    return lambda: upsampler.write(luma, ab, fine, out, gain=1.0, offset=NEUTRAL_AB)


def _steady(film: Film) -> Work:
    """Carry colour over from the picture before and from a reference, as within a shot that has one."""
    half, size = half_size(film.spec), motion_size(film.spec)
    steadiness = DeviceSteadiness(film.operators, size, half, 0.8)
    lumas = [view(film.zeros(1, *size)) for _ in film.grey]
    film.operators.prepare("resize_area")
    for picture, luma in zip(film.grey, lumas, strict=True):
        film.operators.resize("resize_area", view(picture), luma)
    ab, pictures = film.zeros(2, *half), cycle(lumas)
    steadiness.anchor(lumas[0], ab)
    for _ in range(2):
        steadiness.steady(next(pictures), ab)
    return lambda: steadiness.steady(next(pictures), ab)


def _blend(film: Film, reduction: int) -> Work:
    """Make a picture (reduction 1), or its chroma (2), of its neighbours and the motion between them."""
    height, width = (film.spec.height, film.spec.width) if reduction == 1 else half_size(film.spec)
    cell = 4
    grid = (-(-film.spec.height // cell), -(-film.spec.width // cell))
    first, second, out = (film.zeros(reduction, height, width) for _ in range(3))
    flow, mask = view(film.zeros(4, *grid)), film.zeros(1, *grid)
    film.operators.prepare("warp_blend")
    return lambda: film.operators.blend(first, second, flow, mask, view(out), cell=cell, reduction=reduction)


def _faces(film: Film) -> Work:
    """Restore one face."""
    model = model_of(card_of("face", "rgb"), {"face": 3}, {"restored": 3}, side=FACE_SIDE)
    spec = film.spec_of(PixelFormat.RGB)
    restorer = DeviceFaceRestorer(film.operators, model, NoModels(film.device), spec)
    picture, out = as_planes(film.coloured()[0]), as_planes(film.zeros(*spec.pixels_shape))
    side = FACE_SHARE * spec.height
    points = template(FACE_SIDE) * (side / FACE_SIDE) + np.array([spec.width / 2, spec.height / 2]) - side / 2

    def work() -> None:
        restorer.begin(picture, out)
        restorer.restore(picture, points, 1.0, out)

    return work


def _compare(film: Film) -> Work:
    """Put a coloured film beside the restoration, chroma too."""
    spec = film.spec_of(PixelFormat.LAB)
    width, half = spec.width, half_size(spec)
    layout = Layout(film_columns=width, line_columns=0, line=1.0, picture_from=width)
    chroma_layout = Layout(
        film_columns=width // 2, line_columns=0, line=NEUTRAL_AB, picture_from=width - (width + 1) // 2
    )
    comparison = DeviceComparison(film.operators, spec, layout, chroma_layout)
    original, picture = as_planes(film.coloured()[0]), as_planes(film.grey[0])
    chroma, out = as_planes(film.zeros(2, *half)), as_planes(film.zeros(1, spec.height, 2 * width))
    chroma_out = as_planes(film.zeros(2, half[0], width))

    def work() -> None:
        comparison.write(original, picture, out)
        comparison.write_chroma(original, chroma, chroma_out)

    return work


def _label(film: Film) -> Work:
    label = DeviceLabel(film.operators, film.spec.height, film.spec.width)
    picture, chroma = as_planes(film.grey[0]), as_planes(film.zeros(2, *half_size(film.spec)))
    return lambda: label.draw(picture, chroma)


def _counter(film: Film) -> Work:
    counter = DeviceCounter(film.operators, film.spec.height, film.spec.width)
    picture, chroma = as_planes(film.grey[0]), as_planes(film.zeros(2, *half_size(film.spec)))
    return lambda: counter.draw(picture, chroma, 123456, is_after=True)


def _enlarge(film: Film) -> Work:
    """Enlarge as a film is that is smaller than what a network or the inspection sees of it."""
    source = film.zeros(1, *half_size(film.spec))
    film.operators.prepare("resize_area_enlarge")
    out = view(film.zeros(*film.spec.pixels_shape))
    return lambda: film.operators.resize("resize_area_enlarge", view(source), out)


def _ignore(_: object) -> None:
    """Take what a method returns where nothing is to be returned."""


PARTS: Mapping[str, Callable[[Film], Work]] = {
    **{f"read {pix_fmt}": partial(_read, pix_fmt=pix_fmt) for pix_fmt in ("nv12", "p010le", "yuv420p", "rgb24")},
    **{
        f"write {pix_fmt} of {what}": partial(_write, pix_fmt=pix_fmt, format=format)
        for what, format in (("R'G'B'", PixelFormat.RGB), ("luma and ab", PixelFormat.LAB))
        for pix_fmt in ("nv12", "p010le", "yuv420p")
    },
    "hand out R'G'B' of luma and ab": _hand_out,
    "inspect": _inspect,
    "motion, both ways": _motion,
    "align a window": _align,
    "restore, grey": partial(_enhance_builtin, name="film-restore", format=PixelFormat.GRAY),
    "restore, R'G'B'": partial(_enhance_builtin, name="film-restore", format=PixelFormat.RGB),
    "restore to twice the size, R'G'B'": partial(_enhance_builtin, name="film-restore-x2", format=PixelFormat.RGB),
    "model of luma, R'G'B' film": _enhance_luma,
    "model of R'G'B', R'G'B' film": partial(_enhance_rgb, format=PixelFormat.RGB),
    "model of R'G'B', grey film": partial(_enhance_rgb, format=PixelFormat.GRAY),
    "tiles, put": partial(_tiles, is_exact=True),
    "tiles, faded": partial(_tiles, is_exact=False),
    "faces, one": _faces,
    "interpolate, one picture": _interpolate,
    "interpolate by halves, three pictures": _interpolate_middle,
    "make a picture of its neighbours": partial(_blend, reduction=1),
    "make chroma of its neighbours": partial(_blend, reduction=2),
    "colorize": _colorize,
    "upsample chroma": _upsample,
    "steady chroma, with a reference": _steady,
    "compare side by side": _compare,
    "label": _label,
    "counter": _counter,
    "enlarge by area": _enlarge,
}
"""Name → makes it ready on a film, and returns one frame's work. What is launched in all of them is all that the engine
launches (`tests/bench/gpu/test_kernels.py`). Models are not run."""
