"""`farshore restore` from file to file, on the null backend."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from engine.media.probe import probe
from engine.media.provenance import read as read_provenance
from tests.engine.cli.conftest import Outcome
from tests.support.chrome_trace import check_trace
from tests.support.films import truncated

Command = Callable[..., Outcome]
QUICK = ("--backend", "null", "--threads", "1")


def test_a_film_is_restored_and_reported(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    outcome = farshore("restore", small_film, target, *QUICK)
    assert outcome.code == 0
    assert f"{small_film} (96×64, 24 fps) → {target} (96×64, 24 fps)" in outcome.err.splitlines()[0]
    assert outcome.out.startswith(f"{target}: 24 frames, 2 shots")
    for stage in ("decode", "inspect", "enhance", "encode"):
        assert f"\n {stage} " in outcome.out
    assert probe(target).video.frames == 24


def test_options_become_settings(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[enhance]\nstrength = 0.25\n[output]\nquality = 40\nlabel = true\n")
    target = tmp_path / "out.mkv"
    outcome = farshore(
        "restore", small_film, target, *QUICK, "--preset", "silent-film", "--config", tmp_path / "c.toml",
        "--quality", "50", "--no-label", "--counter", "--interpolate", "2x", "--colorize", "never", "--codec", "ffv1",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    done = read_provenance(target)
    assert done is not None
    assert done.settings["enhance"]["strength"] == 0.25
    assert done.settings["output"]["quality"] == 50
    assert done.settings["output"]["label"] is False
    assert done.settings["output"]["counter"] is True
    assert done.settings["interpolate"] == {"rate": None, "factor": "2", "model": None, "scale": None}
    video = probe(target).video
    assert (video.codec, video.rate) == ("ffv1", Fraction(48))


def test_interpolate_none_unsets_a_presets_rate(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    assert farshore("restore", small_film, target, *QUICK, "--preset", "silent-film", "--interpolate", "none").code == 0
    assert probe(target).video.rate == 24


def test_the_output_has_a_name_of_its_own_beside_the_film(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(small_film.read_bytes())
    assert farshore("restore", film, *QUICK, "--quiet").code == 0
    assert (tmp_path / "film.restored.mp4").exists()


def test_json_is_one_object_on_stdout(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    outcome = farshore("restore", small_film, tmp_path / "out.mp4", *QUICK, "--json")
    report = json.loads(outcome.out)
    assert report["frames_out"] == 24
    assert report["shots"] == 2
    assert [stage["stage"] for stage in report["latency"]["stages"]][0] == "decode"
    assert any(json.loads(line)["event"] == "progress" for line in outcome.err.splitlines() if line.startswith("{"))


def test_quiet_says_nothing(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    outcome = farshore("restore", small_film, tmp_path / "out.mp4", *QUICK, "--quiet")
    assert outcome == Outcome(0, "", "")


def test_losses_are_reported_and_change_the_exit_code(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    film = tmp_path / "whole.mkv"
    with av.open(str(small_film)) as source, av.open(str(film), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    outcome = farshore("restore", truncated(film, 0.6), tmp_path / "out.mp4", *QUICK)
    assert outcome.code == 3, outcome.err
    assert "\nloss: " in outcome.out
    assert (tmp_path / "out.mp4").exists()


def test_a_trace_is_written(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    assert farshore("restore", small_film, tmp_path / "out.mp4", *QUICK, "--trace", trace).code == 0
    seen = check_trace(json.loads(trace.read_text()))
    assert (seen.lanes[0], seen.lanes[-1]) == ("decode", "encode")
    assert min(seen.arrows.values()) > 1
    assert len(seen.depths) == len(seen.lanes) - 1


def test_a_batch_goes_on_after_a_failure_and_ends_with_the_worst_code(
    farshore: Command, small_film: Path, tmp_path: Path
) -> None:
    reels = tmp_path / "reels"
    reels.mkdir()
    (reels / "a.mp4").write_bytes(small_film.read_bytes())
    (reels / "b.mp4").write_text("no film at all")
    (reels / "c.mp4").write_bytes(small_film.read_bytes())
    outcome = farshore("restore", reels, "--output-folder", tmp_path / "out", *QUICK)
    assert outcome.code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.restored.mp4", "c.restored.mp4"]
    table = outcome.out
    assert table.count("restored.mp4") == 2
    assert "b.mp4" in table
    outcome = farshore("restore", reels, "--output-folder", tmp_path / "out", *QUICK, "--resume", "--json")
    assert [film["was_finished"] for film in json.loads(outcome.out)["films"]] == [True, False, True]
    outcome = farshore("restore", reels, "--output-folder", tmp_path / "out", *QUICK, "--overwrite", "--json")
    assert [film["exit_code"] for film in json.loads(outcome.out)["films"]] == [0, 1, 0]


def test_a_trace_is_of_one_film(farshore: Command, small_film: Path, tmp_path: Path) -> None:
    outcome = farshore("restore", small_film, small_film, "--output-folder", tmp_path, *QUICK)
    assert outcome.code == 2
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(small_film.read_bytes())
    outcome = farshore("restore", small_film, copy, "--output-folder", tmp_path, *QUICK, "--trace", "t.json")
    assert outcome.code == 2
    assert "got 2 films; a trace is of one" in outcome.err


def test_json_and_a_film_cannot_both_be_on_stdout(farshore: Command, small_film: Path) -> None:
    outcome = farshore("restore", small_film, "-", *QUICK, "--json")
    assert outcome.code == 2
    assert "stdout carries the film itself" in outcome.err


@pytest.mark.parametrize("command", [("restore",), ("info",), ("models", "show")])
def test_nothing_to_work_on(farshore: Command, command: tuple[str, ...]) -> None:
    outcome = farshore(*command)
    assert outcome.code == 2
    assert "Missing argument" in outcome.err
