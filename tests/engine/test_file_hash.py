from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.file_hash import file_sha256, named_sha256

OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""FIPS 180-2, appendix B.1."""


def test_a_file_is_told_by_its_bytes_and_name_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "film.mp4"
    path.parent.mkdir()
    path.write_bytes(b"abc")
    assert file_sha256(path) == OF_ABC
    assert named_sha256(path, "reference", ConfigError) == f"film.mp4 sha256 {OF_ABC}"


def test_a_file_that_cannot_be_read_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="^reference .*none.png: cannot be read .No such file.*; check the path$"):
        named_sha256(tmp_path / "none.png", "reference", ConfigError)
