"""Each recipe runs a few steps on material drawn here, and an interrupted run ends where a whole one does."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="recipes need the export extra: pip install 'farshore[export]'")

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from export.training.colorize import ColorizeRecipe  # noqa: E402
from export.training.footage import is_held_out, load_footage  # noqa: E402
from export.training.interpolate import InterpolateRecipe  # noqa: E402
from export.training.loop import RunSettings, learning_rate, train  # noqa: E402
from export.training.pool import Pool  # noqa: E402
from export.training.restore import RestoreRecipe, Worn, walk  # noqa: E402


def _picture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


def _name(kind: str, wanted: bool, number: int, suffix: str) -> str:
    """Return a name that is held out, or is not."""
    names = (f"{kind}-{number}-{trial}{suffix}" for trial in range(1000))
    return next(name for name in names if is_held_out(name, kind) == wanted)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "photos").mkdir()
    (folder / "clips").mkdir()
    for number, wanted in enumerate((False, False, True)):
        cv2.imwrite(str(folder / "photos" / _name("photo", wanted, number, ".png")), _picture(number))
    for number, wanted in enumerate((False, True)):
        scene = _picture(10 + number, 140, 200)
        with av.open(str(folder / "clips" / _name("clip", wanted, number, ".mp4")), "w") as container:
            stream = container.add_stream("libx264", rate=24)
            stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
            for k in range(12):
                frame = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(scene[k : k + 120, 2 * k : 2 * k + 160]), "rgb24"
                )
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return folder


RECIPES = {
    "restore": lambda data: RestoreRecipe(data, seed=1, batch=2, blocks=1, crop=64),
    "restore-x2": lambda data: RestoreRecipe(data, seed=1, batch=1, blocks=1, crop=32, scale=2),
    "interpolate": lambda data: InterpolateRecipe(data, seed=1, batch=1, blocks=1, crop=64),
    "colorize": lambda data: ColorizeRecipe(data, seed=1, batch=1, blocks=1),
}


def _run(data: Path, recipe_name: str, out: Path, steps: int, *, resume: bool = False) -> dict[str, float]:
    recipe = RECIPES[recipe_name](data)
    recipe.validate = lambda network: {"seen": 1.0}  # measuring is tested once, below
    try:
        return train(recipe, RunSettings(out=out, seed=1, steps=steps, resume=resume, bfloat16=False, threads=1))
    finally:
        recipe.close()


@pytest.mark.parametrize("recipe_name", RECIPES)
def test_an_interrupted_run_ends_where_a_whole_one_does(recipe_name: str, data: Path, tmp_path: Path) -> None:
    _run(data, recipe_name, tmp_path / "whole", 3)
    # The same three-step schedule, stopped after two steps.
    recipe = RECIPES[recipe_name](data)
    recipe.validate = lambda network: {}
    loss, count = recipe.loss, 0

    def until_two(network, step):
        nonlocal count
        count += 1
        if count > 2:
            raise KeyboardInterrupt
        return loss(network, step)

    recipe.loss = until_two
    with pytest.raises(KeyboardInterrupt):
        train(recipe, RunSettings(out=tmp_path / "parts", seed=1, steps=3, bfloat16=False, threads=1, save_seconds=0))
    recipe.close()
    _run(data, recipe_name, tmp_path / "parts", 3, resume=True)
    whole, parts = (load_file(next((tmp_path / run).glob("*.safetensors"))) for run in ("whole", "parts"))
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name].numpy(), value.numpy(), atol=1e-6, err_msg=name)


@pytest.mark.parametrize("recipe_name", ["restore", "interpolate", "colorize"])
def test_validation_measures_held_out_material(recipe_name: str, data: Path) -> None:
    recipe = RECIPES[recipe_name](data)
    metrics = recipe.validate(recipe.network().eval())
    recipe.close()
    assert metrics
    assert all(np.isfinite(value) for value in metrics.values())


def test_held_out_material_is_never_trained_on(data: Path) -> None:
    train_part, held_out = load_footage(data, "train"), load_footage(data, "held-out")
    assert len(train_part.photos) == 2
    assert len(held_out.photos) == 1
    assert not set(train_part.photo_names) & set(held_out.photo_names)
    assert not set(train_part.clip_names) & set(held_out.clip_names)


def test_a_folder_without_material_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no train photographs"):
        load_footage(tmp_path, "train")


def test_a_run_has_one_end(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        RunSettings(out=tmp_path)


def test_the_pool_depends_on_the_step_alone() -> None:
    pools = [Pool(lambda rng: [int(rng.integers(1 << 30))], seed=4, blocks=3, steps_per_block=2) for _ in range(2)]
    in_order = [pools[0].at(step) for step in range(9)]
    assert pools[1].at(8) == in_order[8]
    assert pools[1].at(3) == in_order[3]
    assert in_order[0] == in_order[1] != in_order[2]
    for pool in pools:
        pool.close()


def test_the_rate_warms_up_and_falls() -> None:
    assert learning_rate(1.0, 0.0, 0) < 0.02
    assert learning_rate(1.0, 0.01, 200) > 0.99
    assert learning_rate(1.0, 1.0, 9999) == pytest.approx(0.01)


class _Painter(torch.nn.Module):
    """Answers with one grey more per frame, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, luma: torch.Tensor, chroma: torch.Tensor, strength: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.calls += 1
        grey = self.calls / 10
        return torch.full_like(luma[:, :1], grey), torch.full_like(chroma[:, :2], 1 - grey)


def test_a_walk_shows_the_past_as_it_was_restored_and_mirrors_what_is_missing() -> None:
    count = 6
    frames = np.full((count, 3, 64, 64), 0.5, np.float32)
    frames += np.linspace(0, 0.4, count, dtype=np.float32)[:, None, None, None]
    walked = walk(Worn(frames=frames, target=frames, grain=0 * frames), _Painter(), 1.0, 1)
    levels = walked.luma.mean((2, 3))
    film, painted = frames[:, 0, 0, 0], np.arange(1, count + 1) / 10
    np.testing.assert_allclose(levels[3], [painted[1], painted[2], film[3], film[4], film[5]], atol=1e-5)
    np.testing.assert_allclose(levels[0], film[[2, 1, 0, 1, 2]], atol=1e-5)
    np.testing.assert_allclose(levels[1], [film[3], painted[0], film[1], film[2], film[3]], atol=1e-5)
    np.testing.assert_allclose(levels[5], [painted[3], painted[4], film[5], painted[4], painted[3]], atol=1e-5)
    np.testing.assert_allclose(walked.chroma[3].mean((1, 2, 3))[:2], 1 - painted[1:3], atol=1e-5)
    np.testing.assert_allclose(walked.restored.mean((1, 2)), painted, atol=1e-5)


class _Wavering:
    """A recipe of one weight whose figures differ from step to step: each third has one more."""

    name = "wavering"

    def network(self) -> torch.nn.Module:
        return torch.nn.Linear(1, 1)

    def loss(self, network: torch.nn.Module, step: int):
        more = {"third": 3.0} if step % 3 == 0 else {}
        return network(torch.ones(1, 1)).square().sum(), {"always": 1.0, **more}

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        return {}


def test_curves_keep_their_columns_across_a_resumed_run(tmp_path: Path) -> None:
    for steps in (101, 151):
        train(_Wavering(), RunSettings(out=tmp_path, steps=steps, resume=True, threads=1))
    header, *rows = [line.split(",") for line in (tmp_path / "wavering.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["50", "100", "150"]
    assert [row[header.index("always")] for row in rows] == ["1.000000"] * 3
    assert [row[header.index("third")] for row in rows] == ["3.000000"] * 3
