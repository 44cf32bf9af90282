"""`farshore restore` with enhancers that are not built in: dropped in by role, reduced, in tiles."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.media.probe import probe
from tests.engine.cli.conftest import Outcome
from tests.support.upscalers import own_metadata, stack_upscaler

Command = Callable[..., Outcome]
FAST = ("--threads", "1", "--colorize", "never")


@pytest.mark.parametrize(
    ("scale", "channels", "multiple", "backend"),
    [(2, 3, 1, "onnxruntime"), (4, 3, 1, "onnxruntime"), (2, 1, 8, "onnxruntime"), (4, 3, 1, "null")],
)
def test_an_outsiders_upscaler_is_dropped_in_by_role(
    farshore: Command, small_film: Path, tmp_path: Path, scale: int, channels: int, multiple: int, backend: str
) -> None:
    model = stack_upscaler(tmp_path / "upscaler.onnx", scale=scale, channels=channels, multiple=multiple)
    target = tmp_path / "out.mkv"
    outcome = farshore("restore", small_film, target, *FAST, "--enhance-model", model, "--backend", backend)
    assert outcome.code == 0, outcome.err
    assert (probe(target).video.width, probe(target).video.height) == (96 * scale, 64 * scale)
    sizes = f"sizes in multiples of {multiple}" if multiple > 1 else "any size"
    assert f"model upscaler: assumed scale {scale} and {sizes} (a trial run)" in outcome.err


def test_the_largest_pictures_pass_every_stage(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    model = stack_upscaler(tmp_path / "upscaler.onnx", scale=4)
    target = tmp_path / "out.mkv"
    outcome = farshore(
        "restore", small_film, target, "--threads", "1", "--backend", "null", "--enhance-model", model,
        "--upscale", "3", "--tile", "32", "--interpolate", "2x", "--colorize", "always", "--compare", "side", "--label",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    video = probe(target).video
    assert (video.width, video.height, video.rate) == (2 * 3 * 96, 3 * 64, 48)


def test_a_factor_without_a_model_for_it_names_some(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    outcome = farshore("restore", small_film, tmp_path / "out.mkv", *FAST, "--upscale", "3")
    assert outcome.code == 2
    assert "upscale: got 3; the built-in models enlarge by 1 or 2" in outcome.err
    assert "realesr-general-x4v3" in outcome.err
    assert "farshore models fetch" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_enlarges_too_little_is_refused(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    model = stack_upscaler(tmp_path / "m.onnx", scale=2, metadata=own_metadata(scale=2))
    outcome = farshore("restore", small_film, tmp_path / "out.mkv", *FAST, "--upscale", "4", "--enhance-model", model)
    assert outcome.code == 2
    assert "upscale: got 4; model tiny enlarges by 2" in outcome.err
