"""The child process: what it makes, and that whatever happens to it is one error and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; it comes with the rtx extra")

from engine.backends.tensorrt import process  # noqa: E402
from engine.backends.tensorrt.plans import PlanKey, read_plan  # noqa: E402
from engine.backends.tensorrt.process import Limits, run_build  # noqa: E402
from engine.backends.tensorrt.profiles import build_profile  # noqa: E402
from engine.errors import BuildError  # noqa: E402
from engine.model import Model, builtin_models  # noqa: E402
from tests.engine.backends.tensorrt.engines import SMALL, key_of, library, unbuildable  # noqa: E402
from tests.support.onnx_files import save_halver  # noqa: E402

Report = Callable[[float, str], None]


@pytest.fixture(scope="module")
def restore() -> Model:
    return Model.load(builtin_models()["film-restore"])


def run(model: Model, path: Path, *, limits: Limits | None = None, report: Report = lambda *_: None) -> PlanKey:
    key = key_of(model.data, build_profile(model, SMALL))
    run_build(library().name, model.data, key, path, limits or Limits(), report, lambda _: None)
    return key


def stand_in(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Have a program of our own in the child's place."""
    monkeypatch.setattr(process, "CHILD", (sys.executable, "-c", textwrap.dedent(program)))


def test_the_child_builds_and_tells_how_far_it_is(restore: Model, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    path = tmp_path / "made.unfinished"
    key = run(restore, path, report=lambda share, phase: told.append((share, phase)))
    assert read_plan(path, key).payload.nbytes > 100_000
    assert told
    assert [share for share, _ in told] == sorted(share for share, _ in told)


def test_a_library_error_comes_through_in_its_words(tmp_path: Path) -> None:
    data = unbuildable("parser")
    path = tmp_path / "made.unfinished"
    with pytest.raises(BuildError, match=r"model tested: .* node culprit \(Det\)"):
        run_build(library().name, data, key_of(data), path, Limits(), lambda *_: None, lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("megabytes", [1, 40, 100, 150])
def test_a_memory_cap_that_is_hit_is_told(restore: Model, tmp_path: Path, megabytes: int) -> None:
    limits = Limits(memory_bytes=megabytes * 1_000_000)
    with pytest.raises(BuildError, match=rf"takes more than the {megabytes / 1000:g} GB that it may; raise --memory"):
        run(restore, tmp_path / "made.unfinished", limits=limits)
    assert list(tmp_path.iterdir()) == []


def test_the_cap_is_three_quarters_of_the_machine_unless_set() -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert Limits().memory == pytest.approx(whole * 0.75, rel=1e-6)
    assert Limits(memory_bytes=7).memory == 7


def test_a_child_killed_in_mid_build_is_one_error(
    restore: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(
        monkeypatch,
        """
        import json, os, signal, sys
        request = json.loads(sys.stdin.buffer.readline())
        open(request["unfinished"], "wb").write(b"half")
        sys.stdin.buffer.read(request["model_bytes"])
        print(json.dumps({"event": "progress", "share": 0.5, "phase": "half"}), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    told: list[float] = []
    with pytest.raises(BuildError, match="model tested: the build was killed"):
        run(restore, tmp_path / "made.unfinished", report=lambda share, _: told.append(share))
    assert told == [0.5]
    assert list(tmp_path.iterdir()) == []


def test_the_real_child_killed_from_outside_is_one_error(tmp_path: Path) -> None:
    interpolate = Model.load(builtin_models()["film-interpolate"])

    def kill(share: float, phase: str) -> None:
        for pid in children():
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(BuildError, match="model tested: the build was killed"):
        run(interpolate, tmp_path / "made.unfinished", report=kill)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("os.abort()", r"the build crashed \(SIGABRT: last words\)"),
        ("sys.exit(7)", r"the build crashed \(exit code 7: last words\)"),
    ],
)
def test_a_crash_is_one_error_with_its_last_words(
    restore: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, words: str
) -> None:
    stand_in(monkeypatch, f"import os, sys; print('first\\nlast words', file=sys.stderr, flush=True); {ending}")
    with pytest.raises(BuildError, match=words):
        run(restore, tmp_path / "made.unfinished")


def test_an_abort_for_want_of_memory_is_told_as_such(
    restore: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "import os, sys; print('what():  std::bad_alloc', file=sys.stderr, flush=True); os.abort()")
    with pytest.raises(BuildError, match=r"takes more than the 2 GB that it may"):
        run(restore, tmp_path / "made.unfinished", limits=Limits(memory_bytes=2_000_000_000))


def test_a_time_limit_ends_the_child(restore: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "import time; time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(BuildError, match="not built after 0 s; raise --time-limit"):
        run(restore, tmp_path / "made.unfinished", limits=Limits(seconds=0.3))
    assert time.monotonic() - began < 20
    assert children() == []


def test_a_model_that_changed_meanwhile_is_not_built(restore: Model, tmp_path: Path) -> None:
    key = key_of(b"another file", build_profile(restore, SMALL))
    with pytest.raises(BuildError, match="was replaced meanwhile"):
        run_build(
            library().name, restore.data, key, tmp_path / "a.unfinished", Limits(), lambda *_: None, lambda _: None
        )


def test_ctrl_c_ends_the_child_and_leaves_nothing(
    restore: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(
        monkeypatch,
        """
        import json, sys, time
        request = json.loads(sys.stdin.buffer.readline())
        open(request["unfinished"], "wb").write(b"half")
        sys.stdin.buffer.read(request["model_bytes"])
        print(json.dumps({"event": "progress", "share": 0.5, "phase": "half"}), flush=True)
        time.sleep(60)
        """,
    )

    def interrupt(share: float, phase: str) -> None:
        main = threading.main_thread().ident
        assert main is not None
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()

    began = time.monotonic()
    # What runs in the background of a shell ignores Ctrl-C, and so would this test there.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(restore, tmp_path / "made.unfinished", report=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 20
    assert children() == []
    assert list(tmp_path.iterdir()) == []


def test_the_child_leaves_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed outright cannot end its child: the child notices by itself."""
    program = f"""
        import os, signal
        from pathlib import Path
        from engine.model import Model, builtin_models
        from engine.backends.tensorrt.process import Limits, run_build
        from engine.backends.tensorrt.profiles import build_profile
        from tests.engine.backends.tensorrt.engines import SMALL, key_of, library

        model = Model.load(builtin_models()["film-interpolate"])
        key = key_of(model.data, build_profile(model, SMALL))
        die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        path = Path({str(tmp_path / "made.unfinished")!r})
        run_build(library().name, model.data, key, path, Limits(), die, lambda _: None)
        """
    parent = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=60, check=False)
    assert parent.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while orphans(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert orphans(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_is_written_stays_when_the_parent_closes_first(tmp_path: Path) -> None:
    """The parent closes stdin as soon as it hears "done"; a child that is slow to leave must not tidy up then."""
    program = """
        import os, threading, time
        from engine.backends.tensorrt import child

        leave = os._exit

        def leave_late(code):
            if threading.current_thread() is threading.main_thread():
                time.sleep(5)
            leave(code)

        os._exit = leave_late
        child.main()
        """
    halver = Model.load(save_halver(tmp_path / "halver.onnx"))
    path = tmp_path / "made.unfinished"
    key = key_of(halver.data, build_profile(halver, SMALL))
    request = {
        "library": library().name,
        "key": key.as_json(),
        "unfinished": str(path),
        "model_bytes": len(halver.data),
        "memory_bytes": Limits().memory,
        "is_account_wanted": False,
    }
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(request).encode() + b"\n" + halver.data)
        child.stdin.flush()
        events = (json.loads(line)["event"] for line in child.stdout)
        assert "done" in events
        child.stdin.close()
        assert child.wait(timeout=60) == 1  # its watcher saw the end before it left
    assert read_plan(path, key).payload.nbytes > 1000


def children() -> list[int]:
    """Return the processes that this one started and that still live."""
    return [int(pid) for pid in Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()]


def orphans(folder: Path) -> list[int]:
    """Return the building processes that nobody waits for, this test's among them."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            command = (status.parent / "cmdline").read_bytes()
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"engine.backends.tensorrt.child" in command and parent == 1:
            found.append(int(status.parent.name))
    return found
