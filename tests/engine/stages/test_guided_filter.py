import cv2
import numpy as np

from engine.stages.guided_filter import GuidedUpsampler


def test_colour_ends_where_luma_ends() -> None:
    fine_luma = np.full((96, 128), 0.3, np.float32)
    fine_luma[:, 61:] = 0.7
    truth = np.where(fine_luma > 0.5, 0.4, -0.2).astype(np.float32)
    coarse_luma = cv2.resize(fine_luma, (64, 48), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(cv2.resize(truth, (64, 48), interpolation=cv2.INTER_AREA), (0, 0), 2.0)
    upsampler, out = GuidedUpsampler((48, 64), (96, 128)), np.empty((96, 128), np.float32)
    upsampler.guide(coarse_luma)
    upsampler.write(blurred, fine_luma, out)
    plain = cv2.resize(blurred, (128, 96))
    assert np.abs(out - truth).mean() < 0.85 * np.abs(plain - truth).mean()


def test_flat_colour_stays_flat_over_grain() -> None:
    luma = np.random.default_rng(1).random((48, 64), np.float32)
    upsampler, out = GuidedUpsampler((48, 64), (48, 64)), np.empty((48, 64), np.float32)
    upsampler.guide(luma)
    upsampler.write(np.full((48, 64), 0.25, np.float32), luma, out)
    np.testing.assert_allclose(out, 0.25, atol=1e-4)
