"""Every name of TensorRT that the engine uses exists in every version that it is for.

Two ways that check each other: the source is searched for attributes, and the fake library notes what is really used.
"""

import ast
import collections
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import engine.backends.tensorrt as package
from engine.backends import base as backends
from engine.backends.tensorrt import backend, builder, graphs, journal, kernel_cache, plans, runtime, session
from engine.backends.tensorrt import library as libraries
from engine.backends.tensorrt.device import Gpu
from engine.backends.tensorrt.ensure import Ensured
from engine.backends.tensorrt.profiles import ShapeRange
from engine.backends.tensorrt.progress import PhaseTree
from engine.backends.tensorrt.targets import Targets
from engine.device import base as devices
from engine.model import Model, ModelCard
from tests.engine.backends.tensorrt.bindings import VERSIONS, common, extract, names
from tests.engine.backends.tensorrt.fakes import leases, make_bench
from tests.support.onnx_files import save_halver

RTX = "tensorrt-rtx-1.7"

TALKERS = (backend, builder, journal, kernel_cache, libraries, runtime, session)
"""The modules that hold objects of the library."""

RTX_ALONE = {
    "BuilderFlag.REQUIRE_USER_ALLOCATION",
    "ComputeCapability",
    "DynamicShapesKernelSpecializationStrategy",
    "DynamicShapesKernelSpecializationStrategy.EAGER",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
    "ICudaEngine.create_runtime_config",
    "IExecutionContext.is_stream_capturable",
    "IRuntimeCache.deserialize",
    "IRuntimeCache.serialize",
    "IRuntimeConfig.create_runtime_cache",
    "IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy",
    "IRuntimeConfig.set_execution_context_allocation_strategy",
    "IRuntimeConfig.set_runtime_cache",
}
"""What is used where the library is TensorRT for RTX, and only there."""

OTHERS = (
    *(Ensured, Gpu, Model, ModelCard, PhaseTree, ShapeRange, Targets),
    *(kind for module in (*TALKERS, backends, devices, graphs, plans) for kind in vars(module).values()),
    *(ast, bytes, dict, hashlib, hashlib.sha256(), int, list, logging, logging.getLogger(), memoryview, np, np.ndarray),
    *(OSError(), os, Path, set, str, threading, collections.OrderedDict, libraries.importlib, libraries.sys),
    *(libraries.importlib.util, libraries.sys.modules),
)
"""Everything else that these modules handle."""


def attributes(module: object) -> Iterator[str]:
    """Yield every name after a dot in a module's source, but Python's own."""
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
            yield node.attr


def own_names(module: object) -> set[str]:
    """Return the attributes that a module's own classes have: fields, methods, and what is set on `self`."""
    tree = ast.parse(Path(module.__file__).read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            found.add(node.attr)
    return found


def last(full: str) -> str:
    return full.rpartition(".")[2]


def used_by_source(*modules: object) -> set[str]:
    """Return the names in modules that can only be the library's."""
    known = {name for thing in OTHERS for name in dir(thing)} | own_names(backends) | own_names(devices)
    return {name for module in modules for name in set(attributes(module)) - own_names(module) - known}


@pytest.fixture(scope="module")
def used_by_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return, by flavour, what sessions that open, run, record, fail and close ask of the library."""
    used: dict[str, set[str]] = {}
    folder = tmp_path_factory.mktemp("used")
    model = Model.load(save_halver(folder / "m.onnx"))
    for flavour in ("tensorrt", "rtx"):
        with pytest.MonkeyPatch.context() as patch:
            bench = make_bench(folder / flavour, flavour, patch)
            opened, stream = bench.open(model, {"luma": (1, 1, 8, 8)}), bench.device.stream()
            arrays = {"luma": bench.device.empty((1, 1, 8, 8), np.float32)}, leases(opened)
            for _ in range(3):
                opened.enqueue(*arrays, stream)
            opened.close()
            bench.open(model, {"luma": (1, 1, 8, 8)})  # with the kernels that are kept by now
            used[flavour] = {f"{kind}.{name}" if kind else name for kind, name in bench.library.calls.used}
    return used


def test_names_in_the_source_are_in_every_version_or_are_rtx_alone() -> None:
    everywhere, rtx = {last(full) for full in common()}, {last(full) for full in RTX_ALONE}
    used = used_by_source(*TALKERS)
    assert {"execute_async_v3", "deserialize_cuda_engine", "USER_MANAGED", "set_aux_streams", "EAGER"} <= used
    assert used - everywhere - rtx == set()
    assert used <= {last(full) for full in names(RTX)}


def test_what_is_rtx_alone_is_in_rtx_and_is_used() -> None:
    assert names(RTX) >= RTX_ALONE
    assert {last(full) for full in RTX_ALONE} <= {name for module in TALKERS for name in attributes(module)}
    for full in RTX_ALONE - {
        "IRuntimeConfig.set_execution_context_allocation_strategy",
        "ICudaEngine.create_runtime_config",
    }:
        assert full not in names("tensorrt-11.4"), f"{full} is in TensorRT too by now"


def test_names_in_runs_are_in_every_version(used_by_runs: dict[str, set[str]]) -> None:
    assert used_by_runs["tensorrt"] <= common()
    assert used_by_runs["rtx"] <= names(RTX)
    assert used_by_runs["rtx"] - common() <= RTX_ALONE


def test_runs_use_every_name_of_the_source(used_by_runs: dict[str, set[str]]) -> None:
    """A name that only a branch reaches that no test enters would be in the source, and in no run."""
    ran = {last(full) for full in used_by_runs["tensorrt"] | used_by_runs["rtx"]}
    severities = {last(full) for full in common() if full.startswith("ILogger.")}
    assert used_by_source(*(module for module in TALKERS if module is not builder)) <= ran | severities


def test_the_builder_is_searched_too() -> None:
    assert used_by_source(builder) >= {"build_serialized_network", "progress_monitor", "REQUIRE_USER_ALLOCATION"}


@pytest.mark.parametrize("version", VERSIONS)
def test_lists_are_sorted_say_how_they_were_made_and_hold_what_the_facts_name(version: str) -> None:
    lines = (Path(extract.__file__).parent / f"{version}.txt").read_text().splitlines()
    assert lines[0].startswith("# from the ")
    assert lines[1:] == sorted(set(lines[1:]))
    assert {"Runtime.deserialize_cuda_engine", "IExecutionContext.execute_async_v3", "ILogger.VERBOSE"} <= set(lines)


def test_the_list_of_rtx_is_what_the_installed_library_has() -> None:
    real = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; comes with rtx")
    if not real.__version__.startswith("1.7."):
        pytest.skip(f"the list is of 1.7, installed is {real.__version__}")
    assert set(extract.of_module(real)) == names(RTX)


def test_every_name_exists_in_the_real_library(used_by_runs: dict[str, set[str]]) -> None:
    real = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; comes with rtx")
    for full in used_by_runs["rtx"] | RTX_ALONE:
        owner, _, name = full.rpartition(".")
        assert hasattr(getattr(real, owner) if owner else real, name), full


def test_modules_that_hold_no_object_of_the_library_name_none_of_its_own() -> None:
    """A module that begins to talk to the library must be listed above."""
    talkers = {Path(module.__file__).name for module in TALKERS}
    told = {last(full) for full in names(RTX) if "_" in last(full) and last(full).islower()}
    for path in Path(package.__file__).parent.glob("*.py"):
        if path.name not in talkers:
            found = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
            assert not found & told, path.name
