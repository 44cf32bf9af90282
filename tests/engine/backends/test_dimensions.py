from pathlib import Path

import onnx
import pytest

from engine.backends.dimensions import open_sizes
from engine.model import Model, builtin_models
from tests.support.onnx_files import save_halver


def test_every_named_axis_gets_its_size(tmp_path: Path) -> None:
    data = save_halver(tmp_path / "m.onnx").read_bytes()
    assert open_sizes(data, {"luma": (1, 1, 48, 64)}) == {"H": 48, "W": 64}


def test_a_name_with_two_sizes_is_left_out(tmp_path: Path) -> None:
    data = save_halver(tmp_path / "m.onnx").read_bytes().replace(b"\x12\x01W", b"\x12\x01H")
    assert open_sizes(data, {"luma": (1, 1, 48, 64)}) == {}


@pytest.mark.parametrize("name", sorted(builtin_models()))
def test_names_are_those_that_the_onnx_package_reads(name: str) -> None:
    model = Model.load(builtin_models()[name])
    shapes = {name: tuple(range(100, 100 + len(spec.shape))) for name, spec in model.inputs.items()}
    wanted: dict[str, set[int]] = {}
    for value in onnx.load_model_from_string(model.data).graph.input:
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if dimension.dim_param:
                wanted.setdefault(dimension.dim_param, set()).add(100 + axis)
    assert open_sizes(model.data, shapes) == {key: min(sizes) for key, sizes in wanted.items() if len(sizes) == 1}
