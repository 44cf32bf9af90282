"""Chroma is brought to a finer size as the processor's chain does."""

import cv2
import numpy as np
import pytest

from engine.stages.guided_filter import EPSILON, RADIUS, GuidedUpsampler
from kernels.reference import guided
from kernels.reference.guided import box_across, box_down, guide_across, guide_down, guided_chroma
from tests.kernels.surface_formats import scene


@pytest.mark.parametrize(("coarse", "fine"), [((64, 84), (150, 201)), ((64, 84), (64, 84)), ((64, 84), (40, 51))])
def test_chroma_along_lumas_edges_is_the_processors(coarse, fine):
    luma, ab, fine_luma = scene(1, (1, *coarse)), scene(2, (2, *coarse)) * 2 - 1, scene(1, (1, *fine))
    upsampler, wanted = GuidedUpsampler(coarse, fine), np.empty((2, *fine), np.float32)
    upsampler.guide(luma[0])
    for chroma, out in zip(ab, wanted, strict=True):
        upsampler.write(np.ascontiguousarray(chroma), fine_luma[0], out)
    gain, offset = 110 / 255, 128 / 255
    made = guided_chroma(box_down(box_across(guide_down(guide_across(luma, ab)))), fine_luma, gain, offset)
    assert np.abs(made - np.clip(wanted * gain + offset, 0, 1)).max() <= 1e-5
    assert (guided.RADIUS, guided.EPSILON) == (RADIUS, EPSILON)


def test_colours_edges_lie_where_lumas_do():
    fine = np.full((1, 80, 96), 0.2, np.float32)
    fine[:, :, 48:] = 0.8
    coarse = cv2.resize(fine[0], (24, 20), interpolation=cv2.INTER_AREA)[None]
    ab = np.where(cv2.GaussianBlur(coarse[0], (0, 0), 2.0) > 0.5, 0.5, -0.5)[None].repeat(2, 0).astype(np.float32)
    ab = np.stack([cv2.GaussianBlur(plane, (0, 0), 1.0) for plane in ab])
    made = guided_chroma(box_down(box_across(guide_down(guide_across(coarse, ab)))), fine, 0.5, 0.5)[0]
    step = np.abs(made[:, 47] - made[:, 48])
    assert step.min() > 3 * np.abs(np.diff(made, axis=1))[:, :44].max()
