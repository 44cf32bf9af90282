"""What was done to a film, written into every kind of output and read back."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from engine.errors import DecodeError
from engine.media.output import WriteJob
from engine.media.provenance import ModelMark, Provenance, canonical_json, plain, read
from engine.settings import OutputSettings, Settings
from tests.support.films import Extras, moving_scene, write_film
from tests.support.tracks import Shots, spec_of, write_shots

MARK = ModelMark(role="enhance", name="film-restore", version="3", sha256="ab" * 32)
DONE = Provenance(version="0.1.0", source="Großer Film.mp4", settings=plain(Settings()), models=(MARK,))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", None),
        ("a.m4v", "h265"),
        ("a.mov", None),
        ("b.mov", "prores"),
        ("a.mkv", "ffv1"),
        ("a.webm", None),
        ("a.nut", None),
        ("a.ts", None),
        ("%03d.png", None),
    ],
)
def test_every_output_says_what_was_done(name: str, codec: str | None, tmp_path: Path) -> None:
    job = WriteJob(settings=OutputSettings(codec=codec), provenance=DONE)
    write_shots(tmp_path / name, Shots(spec_of(), [3]), job)
    assert read(tmp_path / name) == DONE


def test_sentence_for_people(tmp_path: Path) -> None:
    write_shots(tmp_path / "a.mp4", Shots(spec_of(), [3]), WriteJob(provenance=DONE))
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert film.metadata["comment"] == (
            "Restored with farshore 0.1.0 from Großer Film.mp4. Models: enhance: film-restore 3 (abababababab)."
        )


def test_film_that_was_not_restored(tmp_path: Path) -> None:
    film = write_film(tmp_path / "in.mp4", moving_scene(96, 64, 3), extras=Extras(metadata={"comment": "{not json"}))
    assert read(film) is None


def test_folder_without_provenance(tmp_path: Path) -> None:
    assert read(tmp_path) is None


def test_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nonsense")
    with pytest.raises(DecodeError, match="a.mp4: cannot be opened"):
        read(tmp_path / "a.mp4")


def test_source_words_stay_but_not_an_older_account(tmp_path: Path) -> None:
    older = Provenance(version="0.0.9", source="x")
    words = {"title": "T", "keywords": older.to_json(), "encoder": "Lavf", "comment": "a print"}
    made = DONE.metadata(words, "keywords")
    assert made == {"title": "T", "comment": f"a print {DONE.sentence()}", "keywords": DONE.to_json()}
    assert "trains" in DONE.metadata({"keywords": "trains"}, "keywords")["comment"]


def test_json_keeps_what_came_before() -> None:
    twice = Provenance(version="2", source="b", before=DONE)
    assert Provenance.from_json(twice.to_json()) == twice


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"restored": false}', "3", '{"restored": true, "models": 4}', '{"a'])
def test_other_json_is_not_an_account(text: str) -> None:
    assert Provenance.from_json(text) is None


def test_canonical_json_is_the_same_for_equal_values() -> None:
    assert canonical_json({"b": Fraction(1, 3), "a": (1, Path("x"))}) == '{"a":[1,"x"],"b":"1/3"}'
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})
