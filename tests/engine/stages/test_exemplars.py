from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import ConfigError
from engine.stages.exemplar_choice import AllAndNearest
from engine.stages.exemplars import AB_RANGE, Exemplar, ExemplarTokens, frame_number, read_exemplar


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("0000874_out.png", 874),
        ("scene.png", None),
        ("frame_0120_v2.png", 120),
        ("12_34.png", 34),
        ("take2.jpg", 2),
    ],
)
def test_the_longest_number_in_a_name_is_the_frame(name: str, wanted: int | None) -> None:
    assert frame_number(Path(name)) == wanted


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_reference_is_read_in_its_own_depth(tmp_path: Path, dtype: type, full: int) -> None:
    path = tmp_path / "red.png"
    picture = np.zeros((30, 40, 3), dtype)
    picture[..., 2] = full
    cv2.imwrite(str(path), picture)
    exemplar = read_exemplar(path, (16, 24), (20, 30), (12, 18))
    assert (exemplar.lightness.shape, exemplar.luma.shape) == ((16, 24), (12, 18))
    assert exemplar.lightness.mean() == pytest.approx(0.5324, abs=2e-3)
    np.testing.assert_allclose(exemplar.ab.mean((1, 2)) * AB_RANGE, [80.1, 67.2], atol=0.3)


@pytest.mark.parametrize("content", [None, b"", b"this is no picture"])
def test_a_bad_reference_is_one_clear_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"reference .*bad\.png: ") as caught:
        read_exemplar(path, (16, 24), (20, 30), (12, 18))
    assert "\n" not in str(caught.value)


def tokens(*frames: int | None) -> ExemplarTokens:
    exemplars = [
        Exemplar(
            path=Path("x.png"),
            frame=frame,
            lightness=np.full((8, 8), number / 10, np.float32),
            ab=np.full((2, 8, 8), number / 10, np.float32),
            luma=np.full((8, 8), number / 10, np.float32),
            fine_ab=np.full((2, 8, 8), number / 10, np.float32),
        )
        for number, frame in enumerate(frames)
    ]
    return ExemplarTokens(
        exemplars, lambda exemplar: exemplar.lightness[None, ::4, ::4], 1, AllAndNearest(list(frames))
    )


def followed(laid_out: ExemplarTokens, frame: int) -> list[int]:
    laid_out.choose(frame)
    features, ab = laid_out.inputs["reference_features"][0, 0, ::4], laid_out.inputs["reference_ab"][0, 0, ::4]
    np.testing.assert_array_equal(features, ab)
    return [round(float(value) * 10) for value in features]


def test_without_exemplars_one_token_is_not_valid() -> None:
    inputs = tokens().inputs
    assert [inputs[name].shape for name in inputs] == [(1, 1, 1), (1, 2, 1), (1, 1)]
    assert inputs["reference_valid"].sum() == 0


def test_the_two_nearest_are_followed_and_those_without_a_number_always() -> None:
    laid_out = tokens(100, None, 200, 300)
    assert followed(laid_out, 0) == [1, 0, 2]
    assert followed(laid_out, 290) == [1, 2, 3]
    assert followed(laid_out, 120) == [1, 0, 2]
    assert laid_out.inputs["reference_valid"].min() == 1


def test_one_numbered_exemplar_is_always_followed() -> None:
    assert followed(tokens(100), 5000) == [0]
