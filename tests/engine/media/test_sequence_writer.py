"""Pictures in numbered files."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import ConfigError, EncodeError
from engine.media.output import WriteJob
from engine.media.picture_files import PICTURE_FORMATS
from engine.media.sequence_writer import SequenceWriter, is_sequence
from engine.media.writer import open_writer
from engine.settings import OutputSettings
from engine.types import PixelFormat
from tests.support.tracks import Shots, spec_of, write_shots


@pytest.mark.parametrize(
    ("target", "wanted"),
    [("a/%06d.png", True), ("a/%d.tif", True), ("a.png", True), ("a/", True), ("a.mp4", False), ("a", False)],
)
def test_what_means_pictures(target: str, wanted: bool) -> None:
    assert is_sequence(target) is wanted


@pytest.mark.parametrize("extension", [".png", ".tif", ".tiff", ".dpx"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("format", [PixelFormat.GRAY, PixelFormat.RGB])
def test_pictures_are_exact(extension: str, depth: int, format: PixelFormat, tmp_path: Path) -> None:
    shots = Shots(spec_of(size=(33, 17), format=format, bit_depth=depth), [2, 1])
    write_shots(tmp_path / f"%04d{extension}", shots)
    assert sorted(p.name for p in tmp_path.glob(f"*{extension}")) == [f"{n:04d}{extension}" for n in (1, 2, 3)]
    for number, frame in enumerate(shots.frames(), start=1):
        got = read_picture(tmp_path / f"{number:04d}{extension}", deep=depth > 8)
        scale = 65535 if depth > 8 else 255
        wanted = np.repeat(frame.pixels, 3, axis=0) if format is PixelFormat.GRAY else frame.pixels
        error = np.abs(got.transpose(2, 0, 1) - wanted * scale)
        assert error.max() <= (0.51 if depth > 8 else 1.0)  # 8 bits are dithered
        frame.release()


def test_jpeg(tmp_path: Path) -> None:
    shots = Shots(spec_of(), [1])
    write_shots(tmp_path / "a.jpg", shots)
    got = read_picture(tmp_path / "a.jpg", deep=False)[:, :, 0]
    assert np.abs(got - next(shots.frames()).pixels[0] * 255).mean() < 3


def test_folder_takes_png(tmp_path: Path) -> None:
    write_shots(tmp_path, Shots(spec_of(), [2]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000001.png", "000002.png"]


def test_numbering_goes_on_when_resumed(tmp_path: Path) -> None:
    shots = Shots(spec_of(), [3, 2, 4])
    whole, broken = tmp_path / "whole" / "%03d.png", tmp_path / "broken" / "%03d.png"
    write_shots(whole, shots)
    stop_at(4, broken, shots)
    with pytest.raises(ConfigError, match="give --resume to go on"):
        open_writer(broken, WriteJob())
    resumed = write_shots(broken, shots, WriteJob(resume=True))
    assert resumed.report.frames_kept == 3
    files = sorted(p.name for p in broken.parent.iterdir())
    assert files == [f"{n:03d}.png" for n in range(1, 10)]
    for name in files:
        assert (broken.parent / name).read_bytes() == (whole.parent / name).read_bytes()


def test_existing_pictures_are_refused(tmp_path: Path) -> None:
    write_shots(tmp_path / "%d.png", Shots(spec_of(), [2]))
    with pytest.raises(ConfigError, match=r"1.png: exists already; give --overwrite"):
        open_writer(tmp_path / "%d.png", WriteJob())
    write_shots(tmp_path / "%d.png", Shots(spec_of(), [2]), WriteJob(overwrite=True))


def test_one_picture_takes_one_frame(tmp_path: Path) -> None:
    for lengths in ([2], [1, 1]):
        with pytest.raises(ConfigError, match=r"names one picture, .*; give a pattern such as a-%06d.png"):
            write_shots(tmp_path / "a.png", Shots(spec_of(), lengths))
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("scan-%05d.png", "scan-%05d.png"),
        ("scan-%05d.png", "scan-%06d.png"),
        ("scan-%05d.png", "scan-00002.png"),
        ("scan-00002.png", "scan-00002.png"),
        ("scan-00002.png", "scan-%05d.png"),
        ("scan-*.png", "scan-%d.png"),
        ("scan-0000[23].png", "scan-%05d.png"),
        ("*.png", "out-%05d.png"),
        ("", "scan-%05d.png"),
        ("", "out-%05d.tif"),
        ("", ""),
        ("../scans/scan-%05d.png", "scan-%05d.png"),
        ("../links/%d.png", "scan-%05d.png"),
        ("../same/scan-%05d.png", "scan-%05d.png"),
    ],
)
@pytest.mark.parametrize("goes_on", [False, True])
def test_the_films_own_pictures_are_never_replaced(source: str, target: str, goes_on: bool, tmp_path: Path) -> None:
    scans = scans_in(tmp_path)
    job = WriteJob(source=scans / source, overwrite=True, resume=goes_on)
    with pytest.raises(ConfigError, match=r"among the pictures of the film itself .*; choose another") as caught:
        open_writer(scans / target, job)
    assert "--overwrite" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("scan-%05d.png", "out-%05d.png"),
        ("scan-%05d.png", "scan-%05d.tif"),
        ("scan-*.png", "out-%05d.png"),
        ("scan-00002.png", "one.png"),
        ("", "../other/scan-%05d.png"),
        ("film.mp4", "scan-%05d.png"),
        ("https://example.org/film?a=%20d", "scan-%05d.png"),
    ],
)
def test_pictures_beside_the_films_own_are_fine(source: str, target: str, tmp_path: Path) -> None:
    scans = scans_in(tmp_path)
    write_shots(scans / target, Shots(spec_of(), [1]), WriteJob(source=scans / source, overwrite=True))
    if source.startswith("scan"):
        assert all((scans / f"scan-{n:05d}.png").read_bytes() == b"scan" for n in (2, 3))


@pytest.mark.parametrize("spoil", ["deleted", "emptied"])
def test_resuming_makes_spoiled_pictures_again(spoil: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shots = Shots(spec_of(), [2, 2, 2, 2])
    whole, broken = tmp_path / "whole" / "%03d.png", tmp_path / "broken" / "%03d.png"
    write_shots(whole, shots)
    stop_at(7, broken, shots)
    picture = broken.with_name("004.png")  # of the second shot of three that are finished
    picture.unlink() if spoil == "deleted" else picture.write_bytes(b"")
    resumed = write_shots(broken, shots, WriteJob(resume=True))
    assert resumed.report.frames_kept == 2
    assert resumed.report.frames == 8
    assert "004.png: is missing or damaged; its shot and what follows is made again" in caplog.text
    assert contents(broken.parent) == contents(whole.parent)


@pytest.mark.parametrize("source", ["scan-%05d.png", "scan-*.png"])
def test_resuming_beside_the_films_own_pictures(source: str, tmp_path: Path) -> None:
    scans, shots = scans_in(tmp_path), Shots(spec_of(), [2, 2])
    stop_at(3, scans / "out-%d.png", shots, WriteJob(source=scans / source))
    resumed = write_shots(scans / "out-%d.png", shots, WriteJob(source=scans / source, resume=True))
    assert (resumed.report.frames_kept, resumed.report.frames) == (2, 4)


@pytest.mark.parametrize("goes_on", [False, True])
def test_stopped_in_the_first_shot_leaves_nothing(goes_on: bool, tmp_path: Path) -> None:
    shots = Shots(spec_of(), [3, 2])
    stop_at(2, tmp_path / "%d.png", shots)
    assert not list(tmp_path.iterdir())
    writer = write_shots(tmp_path / "%d.png", shots, WriteJob(resume=goes_on))
    assert writer.report.frames == 5


def test_stopped_later_leaves_the_finished_shots(tmp_path: Path) -> None:
    stop_at(4, tmp_path / "%d.png", Shots(spec_of(), [3, 2]))
    assert sorted(p.name for p in tmp_path.glob("*.*")) == ["1.png", "2.png", "3.png", "farshore.part"]


def test_overwriting_removes_the_older_sequence_s_rest(tmp_path: Path) -> None:
    write_shots(tmp_path / "%03d.png", Shots(spec_of(), [5]))
    others = ["4.png", "0004.png", "004.tif", "a004.png", "004.png.txt"]  # none of them is of the pattern
    for name in others:
        (tmp_path / name).write_bytes(b"other")
    write_shots(tmp_path / "%03d.png", Shots(spec_of(), [2]), WriteJob(overwrite=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["001.png", "002.png", *others])


def test_without_overwriting_nothing_is_removed(tmp_path: Path) -> None:
    (tmp_path / "009.png").write_bytes(b"other")
    write_shots(tmp_path / "%03d.png", Shots(spec_of(), [2]))
    assert (tmp_path / "009.png").read_bytes() == b"other"


def test_unknown_extension_and_codec_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"got the extension '.webp'; wanted one of .png"):
        open_writer(tmp_path / "%d.webp", WriteJob())
    with pytest.raises(ConfigError, match="got ffv1 for pictures"):
        open_writer(tmp_path / "%d.png", WriteJob(settings=OutputSettings(codec="ffv1")))
    with pytest.raises(EncodeError, match="cannot be made: no folder .*; make that first"):
        open_writer(tmp_path / "a" / "b" / "%d.png", WriteJob())


def test_what_pictures_cannot_hold_is_said(tmp_path: Path) -> None:
    shots = Shots(spec_of(None), [2], times=[Fraction(0), Fraction(1, 10)])
    writer = write_shots(tmp_path, shots, WriteJob(source=tmp_path / "film.mp4"))
    assert writer.report.notices == [
        "pictures hold no sound, subtitles or chapters; take them from the film",
        "pictures hold no times, and this film's rate varies",
    ]


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(tmp_path, WriteJob())
    assert isinstance(writer, SequenceWriter)
    shots = Shots(spec_of(), [2])
    writer.open(shots.spec)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(EncodeError, match=r"000001.png: cannot be written: the disk is full"):
        writer.write(next(shots.frames()))
    monkeypatch.undo()
    writer.abort()
    assert not list(tmp_path.iterdir())
    assert shots.pool.on_loan == 0


def test_every_format_has_an_encoder() -> None:
    for kind in PICTURE_FORMATS.values():
        names = {f.name for f in av.Codec(kind.encoder, "w").video_formats or ()}
        assert {kind.coded.get(p, p) for p in kind.pix_fmts.values()} <= names


def scans_in(folder: Path) -> Path:
    """Make scans 2 and 3, a link to their folder, and a folder of links to them."""
    for name in ("scans", "other", "links"):
        (folder / name).mkdir()
    for number in (2, 3):
        scan = folder / "scans" / f"scan-{number:05d}.png"
        scan.write_bytes(b"scan")
        (folder / "links" / f"{number}.png").symlink_to(scan)
    (folder / "same").symlink_to(folder / "scans")
    return folder / "scans"


def stop_at(stop: int, target: Path, shots: Shots, job: WriteJob | None = None) -> None:
    """Write the frames before number `stop`, then abort."""
    writer = open_writer(target, job or WriteJob())
    writer.open(shots.spec)
    for number, frame in enumerate(shots.frames()):
        if number == stop:
            frame.release()
            break
        writer.write(frame)
    writer.abort()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_picture(path: Path, *, deep: bool) -> np.ndarray:
    with av.open(str(path)) as film:
        frame = next(film.decode(video=0))
        return frame.to_ndarray(format="rgb48le" if deep else "rgb24").astype(np.float64)
