"""Plans from the cache: found when they are whole and right, built again when they are not."""

import logging
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; it comes with the rtx extra")

from engine.backends.tensorrt import ensure  # noqa: E402
from engine.backends.tensorrt.ensure import Wishes, ensure_plan, plan_key  # noqa: E402
from engine.backends.tensorrt.plans import read_plan  # noqa: E402
from engine.backends.tensorrt.process import Limits  # noqa: E402
from engine.backends.tensorrt.profiles import Sizes  # noqa: E402
from engine.errors import BuildError  # noqa: E402
from engine.model import Model, builtin_models  # noqa: E402
from tests.engine.backends.tensorrt.engines import SMALL, ensured, library, unbuildable  # noqa: E402
from tests.support.onnx_files import METADATA, save_halver  # noqa: E402

FOUR = Wishes(sizes=SMALL, families=("ampere", "ada", "blackwell"))


@pytest.fixture
def tiny(tmp_path: Path) -> Model:
    """Return a model whose engine takes no time."""
    return Model.load(save_halver(tmp_path / "tiny.onnx"))


@pytest.mark.parametrize("name", [name for name in builtin_models() if not name.endswith("-int8")])
def test_built_in_models_are_built_for_every_usual_gpu(name: str, tmp_path: Path) -> None:
    made = ensured(Model.load(builtin_models()[name]), tmp_path, wishes=FOUR)
    assert made.was_built
    assert made.plan.payload.nbytes > 1_000_000
    assert made.plan.key.targets.compute_capabilities == ("SM80", "SM86", "SM89", "SM120", "SM121")


def test_a_plan_is_built_once(tiny: Model, tmp_path: Path) -> None:
    folder = tmp_path / "plans"
    first, second = ensured(tiny, folder), ensured(tiny, folder)
    assert (first.was_built, second.was_built) == (True, False)
    assert bytes(first.plan.payload) == bytes(second.plan.payload)
    assert list(folder.iterdir()) == [first.plan.path]


def test_other_bytes_sizes_or_versions_are_other_plans(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plans"
    ensured(tiny, folder)
    graph = onnx.load_model_from_string(tiny.data)
    graph.doc_string = "another"
    changed = tmp_path / "changed.onnx"
    onnx.save(graph, changed)
    assert ensured(Model.load(changed), folder).was_built
    sizes = replace(SMALL, usual=(64, 64))
    assert ensured(tiny, folder, wishes=Wishes(sizes=sizes, families=("ada",))).was_built
    assert ensured(tiny, folder, wishes=Wishes(sizes=SMALL, families=("ampere",))).was_built
    assert len(list(folder.iterdir())) == 4
    newer = replace(library(), version="99.0")
    key = plan_key(tiny, newer, None, Wishes(sizes=SMALL, families=("ada",)))
    calls: list[str] = []
    monkeypatch.setattr(ensure, "run_build", lambda *arguments: calls.append(arguments[2].version))
    with pytest.raises(FileNotFoundError):  # the stand-in makes no plan
        ensure_plan(tiny, key, newer, folder, Limits(), lambda *_: None, lambda _: None)
    assert calls == ["99.0"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "of another model"])
def test_a_damaged_or_stale_plan_is_noticed_and_built_again(
    tiny: Model, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "plans"
    path = ensured(tiny, folder).plan.path
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-1000] ^= 4
    other = read_plan(ensured(tiny, folder, wishes=Wishes(sizes=SMALL, families=("ampere",))).plan.path)
    path.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "flipped": bytes(flipped),
            "empty": b"",
            "of another model": other.path.read_bytes(),
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        mended = ensured(tiny, folder)
    assert mended.was_built
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(f"plan {path}: ")
    assert caplog.messages[0].endswith("; building it again")
    assert not ensured(tiny, folder).was_built


def test_what_cannot_be_built_leaves_nothing_behind(tmp_path: Path) -> None:
    graph = onnx.load_model_from_string(unbuildable("engine"))
    onnx.helper.set_model_props(graph, {f"farshore.{key}": value for key, value in METADATA.items()})
    onnx.save(graph, tmp_path / "bad.onnx")
    model = Model.load(tmp_path / "bad.onnx")
    sizes = Sizes(usual=(1, 1))
    with pytest.raises(BuildError, match="model tiny: .*culprit"):
        ensured(model, tmp_path / "plans", wishes=Wishes(sizes=sizes, families=("ada",)))
    assert list((tmp_path / "plans").iterdir()) == []


def test_two_processes_that_build_at_once_both_get_a_whole_plan(tiny: Model, tmp_path: Path) -> None:
    program = f"""
        import sys
        from pathlib import Path
        from engine.model import Model
        from tests.engine.backends.tensorrt.engines import ensured

        model = Model.load({str(tiny.path)!r})
        print("ready", flush=True)
        sys.stdin.readline()
        made = ensured(model, Path({str(tmp_path / "plans")!r}))
        print(made.was_built, made.plan.payload.nbytes)
        """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for each in both:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in both:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    said = [each.communicate(timeout=120) for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    made = ensured(tiny, tmp_path / "plans")
    assert not made.was_built
    assert {out.split()[1] for out, _ in said} == {str(made.plan.payload.nbytes)}
    assert list((tmp_path / "plans").iterdir()) == [made.plan.path]
