from pathlib import Path

import pytest

from engine import memory
from engine.memory import available_memory


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with made-up files of the system: 8 GB to be had, groups without limits."""
    (tmp_path / "meminfo").write_text("MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n")
    (tmp_path / "cgroup").write_text("0::/films/restorer\n")
    (tmp_path / "groups/films/restorer").mkdir(parents=True)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_OWN_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    return tmp_path


def limit(group: Path, most: str, used: int, reclaimable: int) -> None:
    (group / "memory.max").write_text(f"{most}\n")
    (group / "memory.current").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {reclaimable}\n")


def test_what_the_machine_has(system: Path) -> None:
    limit(system / "groups/films/restorer", "max", 10, 0)
    assert available_memory() == 8_000_000 * 1024


def test_what_the_narrowest_group_above_leaves(system: Path) -> None:
    limit(system / "groups/films/restorer", "3000000000", 1_000_000_000, 200_000_000)
    limit(system / "groups/films", "2000000000", 1_500_000_000, 300_000_000)
    assert available_memory() == 800_000_000


def test_nothing_is_said_where_the_system_does_not_tell(system: Path) -> None:
    (system / "meminfo").unlink()
    assert available_memory() is None


def test_this_machine_has_some() -> None:
    available = available_memory()
    assert available is None or available > 0
