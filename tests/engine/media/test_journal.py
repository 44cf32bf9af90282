"""The journal: what counts as finished after a crash, what may be continued, who may write."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import EncodeError, ResumeError
from engine.file_hash import file_sha256
from engine.media.journal import Journal, JournalHead, fingerprint, peek
from engine.media.segments import SegmentRecord

HEAD = JournalHead(
    source={"bytes": 10, "head_and_tail": "x"},
    settings={"output": {"quality": 75}},
    models={"enhance": "n 1 ab"},
    threads={"enhance": 2},
    output={"encoding": {"codec": "h264"}},
    software={"farshore": "0.1"},
)


def add_segment(journal: Journal, number: int, *, content: bytes = b"coded") -> SegmentRecord:
    path = journal.folder / f"{number:06d}.mp4"
    path.write_bytes(content)
    record = SegmentRecord(
        file=path.name,
        first_shot=number,
        next_shot=number + 1,
        frames=24,
        first_pts=number * 24,
        tail_pts=(number * 24 + 22, number * 24 + 23),
        end_pts=number * 24 + 24,
        bytes=len(content),
        sha256=file_sha256(path),
    )
    journal.append(record)
    return record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A work folder with three finished segments."""
    journal = Journal.create(tmp_path / "film.mp4.part", HEAD)
    for number in range(3):
        add_segment(journal, number)
    journal.close()
    return journal.folder


def reopened(folder: Path, head: JournalHead = HEAD) -> Journal:
    journal = Journal.open(folder, head)
    journal.close()
    return journal


@pytest.mark.parametrize("left", [(), ("lock",), ("lock", "journal.jsonl.tmp")])
def test_a_run_that_broke_off_before_its_journal_was_written_is_begun(tmp_path: Path, left: tuple[str, ...]) -> None:
    work = tmp_path / "film.mp4.part"
    work.mkdir()
    for name in left:
        (work / name).write_text('{"version"')
    journal = reopened(work)
    assert (journal.segments, journal.head) == ([], HEAD)
    add_segment(journal, 0)
    assert len(reopened(work).segments) == 1


def test_finished_segments_without_a_journal_are_not_thrown_away(folder: Path) -> None:
    (folder / "journal.jsonl").unlink()
    with pytest.raises(ResumeError, match="there is no journal"):
        Journal.open(folder, HEAD)
    assert len(list(folder.glob("*.mp4"))) == 3


def test_whole_journal_is_taken_up(folder: Path) -> None:
    journal = reopened(folder)
    assert [r.first_shot for r in journal.segments] == [0, 1, 2]
    assert journal.segments[0].tail_pts == (22, 23)
    assert journal.next_shot == 3
    assert peek(folder) == HEAD


def test_torn_last_line_is_dropped_and_its_segment_removed(folder: Path) -> None:
    path = folder / "journal.jsonl"
    text = path.read_text()
    path.write_text(text[: len(text) - 40])
    assert reopened(folder).next_shot == 2
    assert not (folder / "000002.mp4").exists()
    assert len(path.read_text().splitlines()) == 3
    assert reopened(folder).next_shot == 2, "what was dropped stays dropped"


def test_segment_without_a_line_is_removed(folder: Path) -> None:
    (folder / "000003.mp4").write_bytes(b"finished, not noted")
    (folder / "000004.mp4.tmp").write_bytes(b"unfinished")
    assert reopened(folder).next_shot == 3
    assert sorted(p.name for p in folder.iterdir()) == [
        "000000.mp4",
        "000001.mp4",
        "000002.mp4",
        "journal.jsonl",
        "lock",
    ]


@pytest.mark.parametrize("spoil", ["missing", "shorter", "other bytes"])
def test_damaged_segment_and_what_follows_is_made_again(
    spoil: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "000001.mp4"
    {
        "missing": path.unlink,
        "shorter": lambda: path.write_bytes(b"cod"),
        "other bytes": lambda: path.write_bytes(b"CODED"),
    }[spoil]()
    assert reopened(folder).next_shot == 1
    assert not (folder / "000002.mp4").exists()
    assert "000001.mp4: is missing or damaged" in caplog.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"source": {"bytes": 11, "head_and_tail": "x"}}, "source.bytes: 10, now 11"),
        ({"settings": {"output": {"quality": 60}}}, "settings.output.quality: 75, now 60"),
        ({"models": {"enhance": "n 2 cd"}}, "models.enhance: n 1 ab, now n 2 cd"),
        ({"models": {}}, "models.enhance: n 1 ab, now None"),
        ({"threads": {"enhance": 1}}, "threads.enhance: 2, now 1"),
        ({"software": {"farshore": "0.2"}}, "software.farshore: 0.1, now 0.2"),
    ],
)
def test_other_run_is_refused(changed: dict[str, object], said: str, folder: Path) -> None:
    with pytest.raises(ResumeError) as caught:
        Journal.open(folder, replace(HEAD, **changed))
    assert said in str(caught.value)
    assert "--overwrite instead of --resume" in str(caught.value)
    assert reopened(folder).next_shot == 3, "a refusal changes nothing"


@pytest.mark.parametrize("content", ["", "nonsense", "[]\n", '{"version": 99}\n'])
def test_unreadable_journal(content: str, folder: Path) -> None:
    (folder / "journal.jsonl").write_text(content)
    with pytest.raises(ResumeError, match=r"cannot be continued: .*; give --overwrite"):
        Journal.open(folder, HEAD)
    assert peek(folder) is None


def test_altered_head_is_noticed(folder: Path) -> None:
    path = folder / "journal.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    values = json.loads(first)
    values["threads"]["enhance"] = 7
    path.write_text(json.dumps(values) + "\n" + "".join(rest))
    with pytest.raises(ResumeError, match="its journal is damaged"):
        Journal.open(folder, HEAD)


def test_path_in_a_journal_cannot_leave_the_folder(folder: Path) -> None:
    path = folder / "journal.jsonl"
    (folder.parent / "elsewhere.mp4").write_bytes(b"coded")
    path.write_text(path.read_text().replace("000000.mp4", "../elsewhere.mp4"))
    assert reopened(folder).next_shot == 0


def test_second_run_is_refused(folder: Path) -> None:
    first = Journal.open(folder, HEAD)
    with pytest.raises(EncodeError, match="another run is writing there; wait"):
        Journal.open(folder, HEAD)
    first.close()
    reopened(folder)


def test_creating_throws_old_work_away(folder: Path) -> None:
    journal = Journal.create(folder, HEAD)
    assert journal.next_shot == 0
    assert sorted(p.name for p in folder.iterdir()) == ["journal.jsonl", "lock"]
    journal.remove()
    assert not folder.exists()


def test_fingerprint_tells_films_apart(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"a" * 100)
    before = fingerprint(path)
    path.touch()
    assert fingerprint(path) == before
    path.write_bytes(b"a" * 99 + b"b")
    assert fingerprint(path) != before
    assert fingerprint(None) == {}


@pytest.mark.parametrize("name", ["", "scan-%03d.png", "scan-*.png"])
def test_fingerprint_of_pictures_leaves_out_what_lies_beside_them(name: str, tmp_path: Path) -> None:
    source = tmp_path / name
    for number in (1, 2):
        (tmp_path / f"scan-{number:03d}.png").write_bytes(b"scan")
    before = fingerprint(source)
    assert before.keys() == {"files"}
    (tmp_path / "farshore.part").mkdir()
    (tmp_path / "scan-001.png.tmp").write_bytes(b"unfinished")
    if name:
        (tmp_path / "out-001.png").write_bytes(b"ours")
    assert fingerprint(source) == before
    (tmp_path / "scan-002.png").write_bytes(b"another")
    assert fingerprint(source) != before
    (tmp_path / "scan-002.png").write_bytes(b"scan")
    (tmp_path / "scan-003.png").write_bytes(b"scan")
    assert fingerprint(source) != before


def test_fingerprint_of_a_film_named_like_a_pattern(tmp_path: Path) -> None:
    film = tmp_path / "100%d [1080p].mp4"
    film.write_bytes(b"film")
    before = fingerprint(film)
    (tmp_path / "beside.png").write_bytes(b"x")
    assert fingerprint(film) == before != {}
    assert before["bytes"] == 4


def test_fingerprint_of_pictures_that_are_not_there(tmp_path: Path) -> None:
    assert fingerprint(tmp_path) == fingerprint(tmp_path / "%d.png") == fingerprint(tmp_path / "film.mp4") == {}
