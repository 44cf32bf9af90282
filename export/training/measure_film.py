"""Measure grain, flicker, weave and dust of real film, so that `engine.damage` imitates what is there.

``python -m export.training.measure_film FILE [FILE ...] [--json OUT]``

How: neighbouring frames are registered by phase correlation and levelled to each other; what is left where nothing
moves is grain (robust spread by brightness, autocorrelation over distance); what differs from both neighbours, in the
same direction, while these agree, is dust; the frame means' and the shifts' deviation from their own running median
are flicker and weave.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from export.training.footage import read_luma

BINS = np.linspace(0.0, 1.0, 9)
DUST_THRESHOLD = 0.08


def measure(frames: np.ndarray) -> dict[str, object]:
    """Measure one shot.

    Parameters
    ----------
    frames : uint8 (T, H, W), luma, at least 3 frames

    Returns
    -------
    dict with grain_std (by brightness), grain_correlation (at 1, 2, 3 and 4 pixels), flicker_std (of the logarithm of
    frame means), local_flicker_std, weave_std (pixels, x and y), dust_area (share of a frame), dust_per_frame,
    dust_median_area (pixels), repeated (share of frames equal to the one before)
    """
    luma = frames.astype(np.float32) / 255.0
    repeated = np.array(
        [False] + [bool(np.abs(a - b).mean() < 0.002) for a, b in zip(luma[1:], luma[:-1], strict=True)]
    )
    luma = luma[~repeated]
    shifts = _shifts(luma)
    levels = np.log(luma.mean(axis=(1, 2)) + 1e-3)
    local = np.log(np.stack([cv2.resize(f, (6, 4), interpolation=cv2.INTER_AREA) for f in luma]) + 1e-2)
    path = np.cumsum(shifts, axis=0)
    grain, correlation, dust = _residues(luma, shifts)
    return {
        "frames": len(luma),
        "repeated": round(float(repeated.mean()), 3),
        "grain_std": {f"{low:.2f}": std for low, std in grain.items()},
        "grain_correlation": correlation,
        "flicker_std": round(_spread(levels), 4),
        "local_flicker_std": round(float(np.median([_spread(s) for s in local.reshape(len(luma), -1).T])), 4),
        "weave_std": [round(_spread(path[:, axis]), 3) for axis in (0, 1)],
        **dust,
    }


def _spread(series: np.ndarray) -> float:
    """Robust standard deviation of what a series does against its own median of 5."""
    padded = np.pad(series, 2, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=-1)
    return float(np.sqrt(np.mean(np.clip(np.abs(series - middle), 0, None) ** 2)))


def _shifts(luma: np.ndarray) -> np.ndarray:
    """Motion of every frame against the one before, (T, 2) x and y, the first zero."""
    window = cv2.createHanningWindow(luma.shape[:0:-1], cv2.CV_32F)
    smooth = [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in luma]
    found = [cv2.phaseCorrelate(a, b, window)[0] for a, b in zip(smooth[:-1], smooth[1:], strict=True)]
    return np.array([(0.0, 0.0), *found])


def _register(frame: np.ndarray, to: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Move a frame by a shift and level it to another, blockwise, so that only local differences stay."""
    moved = cv2.warpAffine(
        frame, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), frame.shape[::-1], borderMode=cv2.BORDER_REPLICATE
    )
    return moved + cv2.GaussianBlur(to - moved, (0, 0), 12)


def _residues(luma: np.ndarray, shifts: np.ndarray) -> tuple[dict[float, float], list[float], dict[str, float]]:
    by_brightness: dict[float, list[float]] = {float(low): [] for low in BINS[:-1]}
    correlations, areas, counts, sizes = [], [], [], []
    for index in range(1, len(luma) - 1):
        now = luma[index]
        before = _register(luma[index - 1], now, shifts[index])
        after = _register(luma[index + 1], now, -shifts[index + 1])
        still = cv2.blur(np.abs(cv2.blur(before - after, (5, 5))), (15, 15)) < 0.012
        flat = cv2.blur(np.abs(cv2.Laplacian(cv2.GaussianBlur(now, (0, 0), 2), cv2.CV_32F)), (9, 9)) < 0.01
        calm = still & flat
        noise = (now - before) / np.sqrt(2)
        brightness = cv2.GaussianBlur(now, (0, 0), 3)
        for low, high in zip(BINS[:-1], BINS[1:], strict=True):
            chosen = noise[calm & (brightness >= low) & (brightness < high)]
            if chosen.size > 2000:
                by_brightness[float(low)].append(1.4826 * float(np.median(np.abs(chosen - np.median(chosen)))))
        quiet = np.where(calm & (np.abs(noise) < 0.08), noise, 0)
        power = float((quiet * quiet).mean()) + 1e-9
        correlations.append([float((quiet[:, k:] * quiet[:, :-k]).mean()) / power for k in (1, 2, 3, 4)])
        down, up = now - before, now - after
        spike = np.where(down * up > 0, np.minimum(np.abs(down), np.abs(up)), 0)
        dust = (spike > DUST_THRESHOLD) & (np.abs(before - after) < 0.04) & still
        dust = cv2.morphologyEx(dust.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(dust)
        kept = [int(s) for s in stats[1:count, cv2.CC_STAT_AREA] if s >= 6]
        areas.append(sum(kept) / max(1, int(still.sum())))
        counts.append(len(kept) * now.size / max(1, int(still.sum())))
        sizes += kept
    grain = {low: round(float(np.median(stds)), 4) for low, stds in by_brightness.items() if stds}
    correlation = [round(float(c), 3) for c in np.median(correlations, axis=0)]
    dust_figures = {
        "dust_area": round(float(np.mean(areas)), 5),
        "dust_per_frame": round(float(np.mean(counts)), 1),
        "dust_median_area": float(np.median(sizes)) if sizes else 0.0,
        "dust_p95_area": float(np.percentile(sizes, 95)) if sizes else 0.0,
    }
    return grain, correlation, dust_figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the named films and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("films", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    found = {film.name: measure(read_luma(film)) for film in options.films}
    text = json.dumps(found, indent=1)
    if options.json:
        options.json.write_text(text)
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
