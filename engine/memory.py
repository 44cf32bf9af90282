"""How much memory this process may still take."""

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_OWN_GROUP = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Return the bytes that can be taken without swapping: the machine's, or what a container's limit leaves of them.

    None where the system does not tell (anything but Linux).
    """
    if not _MEMINFO.exists():
        return None
    lines = (line.split() for line in _MEMINFO.read_text().splitlines())
    machine = next((int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"), None)
    known = [room for room in (machine, *_group_rooms()) if room is not None]
    return min(known, default=None)


def _group_rooms() -> list[int]:
    """Return what each control group above this process that has a limit leaves (cgroup v2)."""
    rooms: list[int] = []
    if not _OWN_GROUP.exists():
        return rooms
    own = next((line[3:] for line in _OWN_GROUP.read_text().splitlines() if line.startswith("0::")), "/")
    group = _GROUPS / own.lstrip("/")
    for folder in (group, *group.parents):
        limit, used = folder / "memory.max", folder / "memory.current"
        if limit.exists() and (text := limit.read_text().strip()) != "max":
            rooms.append(max(int(text) - int(used.read_text()) + _reclaimable(folder), 0))
        if folder == _GROUPS:
            break
    return rooms


def _reclaimable(folder: Path) -> int:
    """Return the bytes of files kept in memory that the system gives back when asked for room."""
    lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return next((int(words[1]) for words in lines if words[0] == "inactive_file"), 0)
