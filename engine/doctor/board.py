"""A Jetson's power mode and temperature, the clocks, and what the kiosk would need."""

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.doctor.finding import Finding, bad, good, not_applicable

BOARD = Path("/proc/device-tree/model")
THERMAL = Path("/sys/class/thermal")
CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
HOT = 90.0
"""Degrees Celsius from which a Jetson slows down (software throttling at 99, NVIDIA's thermal design guides)."""

COARSEST = 1e-6
"""Seconds: spans are measured in microseconds."""

_TIME_ERROR = 5  # of adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 256  # struct timex has 208 on 64-bit Linux


def is_jetson(board: Path = BOARD) -> bool:
    """Whether this machine says of itself that it is one."""
    return board.exists() and b"jetson" in board.read_bytes().lower()


def check_power(board: Path = BOARD, ask: Callable[[], str] | None = None) -> Iterator[Finding]:
    """Ask a Jetson for its power mode."""
    if not is_jetson(board):
        yield not_applicable("power mode", "no Jetson")
        return
    try:
        answer = (ask or _nvpmodel)()
    except (OSError, subprocess.SubprocessError) as error:
        yield bad("power mode", f"nvpmodel does not answer: {error}", "run it as root: sudo nvpmodel -q")
        return
    mode = next((line.partition(":")[2].strip() for line in answer.splitlines() if "Power Mode" in line), "")
    if not mode:
        yield bad("power mode", "nvpmodel names none", "sudo nvpmodel -q")
    elif mode.upper().startswith("MAXN"):
        yield good("power mode", mode)
    else:
        yield good("power mode", f"{mode}; sudo nvpmodel -m 0 and sudo jetson_clocks give more speed for more power")


def _nvpmodel() -> str:
    return subprocess.run(["nvpmodel", "-q"], check=True, capture_output=True, text=True, timeout=10).stdout


def check_heat(board: Path = BOARD, thermal: Path = THERMAL) -> Iterator[Finding]:
    """Read a Jetson's temperatures."""
    if not is_jetson(board):
        yield not_applicable("temperature", "no Jetson")
        return
    degrees: dict[str, float] = {}
    for zone in sorted(thermal.glob("thermal_zone*")):
        try:
            degrees[(zone / "type").read_text().strip()] = int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):  # zones of parts that are switched off cannot be read
            continue
    if not degrees:
        yield bad("temperature", f"nothing in {thermal} can be read", "check the board's kernel")
        return
    zone, most = max(degrees.items(), key=lambda item: item[1])
    if most >= HOT:
        yield bad("temperature", f"{zone} {most:.0f} °C: it slows down", "give it air, or a lower power mode")
    else:
        yield good("temperature", f"{zone} {most:.0f} °C is the warmest")


def check_clock(resolution: float | None = None) -> Iterator[Finding]:
    """Look how finely times can be measured."""
    step = _smallest_step() if resolution is None else resolution
    if step > COARSEST:
        cure = "let the kernel use the processor's own clock: clocksource=tsc on its command line"
        yield bad("clock", f"counts in steps of {1e6:.0f} µs" if step >= 1 else f"steps of {step * 1e6:.1f} µs", cure)
    else:
        yield good("clock", f"{time.get_clock_info('perf_counter').implementation}, steps of {step * 1e9:.0f} ns")


def _smallest_step() -> float:
    smallest = float("inf")
    for _ in range(1000):
        start = now = time.perf_counter_ns()
        while now == start:
            now = time.perf_counter_ns()
        smallest = min(smallest, now - start)
    return smallest / 1e9


def check_time(ask: Callable[[], int | None] | None = None, in_container: bool | None = None) -> Iterator[Finding]:
    """Ask the kernel whether the time of day is synchronised."""
    state = (ask or clock_state)()
    if state is None:
        yield not_applicable("time of day", "the kernel may not be asked here")
    elif state != _TIME_ERROR:
        yield good("time of day", "synchronised")
    elif any(mark.exists() for mark in CONTAINER) if in_container is None else in_container:
        yield not_applicable("time of day", "not synchronised by the kernel's account; a container's host sees to it")
    else:
        cure = "sudo timedatectl set-ntp true (or install chrony)"
        yield bad("time of day", "not synchronised; time codes and logs of two machines will not agree", cure)


def clock_state() -> int | None:
    """Return what `adjtimex` answers (5: not synchronised); None where it may not be asked."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        state = int(libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state


def check_display() -> Iterator[Finding]:
    """Say that the kiosk needs nothing yet."""
    shown = "a display is there" if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") else "no display"
    yield not_applicable("kiosk", f"not part of this version ({shown})")


CHECKS = (check_power, check_heat, check_clock, check_time, check_display)
