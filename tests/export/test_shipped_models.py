"""The models that farshore ships: they say what they are, run at any size, stay within their work, and do their job."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from engine.damage import STRENGTHS, damage_clip
from engine.model import Model
from engine.quantized import check_loss
from engine.stages.align import Aligner
from engine.stages.given_motion import CELL, GivenMotion
from engine.stages.warp import Warper
from export.training.compute_cost import gigaflops

MODELS = Path(__file__).parents[2] / "engine" / "models"
ROLES = {
    "film-restore": "enhance",
    "film-restore-x2": "enhance",
    "film-interpolate": "interpolate",
    "film-colorize": "colorize",
}
MOST_GIGAFLOPS = {"film-restore": 10.0, "film-restore-x2": 10.0, "film-interpolate": 8.0, "film-colorize": 4.0}


@cache
def _session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(str(MODELS / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])


def _random_inputs(name: str, height: int, width: int, tokens: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {
        "luma": (1, 5, height, width) if name.startswith("film-restore") else (1, 1, height, width),
        "chroma": (1, 10, height // 2, width // 2),
        "strength": (1,),
        "first": (1, 1, height, width),
        "second": (1, 1, height, width),
        "timestep": (1,),
        "motion": (1, 8, height // 4, width // 4),
        "evidence": (1, 6, height // 4, width // 4),
        "reference_features": (1, 64, tokens),
        "reference_ab": (1, 2, tokens),
        "reference_valid": (1, tokens),
        "previous_luma": (1, 1, height, width),
        "previous_ab": (1, 2, height, width),
    }
    inputs = {value.name: rng.random(shapes[value.name], np.float32) for value in _session(name).get_inputs()}
    if "reference_valid" in inputs:
        inputs["reference_valid"][:] = 1
    return inputs


def _scene(count: int, height: int, width: int, step: tuple[float, float]) -> np.ndarray:
    """Draw a picture with edges and texture, and move it evenly: float32 (T, H, W)."""
    rng = np.random.default_rng(1)
    canvas = cv2.resize(rng.random((14, 20)).astype(np.float32), (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    canvas = 0.2 + 0.6 * np.clip(canvas, 0, 1)
    for _ in range(40):
        x, y = int(rng.integers(2 * width)), int(rng.integers(2 * height))
        cv2.circle(canvas, (x, y), int(rng.integers(5, 30)), float(rng.uniform(0.1, 0.9)), -1, cv2.LINE_AA)
    frames = []
    for k in range(count):
        matrix = np.array([[1, 0, -width / 2 + step[0] * k], [0, 1, -height / 2 + step[1] * k]])
        frames.append(cv2.warpAffine(canvas, matrix, (width, height), flags=cv2.INTER_CUBIC))
    return np.clip(np.stack(frames), 0, 1).astype(np.float32)


def _psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    return -10 * float(np.log10(np.mean((np.clip(found, 0, 1) - wanted) ** 2) + 1e-9))


@pytest.mark.parametrize("name", ROLES)
def test_it_says_what_it_is(name: str) -> None:
    model = Model.load(MODELS / f"{name}.onnx", role=ROLES[name])
    assert model.card.name == name
    assert model.card.precision == "fp32"
    assert model.card.training_data
    assert model.card.metrics


@pytest.mark.parametrize("name", ROLES)
def test_it_has_a_card_and_names_no_folder_of_the_machine_that_made_it(name: str) -> None:
    assert (MODELS / f"{name}.md").read_text().startswith(f"# {name}\n")
    content = (MODELS / f"{name}.onnx").read_bytes()
    assert str(Path(__file__).parents[3]).encode() not in content
    assert str(Path.home()).encode() not in content


def test_all_of_them_are_small() -> None:
    assert sum(path.stat().st_size for path in MODELS.glob("*.onnx")) < 40e6


@pytest.mark.parametrize("name", ROLES)
def test_its_8_bit_form_says_what_it_loses_and_loses_no_more(name: str) -> None:
    model = Model.load(MODELS / f"{name}-int8.onnx", role=ROLES[name])
    assert model.card.precision == "int8"
    check_loss(model, force=False)
    assert model.card.calibration is not None
    assert model.card.calibration["max_loss"] <= (0.3 if name == "film-colorize" else 0.1)
    graph = onnx.load(str(MODELS / f"{name}-int8.onnx")).graph
    read = {node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    assert len(read) > 8
    if name.startswith("film-restore"):
        worn = damage_clip(
            _scene(5, 240, 320, (2.0, 1.0)), STRENGTHS["medium"], np.random.default_rng(3), picture_height=480
        )
        whole, quantized = (_restored(worn.frames, 2, 1.0, each) for each in (name, f"{name}-int8"))
        assert _psnr(quantized, whole) > 48


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize(("height", "width"), [(64, 96), (160, 128)])
def test_it_runs_at_other_sizes(name: str, height: int, width: int) -> None:
    session = _session(name)
    outputs = dict(
        zip(
            (o.name for o in session.get_outputs()), session.run(None, _random_inputs(name, height, width)), strict=True
        )
    )
    scale = 2 if name.endswith("x2") else 1
    wanted = {
        "luma_out": (1, 1, scale * height, scale * width),
        "chroma_out": (1, 2, scale * height // 2, scale * width // 2),
        "flow": (1, 4, height // 4, width // 4),
        "mask": (1, 1, height // 4, width // 4),
        "ab": (1, 2, height, width),
        "confidence": (1, 1, height, width),
        "features": (1, 64, height // 8, width // 8),
        "next_luma": (1, 1, height, width),
        "next_ab": (1, 2, height, width),
    }
    for output, value in outputs.items():
        assert value.shape == wanted[output]
        assert np.isfinite(value).all()


@pytest.mark.parametrize("name", ROLES)
def test_its_work_stays_within_what_two_cores_can_do(name: str) -> None:
    height, width = (128, 160) if name == "film-colorize" else (480, 640)
    path = MODELS / f"{name}.onnx"
    work = gigaflops(path, _random_inputs(name, height, width, tokens=height * width // 64))
    assert 0.5 < work <= MOST_GIGAFLOPS[name]


@pytest.mark.parametrize("name", ROLES)
def test_it_has_no_operator_that_tensorrt_refuses(name: str) -> None:
    model = onnx.load(str(MODELS / f"{name}.onnx"))
    used = {node.op_type for node in model.graph.node}
    assert not used & {"DeformConv", "DFT", "NonZero", "MatMulInteger", "QLinearConv", "Loop", "If", "Scan"}
    assert not {node.domain for node in model.graph.node} - {"", "ai.onnx"}


def _aligned(window: np.ndarray) -> np.ndarray:
    """Bring a window's neighbours along the motion, as the runtime does."""
    aligner, out = Aligner(2, 2, *window.shape[1:]), np.empty_like(window)
    for luma in window:
        aligner.append(luma)
    aligner.write([[luma] for luma in window], [[luma] for luma in out])
    return out


def _restored(frames: np.ndarray, index: int, strength: float, name: str = "film-restore") -> np.ndarray:
    height, width = frames.shape[1:]
    inputs = {
        "luma": _aligned(np.ascontiguousarray(frames[index - 2 : index + 3], np.float32))[None],
        "chroma": np.full((1, 10, height // 2, width // 2), 0.5, np.float32),
        "strength": np.float32([strength]),
    }
    return _session(name).run(["luma_out"], inputs)[0][0, 0]


@pytest.mark.parametrize("step", [(0.7, 0.3), (6.0, -2.5)])
@pytest.mark.parametrize("strength", ["medium", "heavy"])
def test_restore_brings_damaged_film_nearer_to_the_truth_also_in_motion(
    strength: str, step: tuple[float, float]
) -> None:
    worn = damage_clip(_scene(9, 240, 320, step), STRENGTHS[strength], np.random.default_rng(3), picture_height=480)
    gains = [
        _psnr(_restored(worn.frames, k, 1.0), worn.target[k]) - _psnr(worn.frames[k], worn.target[k]) for k in (2, 4, 6)
    ]
    assert np.mean(gains) > 3.0


def test_restore_leaves_clean_film_and_strength_zero_alone() -> None:
    clean = _scene(5, 240, 320, (0.7, 0.3))
    assert _psnr(_restored(clean, 2, 1.0), clean[2]) > 36
    assert np.array_equal(_restored(clean, 2, 0.0), clean[2])


def test_x2_is_no_worse_than_bilinear_doubling() -> None:
    truth = _scene(5, 256, 320, (1.4, 0.6))
    small = np.stack([cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in truth])
    doubled = _restored(small, 2, 1.0, "film-restore-x2")
    plain = cv2.resize(small[2], None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    assert _psnr(doubled, truth[2]) > _psnr(plain, truth[2]) - 0.1


def _between(frames: Sequence[np.ndarray | None], timestep: float) -> np.ndarray:
    """Make the frame between the middle two of four as the runtime does; the outer ones may be missing."""
    _, first, second, after = frames
    assert first is not None
    assert second is not None
    given = GivenMotion(*first.shape)
    for frame in frames:
        if frame is not None:
            given.append(frame)
    if after is None:
        given.finish()
    given.aim(timestep)
    inputs = {"first": first[None, None], "second": second[None, None], "timestep": np.float32([timestep])}
    inputs |= {"motion": given.motion, "evidence": given.evidence}
    flow, mask = _session("film-interpolate").run(["flow", "mask"], inputs)
    warper, made = Warper(*first.shape), np.empty_like(first)
    warper.aim(flow[0], mask[0], CELL)
    warper.blend(first, second, made)
    return made


@pytest.mark.parametrize("timestep", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("pixels", [4, 10])
def test_interpolate_follows_motion(pixels: int, timestep: float) -> None:
    frames = _scene(5, 256, 320, (pixels / 4, pixels / 8))
    first, second, truth = frames[0], frames[4], frames[round(4 * timestep)]
    blended = (1 - timestep) * first + timestep * second
    assert _psnr(_between((None, first, second, None), timestep), truth) > _psnr(blended, truth) + 1.0


def test_interpolate_follows_what_speeds_up_by_the_frames_around() -> None:
    picture = _scene(1, 256, 400, (0, 0))[0]
    places = [2.0 * t * t + 6.0 * t for t in (-1.0, 0.0, 0.5, 1.0, 2.0)]  # 4 pixels faster from frame to frame
    before, first, truth, second, after = (
        cv2.warpAffine(picture, np.array([[1, 0, -40 - x], [0, 1, 0]]), (320, 256), flags=cv2.INTER_CUBIC)
        for x in places
    )
    inner = np.s_[16:-16, 24:-24]
    alone = _psnr(_between((None, first, second, None), 0.5)[inner], truth[inner])
    one_side = _psnr(_between((before, first, second, None), 0.5)[inner], truth[inner])
    both = _psnr(_between((before, first, second, after), 0.5)[inner], truth[inner])
    assert one_side > alone + 1.0
    assert both > alone + 2.0


def test_interpolate_leaves_a_still_picture_alone() -> None:
    still = _scene(1, 256, 320, (0, 0))[0]
    assert _psnr(_between((still, still, still, still), 0.5), still) > 60


def _colour_scene() -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene of grey values that belong to colours: luma (1, 1, h, w) and ab (1, 2, h, w)."""
    levels = cv2.resize(
        np.random.default_rng(2).random((5, 7)).astype(np.float32), (192, 128), interpolation=cv2.INTER_CUBIC
    )
    levels = np.clip(levels, 0, 1)
    ab = np.stack([0.4 * np.cos(3 * levels), 0.4 * np.sin(3 * levels)]).astype(np.float32)
    return (0.2 + 0.6 * levels)[None, None], ab[None]


def _coloured(luma: np.ndarray, tokens: np.ndarray, colours: np.ndarray, valid: float) -> list[np.ndarray]:
    inputs = {
        "luma": luma,
        "reference_features": tokens,
        "reference_ab": colours,
        "reference_valid": np.full((1, tokens.shape[2]), valid, np.float32),
        "previous_luma": np.zeros_like(luma),
        "previous_ab": np.zeros((1, 2, *luma.shape[2:]), np.float32),
    }
    return _session("film-colorize").run(["ab", "confidence", "features"], inputs)


def test_colorize_follows_a_reference_of_the_same_scene() -> None:
    luma, ab = _colour_scene()
    none = np.zeros((1, 64, 1), np.float32), np.zeros((1, 2, 1), np.float32)
    automatic, confidence, features = _coloured(luma, *none, 0.0)
    assert not confidence.any()
    small = ab.reshape(1, 2, 16, 8, 24, 8).mean((3, 5)).reshape(1, 2, -1).astype(np.float32)
    led, confidence, _ = _coloured(luma, features.reshape(1, 64, -1), small, 1.0)
    assert np.abs(led - ab).mean() < 0.6 * np.abs(automatic - ab).mean()
    assert np.abs(led - ab).mean() < 0.6 * np.abs(ab).mean()
    assert confidence.mean() > 0.3
