from pathlib import Path

import numpy as np
import pytest

from bench.quality.material import Clip, clip_of, find_material, pan
from bench.quality.plan import Plan
from engine.errors import ConfigError, DecodeError
from tests.bench.quality.material_files import drawn, held_out_name, make_material


def test_only_what_is_held_out_is_taken_unless_all_is_asked_for(tmp_path: Path) -> None:
    data = make_material(tmp_path / "data", frames=4)
    found = find_material(Plan(data=data))
    assert [file.name for file in found.clip_files] == [held_out_name("clip", ".mkv")]
    assert [file.name for file in found.photo_files] == [held_out_name("photo", ".png")]
    everything = find_material(Plan(data=data, every_file=True))
    assert (len(everything.clip_files), len(everything.photo_files)) == (2, 2)
    assert len(find_material(Plan(data=data, every_file=True, clips=1, photos=0)).clip_files) == 1


def test_a_folder_without_material_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        find_material(Plan(data=tmp_path / "none"))
    with pytest.raises(ConfigError, match="nothing held out"):
        find_material(Plan(data=tmp_path))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    data = make_material(tmp_path / "data", frames=4)
    for folder in ("clips", "photos"):
        next(iter(sorted((data / folder).iterdir()))).write_bytes(b"nothing")
    material = find_material(Plan(data=data, every_file=True))
    for read in (material.clips, material.photos):
        with pytest.raises(DecodeError, match="cannot be read"):
            list(read())


def test_photographs_are_read_with_even_sides(tmp_path: Path) -> None:
    ((_, photo),) = find_material(Plan(data=make_material(tmp_path / "data", frames=4))).photos()
    assert photo.shape == (60, 80, 3)


def test_repeats_are_taken_out_and_cuts_divide_parts() -> None:
    first = drawn(12)
    second = np.ascontiguousarray(drawn(12, step=3)[:, ::-1, ::-1]) // 2
    frames = np.concatenate([first[:6], first[5:6], first[6:], second])
    clip = clip_of("joined", frames)
    assert len(clip.rgb) == len(clip.luma) == 24
    assert clip.shots == ((0, 12), (12, 24))
    for part in clip.parts(9, 5):
        assert part.stop <= 12 or part.start >= 12


def test_parts_are_spread_and_shorten_where_no_shot_is_long_enough() -> None:
    blank = np.zeros((30, 2, 2, 3), np.uint8)
    clip = Clip(name="x", rgb=blank, luma=blank[..., 0], shots=((0, 5), (5, 30)))
    assert clip.parts(9, 2) == [slice(9, 18), slice(17, 26)]
    assert clip.parts(9, 100)[0] == slice(5, 14)
    assert clip.parts(40, 3) == [slice(5, 30)]


def test_a_pan_moves_by_its_speed() -> None:
    moved = pan(np.ascontiguousarray(drawn(1, 640, 480)[0]), 3, 20)
    assert moved.shape == (3, 360, 480)
    first, second = moved[0].astype(int), moved[1].astype(int)
    assert abs(second[10:300, 10:440] - first[13:303, 30:460]).mean() < 1
    assert abs(second[10:300, 10:440] - first[10:300, 10:440]).mean() > 10


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ConfigError, match="--frames: got 3"):
        Plan(data=Path(), frames=3)
