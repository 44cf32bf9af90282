"""`farshore info`: what is in a film, and what was done to it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.engine.cli.conftest import Outcome
from tests.support.films import Extras, moving_scene, write_film

Command = Callable[..., Outcome]


def lines(outcome: Outcome) -> dict[str, str]:
    return {line[:14].strip(): line[14:] for line in outcome.out.splitlines()}


def test_a_films_facts(farshore: Command, small_film: Path) -> None:
    outcome = farshore("info", small_film, "--quiet")
    assert outcome.code == 0
    facts = lines(outcome)
    assert facts["picture"] == "h264, 96×64, yuv420p, 8 bit"
    assert facts["colour"] == "grey"
    assert facts["rate"] == "24 fps, 24 frames"
    assert facts["scanning"] == "progressive"
    assert facts["shots"] == "2, beginning at 0.00, 0.50 s"
    assert {"cadence", "repeats", "grain", "flicker", "dust"} <= facts.keys()


def test_repeats_and_the_true_rate(farshore: Command, tmp_path: Path) -> None:
    pictures = [p for i, p in enumerate(moving_scene(192, 128, 48, seed=3)) for _ in range(2 if i % 4 == 3 else 1)]
    film = write_film(tmp_path / "padded.mp4", pictures, rate=30, options={"crf": "2"})
    found = json.loads(farshore("info", film, "--json", "--quiet").out)["pictures"]
    assert found["true_rate"] == "24"
    assert found["repeats"] == 12


def test_quick_does_not_look_through_the_pictures(farshore: Command, small_film: Path) -> None:
    facts = lines(farshore("info", small_film, "--quick"))
    assert "rate" in facts
    assert "shots" not in facts


def test_sound_and_chapters(farshore: Command, tmp_path: Path) -> None:
    extras = Extras(audio=("aac",), chapters=((0, 1, "The gate"),))  # type: ignore[arg-type]
    film = write_film(tmp_path / "sound.mp4", moving_scene(96, 64, 24), extras=extras)
    facts = lines(farshore("info", film, "--quick"))
    assert facts["sound"].startswith("aac, 48000 Hz, mono")
    assert facts["chapter"] == "0:00 The gate"
    assert facts["colour"] == "in colour"


def test_a_restored_film_says_what_was_done_to_it(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    assert farshore("restore", small_film, target, "--backend", "null", "--strength", "0.3", "--quiet").code == 0
    facts = farshore("info", target, "--quick").out
    assert f"from {small_film.name}" in facts
    assert re.search(r"enhance: film-restore \d+, sha256 ", facts)
    assert "strength 0.3" in facts
    done = json.loads(farshore("info", target, "--json", "--quick").out)["restored"]
    assert done["settings"]["enhance"]["strength"] == 0.3


def test_a_truncated_film_ends_with_the_code_of_losses(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", moving_scene(96, 64, 48))
    film.write_bytes(film.read_bytes()[:-2000])
    outcome = farshore("info", film, "--quiet")
    assert outcome.code == 3, outcome.out
    assert "losses" in lines(outcome)
