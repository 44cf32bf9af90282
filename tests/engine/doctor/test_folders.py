import os
from pathlib import Path

import pytest

from engine.doctor import folders
from engine.doctor.finding import Verdict
from engine.doctor.folders import check_folders, check_memory


def test_a_folder_with_room_is_good_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    (found,) = check_folders({"models folder": tmp_path}, lambda path: 10**11)
    assert found.verdict is Verdict.GOOD
    assert "100.0 GB free" in found.detail
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_yet_made_is_judged_by_the_one_above(tmp_path: Path) -> None:
    (found,) = check_folders({"plans folder": tmp_path / "a" / "b"}, lambda path: 10**11)
    assert found.verdict is Verdict.GOOD
    assert "not made yet" in found.detail
    assert not (tmp_path / "a").exists()


def test_a_full_disk_is_bad(tmp_path: Path) -> None:
    (found,) = check_folders({"cache folder": tmp_path}, lambda path: 10**8)
    assert found.verdict is Verdict.BAD
    assert "make room" in found.cure


def test_a_folder_that_cannot_be_written_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.geteuid() == 0:  # root writes anywhere: let the system refuse as it would on a read-only disk

        def refuses(**arguments: object) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(folders.tempfile, "NamedTemporaryFile", refuses)
    (found,) = check_folders({"models folder": closed}, lambda path: 10**11)
    assert found.verdict is Verdict.BAD
    assert "cannot be written" in found.detail
    assert "FARSHORE_HOME" in found.cure


def test_a_file_in_a_folders_place_is_bad(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    (found,) = check_folders({"models folder": tmp_path / "models"}, lambda path: 10**11)
    assert (found.verdict, "no folder" in found.detail) == (Verdict.BAD, True)


def test_little_memory_is_bad() -> None:
    assert [finding.verdict for finding in check_memory(lambda: 10**8)] == [Verdict.BAD]
    assert [finding.verdict for finding in check_memory(lambda: 10**10)] == [Verdict.GOOD]
    assert list(check_memory(lambda: None)) == []
