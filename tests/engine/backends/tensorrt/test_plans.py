import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from engine.backends.tensorrt.plans import (
    ALIGNMENT,
    PlanKey,
    list_plans,
    publish_plan,
    read_plan,
    sweep_unfinished,
    unfinished_path,
    write_plan,
)
from engine.backends.tensorrt.profiles import ShapeRange
from engine.backends.tensorrt.targets import Targets
from engine.errors import PlanMismatchError

RANGE = ShapeRange(smallest=(1, 3, 64, 64), usual=(1, 3, 480, 640), largest=(1, 3, 1080, 1920))
KEY = PlanKey(
    model="rife-v4.25",
    model_sha256="ab" * 32,
    precision="fp16",
    profile={"first": RANGE, "second": RANGE},
    library="rtx",
    version="1.7.1.116",
    targets=Targets(compute_capabilities=("SM80", "SM86")),
)
ENGINE = bytes(range(256)) * 40
OTHERS = {
    "model_sha256": replace(KEY, model_sha256="cd" * 32),
    "precision": replace(KEY, precision="fp32"),
    "profile": replace(KEY, profile={"first": RANGE, "second": replace(RANGE, usual=(1, 3, 512, 640))}),
    "library": replace(KEY, library="tensorrt"),
    "version": replace(KEY, version="1.8.0"),
    "targets": replace(KEY, targets=Targets(gpu="Orin (compute capability 8.7, driver CUDA 13.2)")),
    "workspace_bytes": replace(KEY, workspace_bytes=1 << 30),
    "revision": replace(KEY, revision=KEY.revision + 1),
}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    unfinished = unfinished_path(tmp_path, KEY)
    write_plan(unfinished, KEY, ENGINE, 1.5)
    return publish_plan(unfinished, KEY).path


def test_a_plan_comes_back_as_it_was_and_aligned(plan: Path) -> None:
    found = read_plan(plan, KEY)
    assert (bytes(found.payload), found.key, found.seconds) == (ENGINE, KEY, 1.5)
    assert (plan.stat().st_size - len(ENGINE)) % ALIGNMENT == 0
    assert [path.name for path in plan.parent.iterdir()] == [KEY.file_name]
    assert KEY.file_name.startswith("rife-v4.25-fp16-")


def test_a_key_survives_json() -> None:
    for key in (KEY, *OTHERS.values()):
        assert PlanKey.from_json(json.loads(json.dumps(key.as_json()))) == key


@pytest.mark.parametrize("field", OTHERS)
def test_each_part_of_the_key_makes_another_plan(plan: Path, field: str) -> None:
    other = OTHERS[field]
    assert other.file_name != KEY.file_name
    stale = plan.with_name(other.file_name)
    plan.rename(stale)
    with pytest.raises(PlanMismatchError, match=f"of another {field}$"):
        read_plan(stale, other)


def test_a_flipped_bit_anywhere_is_noticed(plan: Path) -> None:
    whole = plan.read_bytes()
    header = len(whole) - len(ENGINE)
    places = [*range(0, 90, 7), *range(90, header, 97), *range(header, len(whole), 211), len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        plan.write_bytes(damaged)
        with pytest.raises(PlanMismatchError, match="damaged|not a plan"):
            read_plan(plan, KEY)


def test_a_plan_that_was_cut_off_or_grew_is_noticed(plan: Path) -> None:
    whole = plan.read_bytes()
    header = len(whole) - len(ENGINE)
    for length in (0, 1, 50, 81, 500, header - 1, header, header + 1, len(whole) - 1):
        plan.write_bytes(whole[:length])
        with pytest.raises(PlanMismatchError):
            read_plan(plan, KEY)
    plan.write_bytes(whole + b"x")
    with pytest.raises(PlanMismatchError, match="cut off"):
        read_plan(plan, KEY)


def test_a_header_of_another_farshore_is_noticed(tmp_path: Path) -> None:
    class NewerKey(PlanKey):
        def as_json(self) -> dict[str, object]:
            return {**super().as_json(), "mood": "cheerful"}

    newer = NewerKey(**{field: getattr(KEY, field) for field in KEY.__slots__})
    path = tmp_path / "newer.plan"
    write_plan(path, newer, ENGINE, 1.0)
    with pytest.raises(PlanMismatchError, match="another version of farshore"):
        read_plan(path)


def test_what_was_written_wrongly_is_not_published(tmp_path: Path) -> None:
    unfinished = unfinished_path(tmp_path, KEY)
    write_plan(unfinished, KEY, ENGINE, 1.0)
    unfinished.write_bytes(unfinished.read_bytes()[:-1])
    with pytest.raises(PlanMismatchError):
        publish_plan(unfinished, KEY)
    assert not (tmp_path / KEY.file_name).exists()


def test_a_plan_in_use_outlives_its_replacement(plan: Path) -> None:
    in_use = read_plan(plan, KEY)
    unfinished = unfinished_path(plan.parent, KEY)
    write_plan(unfinished, KEY, ENGINE[::-1], 2.0)
    publish_plan(unfinished, KEY)
    assert bytes(in_use.payload) == ENGINE
    assert bytes(read_plan(plan, KEY).payload) == ENGINE[::-1]


def test_the_list_shows_the_newest_first_and_what_is_damaged(plan: Path) -> None:
    now = time.time()
    os.utime(plan, (now - 100, now - 100))
    torn = plan.with_name("torn.plan")
    torn.write_bytes(plan.read_bytes()[:-1])
    os.utime(torn, (now - 50, now - 50))
    plan.with_name("notes.txt").write_text("not a plan")
    listed = list(list_plans(plan.parent, now))
    assert [(entry.path, entry.key) for entry in listed] == [(torn, None), (plan, KEY)]
    assert listed[1].file_bytes == plan.stat().st_size
    assert listed[1].age_seconds == pytest.approx(100, abs=1)
    assert list(list_plans(plan.parent / "nowhere", now)) == []


def test_what_killed_builds_left_is_swept_a_day_later(plan: Path) -> None:
    abandoned, busy = (plan.with_name(f"a.plan.{number}.unfinished") for number in (1, 2))
    for path in (abandoned, busy):
        path.write_bytes(b"half a plan")
    os.utime(abandoned, (0, 0))
    sweep_unfinished(plan.parent)
    assert busy.exists()
    assert not abandoned.exists()
    assert plan.exists()
