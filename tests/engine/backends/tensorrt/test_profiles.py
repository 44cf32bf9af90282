from pathlib import Path

import pytest

from engine.backends.tensorrt.profiles import Sizes, build_profile
from engine.errors import ConfigError, UnsupportedModelError
from engine.model import Model, ModelCard, TensorSpec, builtin_models
from engine.stages.lightness import working_size

PICTURE = (1, 3, None, None)


def model(inputs: dict[str, tuple[int | None, ...]], **card: object) -> Model:
    facts = {"name": "m", "version": "1", "role": "enhance", "precision": "fp32", "color_space": "rgb", **card}
    specs = {name: TensorSpec(shape=shape, dtype="tensor(float)") for name, shape in inputs.items()}
    return Model(path=Path("m.onnx"), sha256="0", data=b"", card=ModelCard(**facts), inputs=specs, outputs={})  # type: ignore[arg-type]


def shapes(made: Model, name: str, **asked: object) -> tuple[tuple[int, ...], ...]:
    found = build_profile(made, Sizes(**asked))[name]  # type: ignore[arg-type]
    return found.smallest, found.usual, found.largest


def test_film_by_default_from_thumbnails_to_full_hd_in_multiples_of_what_the_model_wants() -> None:
    rife = model({"first": PICTURE, "second": PICTURE, "timestep": (1,)}, role="interpolate", size_multiple=128)
    assert shapes(rife, "second") == ((1, 3, 128, 128), (1, 3, 512, 640), (1, 3, 1152, 1920))
    assert list(build_profile(rife, Sizes())) == ["first", "second"]


def test_four_times_as_large_takes_smaller_pictures() -> None:
    assert shapes(model({"frames": PICTURE}, scale=4), "frames")[2] == (1, 3, 768, 1024)


def test_the_usual_size_stretches_the_range_and_the_ends_can_be_set() -> None:
    plain = model({"frames": PICTURE}, size_multiple=16)
    assert shapes(plain, "frames", usual=(1200, 60)) == ((1, 3, 64, 64), (1, 3, 1200, 64), (1, 3, 1200, 1920))
    fixed = shapes(plain, "frames", usual=(1080, 1920), smallest=(1080, 1920), largest=(1080, 1920))
    assert fixed == ((1, 3, 1088, 1920),) * 3
    assert shapes(plain, "frames", largest=(240, 320))[1:] == ((1, 3, 240, 320),) * 2
    assert shapes(plain, "frames", smallest=(720, 960))[:2] == ((1, 3, 720, 960),) * 2


def test_chroma_is_half_the_picture_and_an_open_batch_is_one() -> None:
    restore = Model.load(builtin_models()["film-restore"])
    assert shapes(restore, "luma", usual=(480, 640))[1] == (1, 5, 480, 640)
    assert shapes(restore, "chroma", usual=(480, 640))[1] == (1, 10, 240, 320)
    assert shapes(model({"frames": (None, 3, None, None)}), "frames")[0] == (1, 3, 64, 64)


def test_a_colorizer_takes_every_film_at_its_working_size_and_several_references() -> None:
    colorize = Model.load(builtin_models()["film-colorize"])
    card = colorize.card
    low, usual, high = shapes(colorize, "luma")
    assert usual[2:] == card.working_size
    for height, width in ((480, 640), (1080, 1920), (800, 1920), (1920, 1080), (576, 720), (90, 120)):
        working = working_size(height, width, card.working_size, card.size_multiple)
        assert all(a <= b <= c for a, b, c in zip(low[2:], working, high[2:], strict=True))
    assert shapes(colorize, "previous_ab")[1] == (1, 2, *usual[2:])
    one_picture = usual[2] * usual[3] // 16
    assert shapes(colorize, "reference_features") == ((1, 64, 1), (1, 64, one_picture), (1, 64, 4 * one_picture))
    assert shapes(colorize, "reference_valid", tokens=100) == ((1, 1), (1, 100), (1, 100))


def test_fixed_sizes_need_no_profile_and_take_none() -> None:
    face = model({"face": (1, 3, 512, 512)}, role="face")
    assert build_profile(face, Sizes()) == {}
    with pytest.raises(ConfigError, match=r"sizes of model m are fixed \(face \(1, 3, 512, 512\)\)"):
        build_profile(face, Sizes(usual=(512, 512)))


def test_what_contradicts_itself_is_refused() -> None:
    plain = model({"frames": PICTURE})
    with pytest.raises(ConfigError, match="--min-size 640x480: larger than --size 320x240"):
        build_profile(plain, Sizes(usual=(240, 320), smallest=(480, 640)))
    with pytest.raises(ConfigError, match="--max-size 320x240: smaller than --size 640x480"):
        build_profile(plain, Sizes(usual=(480, 640), largest=(240, 320)))
    with pytest.raises(ConfigError, match="--tokens: model m takes no references"):
        build_profile(plain, Sizes(tokens=9))
    with pytest.raises(ConfigError, match="--tokens 0"):
        build_profile(Model.load(builtin_models()["film-colorize"]), Sizes(tokens=0))


def test_an_axis_that_nothing_explains_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="axis 1 of input 'frames'"):
        build_profile(model({"frames": (1, None, None, None)}), Sizes())
    with pytest.raises(UnsupportedModelError, match="axis 0 of input 'codes'"):
        build_profile(model({"codes": (None, 8)}), Sizes())


def test_chroma_of_an_odd_multiple_still_halves() -> None:
    made = model({"luma": (1, 1, None, None), "chroma": (1, 2, None, None)}, color_space="ycbcr420", size_multiple=1)
    assert shapes(made, "luma", usual=(101, 99))[1] == (1, 1, 102, 100)
    assert shapes(made, "chroma", usual=(101, 99))[1] == (1, 2, 51, 50)
