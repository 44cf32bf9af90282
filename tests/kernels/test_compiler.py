"""NVRTC compiles every source for every GPU, without one."""

import errno
import logging
import re

import pytest

from kernels.catalogue import ELEMENTS, catalogue, sources
from kernels.compiler import ARCHITECTURES, CompileError, compile_source
from kernels.host.build import build_source


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", sources())
def test_every_source_compiles_for_every_architecture(source: str, architecture: str):
    names = [kernel.name for kernel in catalogue().values() if kernel.source == source]
    for element in ELEMENTS:
        code = compile_source(source, element, architecture).code
        assert code[:4] == b"\x7fELF"
        assert all(name.encode() in code for name in names)


def test_a_second_compilation_comes_from_the_folder(tmp_path):
    first = compile_source("warp", "float16", "sm_86", folder=tmp_path).code
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert made
    assert compile_source("warp", "float16", "sm_86", folder=tmp_path).code == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == made
    compile_source("warp", "float32", "sm_86", folder=tmp_path)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) > len(made)


def test_a_folder_that_cannot_be_used_is_warned_of_once_and_done_without(tmp_path, caplog):
    (tmp_path / "taken").write_text("a file where the folder should be")
    folder = tmp_path / "taken" / "kernels"
    with caplog.at_level(logging.WARNING, "kernels"):
        codes = [compile_source("warp", "float32", "sm_86", folder=folder).code for _ in range(2)]
    assert codes == [compile_source("warp", "float32", "sm_86").code] * 2
    assert len(caplog.messages) == 1
    assert re.search(r"taken/kernels: not kept: .*; they will be compiled at each start", caplog.messages[0])


def test_a_disk_that_is_full_does_not_end_the_run(tmp_path, caplog, monkeypatch):
    utils = pytest.importorskip("cuda.core.utils")

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(utils.FileStreamProgramCache, "__setitem__", full)
    assert compile_source("warp", "float32", "sm_86", folder=tmp_path).code[:4] == b"\x7fELF"
    assert "No space left on device" in caplog.text


def test_what_the_compiler_says_is_in_the_error(monkeypatch, tmp_path):
    monkeypatch.setattr("kernels.compiler.source_text", lambda source: "KERNEL_THAT_IS_NONE here;")
    with pytest.raises(CompileError, match=r"(?s)warp\.cu for sm_86.*KERNEL_THAT_IS_NONE"):
        compile_source("warp", "float32", "sm_86")


def test_a_compiler_that_is_missing_is_named_with_its_cure(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cuda.core", None)
    with pytest.raises(CompileError, match="install the extra"):
        compile_source("warp", "float32", "sm_86")


def test_zig_compiles_where_there_is_no_system_compiler(monkeypatch, tmp_path):
    pytest.importorskip("ziglang", reason="the dev extra brings it")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert build_source("warp", "float16", tmp_path).element == "float16"
