"""What the viewer's kernels draw is what the processor's stages draw."""

import cv2
import numpy as np
import pytest

from engine.pool import BufferPool
from engine.settings import OutputSettings
from engine.stages.compare import DIVIDER, Compare
from engine.stages.counter import Counter, counter_drawing
from engine.stages.label import Label, label_drawing
from engine.stages.lettering import BLACK, OPACITY, WHITE, Lettering
from engine.stages.lightness import NEUTRAL_AB
from engine.types import PixelFormat
from kernels.case import Array
from kernels.catalogue import catalogue
from kernels.reference.viewer import Drawing, compare, draw_counter, draw_label
from tests.kernels.conftest import HostBuild
from tests.kernels.surface_formats import scene
from tests.support.chain import Source, film_spec, run_stage

HEIGHT, WIDTH = 54, 71


def compared(mode: str, format: PixelFormat, film: np.ndarray) -> tuple[Array, Array, Array | None, Array | None]:
    """Return pixels and chroma of a frame, restored and as the processor's stage compares it with the film."""
    spec = film_spec(WIDTH, HEIGHT, format=format)
    stage = Compare(OutputSettings(compare=mode))
    stage.open(spec)
    frame = Source(spec).frame(0.5, 0)
    frame.pixels[:] = restored = scene(20, spec.pixels_shape)
    lease = BufferPool(film.shape).lease()
    lease.array[:] = film
    frame.original, frame.original_leases = lease.array, (lease,)
    chroma = None
    if spec.chroma_shape is not None:
        chroma = scene(21, spec.chroma_shape)
        lease = BufferPool(spec.chroma_shape).lease()
        lease.array[:] = chroma
        frame.chroma, frame.leases = lease.array, (*frame.leases, lease)
    (made,) = run_stage(stage, [frame])
    return restored, made.pixels, chroma, made.chroma


@pytest.mark.parametrize("mode", ["wipe", "side"])
@pytest.mark.parametrize(
    ("format", "film_planes"),
    [(PixelFormat.GRAY, 1), (PixelFormat.RGB, 3), (PixelFormat.RGB, 1), (PixelFormat.LAB, 1)],
)
def test_the_film_stands_beside_its_restoration_as_on_the_processor(mode, format, film_planes):
    film = scene(22, (film_planes, HEIGHT, WIDTH)) * 1.2 - 0.1
    restored, pixels, chroma, made_chroma = compared(mode, format, film)
    columns = WIDTH if mode == "side" else WIDTH // 4 * 2
    divider = 0 if mode == "side" else DIVIDER
    place = WIDTH if mode == "side" else 0
    made = compare(
        film,
        restored,
        width=pixels.shape[2],
        film_columns=columns,
        line_columns=divider,
        line=1.0,
        picture_from=place,
    )
    np.testing.assert_array_equal(made, pixels)
    if chroma is not None and made_chroma is not None:
        made = compare(
            np.full((1, 1, WIDTH), NEUTRAL_AB, np.float32),
            chroma,
            width=made_chroma.shape[2],
            film_columns=columns // 2,
            line_columns=divider // 2,
            line=NEUTRAL_AB,
            picture_from=made_chroma.shape[2] - chroma.shape[2],
        )
        np.testing.assert_array_equal(made, made_chroma)


def drawings(lettering: Lettering, top: int, left: int) -> tuple[Drawing, Drawing]:
    """Return what the kernels draw of a lettering, over a picture and over its half-size chroma."""
    masks = {"letters": lettering.letters, "shade": lettering.shade, "opacity": OPACITY}
    return (
        Drawing(**masks, ink=WHITE, plate=BLACK, left=left, top=top),
        Drawing(**masks, ink=NEUTRAL_AB, plate=NEUTRAL_AB, left=left // 2, top=top // 2, step=2),
    )


def scenes(size: tuple[int, int]) -> tuple[Array, Array]:
    """Return a picture and half-size chroma."""
    return scene(23, (3, *size)), scene(24, (2, -(-size[0] // 2), -(-size[1] // 2)))


@pytest.mark.parametrize("size", [(240, 320), (51, 71)])
def test_a_label_is_drawn_as_on_the_processor(size):
    label, drawing = Label(*size), label_drawing(*size)
    picture, chroma = scenes(size)
    full, half = drawings(drawing.lettering, drawing.top, drawing.left)
    made, made_chroma = draw_label(picture, full), draw_label(chroma, half)
    label.draw(picture, chroma)
    np.testing.assert_allclose(made, picture, rtol=0, atol=1e-6)
    np.testing.assert_allclose(made_chroma, chroma, rtol=0, atol=1e-6)


@pytest.mark.parametrize("is_after", [False, True], ids=["of the film", "made between"])
@pytest.mark.parametrize(("number", "cells"), [(0, 6), (1907, 6), (1234567, 7)])
@pytest.mark.parametrize("size", [(240, 320), (51, 71), (5, 9), (1, 1)])
def test_a_frame_number_is_drawn_as_on_the_processor(size, number, cells, is_after):
    drawing = counter_drawing(*size)
    atlas = Lettering(
        letters=np.hstack([digit.letters for digit in drawing.digits]),
        shade=np.hstack([digit.shade for digit in drawing.digits]),
    )
    picture, chroma = before = scenes(size)
    expected = [
        draw_counter(planes, digits, number, cells)
        for planes, digits in zip(before, drawings(atlas, drawing.margin, drawing.margin), strict=True)
    ]
    if is_after:
        marks = drawings(drawing.mark, drawing.margin, drawing.margin + cells * drawing.columns)
        expected = [draw_label(planes, mark) for planes, mark in zip(expected, marks, strict=True)]
    plain = picture.copy()
    Counter(*size).draw(picture, chroma, number, is_after=is_after)
    np.testing.assert_allclose(picture, expected[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(chroma, expected[1], rtol=0, atol=1e-6)
    assert np.abs(picture - plain).max() > 0.05


def test_a_counter_shows_the_number_that_a_word_of_its_digits_shows(host_kernels: HostBuild):
    """The kernel with digits from an atlas, against the same digits drawn as one word."""
    columns, rows, text = 12, 20, "01907"
    atlas = np.zeros((rows, 10 * columns), np.float32)
    for digit in range(10):
        cell = np.zeros((rows, columns), np.uint8)
        cv2.putText(cell, str(digit), (1, rows - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
        atlas[:, digit * columns : (digit + 1) * columns] = cell / np.float32(255)
    word = np.hstack([atlas[:, int(digit) * columns : (int(digit) + 1) * columns] for digit in text])
    picture = scene(25, (1, 40, 90))
    plate = np.ones_like(atlas)
    kernel = catalogue()["draw_counter"]
    arguments = {
        "letters": atlas,
        "shade": plate,
        "picture": picture.copy(),
        "width": 90,
        "height": 40,
        "planes": 1,
        "left": 20,
        "top": 10,
        "step": 1,
        "number": int(text),
        "cells": 5,
        "glyph_columns": columns,
        "rows": rows,
        "mask_pitch": 10 * columns,
        "ink": 1.0,
        "plate": 0.0,
        "opacity": 0.5,
        "pitch": 90,
        "plane": 90 * 40,
    }
    values = [arguments[parameter.name] for parameter in kernel.parameters]
    host_kernels("viewer", "float32").launch(kernel, (5 * columns, rows, 1), values)
    drawing = Drawing(letters=word, shade=np.ones_like(word), ink=1.0, plate=0.0, opacity=0.5, left=20, top=10)
    np.testing.assert_allclose(arguments["picture"], draw_label(picture, drawing), rtol=0, atol=1e-6)
    drawing = Drawing(letters=atlas, shade=plate, ink=1.0, plate=0.0, opacity=0.5, left=20, top=10)
    np.testing.assert_array_equal(draw_counter(picture, drawing, 1901907, 5), draw_counter(picture, drawing, 1907, 5))
