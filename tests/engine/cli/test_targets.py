"""Which films the paths mean, and where each goes."""

from pathlib import Path

import pytest

from engine.cli.targets import Work, plan_works
from engine.errors import ConfigError


def films(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def targets(works: list[Work]) -> list[str]:
    return [Path(work.target).name for work in works]


def test_a_film_and_its_output() -> None:
    assert plan_works(["a.mp4", "b.mkv"], None, None) == [Work("a.mp4", "b.mkv")]
    assert plan_works(["-", "-"], None, None) == [Work("-", "-")]


@pytest.mark.parametrize(
    ("source", "codec", "target"),
    [
        ("reels/a.mp4", None, "reels/a.restored.mp4"),
        ("reels/a.MOV", None, "reels/a.restored.mov"),
        ("reels/a.avi", None, "reels/a.restored.mkv"),
        ("reels/a.mp4", "prores", "reels/a.restored.mov"),
        ("reels/a.mp4", "ffv1", "reels/a.restored.mkv"),
        ("reels/Dr. Mabuse.mp4", None, "reels/Dr. Mabuse.restored.mp4"),
        ("scans/%05d.png", None, "scans/05d.restored.mkv"),
    ],
)
def test_one_path_is_restored_beside_itself(source: str, codec: str | None, target: str) -> None:
    assert plan_works([source], None, codec) == [Work(source, target)]


def test_the_output_may_be_a_folder(tmp_path: Path) -> None:
    assert plan_works(["a.mp4", str(tmp_path)], None, None) == [Work("a.mp4", str(tmp_path / "a.restored.mp4"))]


def test_a_folder_is_its_films_but_not_their_restorations(tmp_path: Path) -> None:
    folder = films(tmp_path, "b.mp4", "a.MKV", "a.restored.mkv", "notes.txt")
    assert targets(plan_works([str(folder)], None, None)) == ["a.restored.mkv", "b.restored.mp4"]


def test_a_folder_of_pictures_is_one_film(tmp_path: Path) -> None:
    folder = films(tmp_path / "scans", "0001.png", "0002.png")
    assert plan_works([str(folder)], None, None) == [Work(str(folder), str(tmp_path / "scans.restored.mkv"))]


def test_several_films_go_to_the_output_folder(tmp_path: Path) -> None:
    works = plan_works(["x/a.mp4", "y/b.mov"], tmp_path, None)
    assert [work.target for work in works] == [str(tmp_path / "a.restored.mp4"), str(tmp_path / "b.restored.mov")]


@pytest.mark.parametrize(
    ("paths", "output_folder", "message"),
    [
        (["a.mp4", "b.mp4", "c.mp4"], None, "got 3 paths; wanted a film and its output, or .* --output-folder DIR"),
        (["x/a.mp4", "y/a.mp4"], Path("out"), "both x/a.mp4 and y/a.mp4 would be restored to it"),
        (["-"], None, "stdin has no name"),
    ],
)
def test_paths_that_mean_nothing(paths: list[str], output_folder: Path | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_works(paths, output_folder, None)


def test_folders_that_mean_nothing(tmp_path: Path) -> None:
    reels = films(tmp_path / "reels", "a.mp4")
    with pytest.raises(ConfigError, match="is a folder of films; give --output-folder DIR"):
        plan_works([str(reels), "out.mp4"], None, None)
    with pytest.raises(ConfigError, match="is a folder of films; say --output-folder"):
        plan_works([str(reels), str(films(tmp_path / "out"))], None, None)
    with pytest.raises(ConfigError, match="holds no films"):
        plan_works([str(films(tmp_path / "empty"))], None, None)
