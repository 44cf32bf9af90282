"""Models are given, and pictures made of what they return, what the processor's chain gives and makes."""

from dataclasses import replace

import numpy as np
import pytest

from engine.stages.luma import COEFFICIENTS
from engine.stages.luma_tensors import LumaTensors
from engine.stages.rgb_tensors import RgbTensors
from engine.types import PixelFormat
from kernels.catalogue import catalogue
from kernels.reference import tensors as ours
from kernels.reference.resize import resize_area, resize_bicubic
from tests.kernels.conftest import HostBuild
from tests.kernels.surface_formats import scene
from tests.support.chain import film_spec
from tests.support.tiny_models import chroma_doubler, mean_enhancer, rgb_enhancer, shift_enhancer

HEIGHT, WIDTH, BLEND = 51, 75, 0.7


def test_a_coloured_film_meets_a_model_of_luma_as_on_the_processor(tmp_path):
    model = shift_enhancer(tmp_path, luma=0.1, chroma=0.1, multiple=8)
    spec = film_spec(WIDTH, HEIGHT, format=PixelFormat.RGB)
    k, film, wanted = (
        COEFFICIENTS[spec.color.matrix],
        scene(1, (3, HEIGHT, WIDTH)),
        np.empty((3, HEIGHT, WIDTH), np.float32),
    )
    tensors = LumaTensors(model, spec, BLEND, upscale=None, multiple=8)
    tensors.append(film)
    tensors.aim()
    size = tensors.picture_size
    assert size == (56, 80)
    assert np.abs(ours.tensor_fill_luma(film, size, k.kr, k.kb) - tensors.inputs["luma"][0]).max() <= 1e-6
    chroma = ours.tensor_fill_chroma(film, (28, 40), k.kr, k.kb)
    assert np.abs(chroma - tensors.inputs["chroma"][0]).max() <= 1e-6
    luma_out, chroma_out = scene(2, (1, *size)), scene(3, (2, 28, 40))
    tensors.outputs["luma_out"][0], tensors.outputs["chroma_out"][0] = luma_out, chroma_out
    tensors.finish(film, wanted)
    change = ours.chroma_change(chroma_out[:, :26, :38], film, k.kr, k.kb, 1.0, 0.0, BLEND)
    made = ours.tensor_add_ycbcr(luma_out[:, :HEIGHT, :WIDTH], change, film, k.kr, k.kb, 1.0, 0.0, BLEND)
    assert np.abs(made - wanted).max() <= 1e-6


def test_what_a_model_of_luma_enlarges_is_put_together_as_on_the_processor(tmp_path):
    spec = film_spec(WIDTH, HEIGHT, format=PixelFormat.RGB)
    tensors = LumaTensors(chroma_doubler(tmp_path), spec, BLEND, upscale=2, multiple=2)
    film, wanted = scene(1, (3, HEIGHT, WIDTH)), np.empty((3, 2 * HEIGHT, 2 * WIDTH), np.float32)
    k = COEFFICIENTS[spec.color.matrix]
    luma_out, chroma_out = (scene(2, array.shape[1:]) for array in tensors.outputs.values())
    for made, array in zip((luma_out, chroma_out), tensors.outputs.values(), strict=True):
        array[0] = made
    tensors.finish(film, wanted)
    large = resize_bicubic(film, 2 * HEIGHT, 2 * WIDTH)
    change = ours.chroma_change(chroma_out[:, :HEIGHT, :WIDTH], large, k.kr, k.kb, 1.0, 0.0, BLEND)
    made = ours.tensor_add_ycbcr(luma_out[:, : 2 * HEIGHT, : 2 * WIDTH], change, large, k.kr, k.kb, 1.0, 0.0, BLEND)
    assert np.abs(made - wanted).max() <= 2e-6


@pytest.mark.parametrize("upscale", [2, 1])
@pytest.mark.parametrize("kind", [PixelFormat.RGB, PixelFormat.GRAY])
def test_films_meet_a_model_of_colour_as_on_the_processor(tmp_path, kind, upscale):
    model = rgb_enhancer(tmp_path, value_range="-1,1")
    model = replace(model, card=replace(model.card, scale=2))
    spec = film_spec(WIDTH, HEIGHT, format=kind)
    film, k = scene(1, spec.pixels_shape), COEFFICIENTS[spec.color.matrix]
    tensors = RgbTensors(model, spec, BLEND, upscale=upscale, multiple=8)
    tensors.append(film)
    tensors.aim()
    order = [0, 1, 2] if kind is PixelFormat.RGB else [0, 0, 0]
    assert np.abs(ours.tensor_fill(film, (56, 80), order, 2.0, -1.0) - tensors.inputs["frames"][0]).max() <= 1e-6
    out, wanted = (
        scene(2, (3, 112, 160)) * 2.2 - 1.1,
        np.empty((len(film), HEIGHT * upscale, WIDTH * upscale), np.float32),
    )
    tensors.outputs["frame"][0] = out
    tensors.finish(film, wanted)
    made, base = out[:, : 2 * HEIGHT, : 2 * WIDTH], resize_bicubic(film, HEIGHT * upscale, WIDTH * upscale)
    if kind is PixelFormat.GRAY:
        made = ours.luma_of(made, k.kr, k.kb)
    if upscale == 1:
        made = resize_area(made, HEIGHT, WIDTH)
    assert np.abs(ours.tensor_take(made, base, 0.5, 0.5, BLEND) - wanted).max() <= 2e-6


def test_a_coloured_film_meets_a_model_of_luma_alone_as_on_the_processor(tmp_path):
    spec = film_spec(WIDTH, HEIGHT, format=PixelFormat.RGB)
    k, film = COEFFICIENTS[spec.color.matrix], scene(1, (3, HEIGHT, WIDTH))
    tensors = LumaTensors(mean_enhancer(tmp_path), spec, BLEND, upscale=None, multiple=4)
    (out,), wanted = tensors.outputs.values(), np.empty((3, HEIGHT, WIDTH), np.float32)
    out[0] = scene(2, out.shape[1:])
    made = ours.tensor_add_luma(out[0, :, :HEIGHT, :WIDTH].copy(), film, k.kr, k.kb, 1.0, 0.0, BLEND)
    tensors.finish(film, wanted)
    assert np.abs(made - wanted).max() <= 1e-6


def test_numbers_too_large_for_half_precision_become_infinite(host_kernels: HostBuild):
    numbers = np.array([7e4, -1e30, np.nan, 65504], np.float32)
    out = np.zeros(4, np.float16)
    host_kernels("tensors", "float16").launch(catalogue()["floats_to_reals"], (4, 1, 1), [numbers, out, 4])
    assert out.tolist()[:2] == [np.inf, -np.inf]
    assert np.isnan(out[2])
    assert out[3] == 65504
