"""The demonstration from drawing to sheet, small and on the null backend."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.cli.main import main
from engine.config_file import override
from engine.demo.aged_film import AgedFilm, luma_of, make_aged_film, write_grey_film
from engine.demo.gain import measure_gain, psnr
from engine.demo.picture_file import write_picture
from engine.demo.run import Demo, DemoOptions
from engine.demo.sheet import make_sheet
from engine.errors import ConfigError, EncodeError
from engine.media.reader import FilmReader
from engine.presets import preset


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> AgedFilm:
    path = tmp_path_factory.mktemp("demo") / "aged.mp4"
    return make_aged_film(path, frames=12, width=160, height=120, seed=1)


def test_the_aged_film_is_grey_worn_and_has_its_truth_beside_it(aged: AgedFilm) -> None:
    with FilmReader(str(aged.path)) as reader:
        assert reader.is_grey
        assert reader.info.video.frames == 12
    assert len(aged.pictures) == len(aged.luma) == len(aged.aged) == 12
    damage = np.mean([np.abs(a - t).mean() for a, t in zip(aged.aged, aged.luma, strict=True)])
    assert 0.01 < damage < 0.1
    fading = np.mean([np.abs(t - luma_of(p)).mean() for t, p in zip(aged.luma, aged.pictures, strict=True)])
    assert fading < 0.1


def test_the_same_seed_ages_the_same_way(aged: AgedFilm, tmp_path: Path) -> None:
    again = make_aged_film(tmp_path / "again.mp4", frames=12, width=160, height=120, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(aged.aged, again.aged, strict=True))
    assert again.path.read_bytes() == aged.path.read_bytes()


def test_coding_adds_next_to_nothing_to_the_damage(aged: AgedFilm) -> None:
    gain, pictures = measure_gain(aged, aged.path)
    assert gain.frames == len(pictures) == 12
    assert gain.restored_psnr == pytest.approx(gain.aged_psnr, abs=0.3)
    assert gain.restored_chroma == pytest.approx(gain.grey_chroma, rel=0.05)


def test_a_perfect_restoration_gains_much(aged: AgedFilm, tmp_path: Path) -> None:
    write_grey_film(tmp_path / "perfect.mp4", aged.luma)
    gain, _ = measure_gain(aged, tmp_path / "perfect.mp4")
    assert gain.restored_psnr > gain.aged_psnr + 8


def test_psnr() -> None:
    assert psnr([0.01, 0.01]) == pytest.approx(20)
    assert psnr([0.0]) == pytest.approx(100)


def test_the_sheet_shows_moments_in_rows(aged: AgedFilm, tmp_path: Path) -> None:
    sheet = make_sheet(aged, dict(enumerate(aged.pictures)), moments=2)
    assert sheet.shape[1] > 3 * 160
    assert sheet.shape[0] > 2 * 120
    write_picture(tmp_path / "sheet.png", sheet)
    assert np.array_equal(cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1], sheet)
    with pytest.raises(EncodeError, match="cannot be written"):
        write_picture(tmp_path / "none" / "sheet.png", sheet)


def test_the_whole_demonstration(tmp_path: Path) -> None:
    settings = override(preset("silent-film").settings, {"runtime": {"backend": "null", "threads": 1}})
    demo = Demo(DemoOptions(folder=tmp_path, seconds=0.5, width=160, height=120, settings=settings))
    drawn: list[int] = []
    demo.draw(lambda: drawn.append(1))
    demo.open()
    demo.restore()
    result = demo.compare()
    demo.close()
    assert len(drawn) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "aged.mp4", "before-after.png", "reference-1.png", "reference-7.png", "restored.mp4",
    ]  # fmt: skip
    assert result.gain.frames == 12
    assert result.report.run.frames_out == 24
    json.dumps(result.to_json(), default=str)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 0.1}, "seconds: got 0.1; wanted 0.5 to 30"),
        ({"width": 161}, "size: got 161x360; wanted even numbers"),
    ],
)
def test_impossible_wishes(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DemoOptions(folder=Path("demo"), **options)  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["demo", "--output", str(tmp_path / "file" / "demo"), "--seconds", "0.5", "--quiet"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "choose another folder with --output" in lines[0]
