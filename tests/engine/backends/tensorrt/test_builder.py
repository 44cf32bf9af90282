"""The builder against the library itself, and against stand-ins that have only the names all versions share."""

from collections.abc import Sequence
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import pytest

from engine.backends.tensorrt.builder import build_engine
from engine.backends.tensorrt.library import Library
from engine.backends.tensorrt.plans import PlanKey
from engine.backends.tensorrt.profiles import ShapeRange, Sizes, build_profile
from engine.backends.tensorrt.targets import Targets
from engine.errors import BuildError
from engine.model import Model, builtin_models
from tests.engine.backends.tensorrt.engines import ADA, key_of, library, unbuildable


def needs_rtx() -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed; comes with the rtx extra")


def build(found: Library, data: bytes, key: PlanKey) -> tuple[Any, list[tuple[float, str]], list[str]]:
    progress: list[tuple[float, str]] = []
    notes: list[str] = []
    engine = build_engine(found, data, key, lambda share, phase: progress.append((share, phase)), notes.append)
    return engine, progress, notes


def test_what_cannot_be_read_names_the_node() -> None:
    needs_rtx()
    data = unbuildable("parser")
    with pytest.raises(BuildError, match=r"model tested: TensorRT for RTX .* cannot read it: node culprit \(Det\): "):
        build(library(), data, key_of(data))


def test_what_cannot_be_built_names_the_node() -> None:
    needs_rtx()
    data = unbuildable("engine")
    too_small = {"x": ShapeRange(smallest=(1, 3, 1, 1), usual=(1, 3, 1, 1), largest=(1, 3, 8, 8))}
    with pytest.raises(BuildError, match="model tested: TensorRT for RTX .* cannot build it: .*culprit"):
        build(library(), data, key_of(data, too_small))


def test_a_compute_capability_that_the_library_lacks_is_named() -> None:
    needs_rtx()
    data = unbuildable("engine")
    fine = {"x": ShapeRange(smallest=(1, 3, 8, 8), usual=(1, 3, 8, 8), largest=(1, 3, 8, 8))}
    with pytest.raises(BuildError, match="does not build for SM87; leave it out of --for"):
        build(library(), data, key_of(data, fine, Targets(compute_capabilities=("SM87",))))


def test_matrix_products_in_float32_cannot_be_built_for_turing_and_the_cure_is_told() -> None:
    needs_rtx()
    colorize = Model.load(builtin_models()["film-colorize"])
    key = key_of(colorize.data, build_profile(colorize, Sizes()), Targets(compute_capabilities=("SM75",)))
    with pytest.raises(BuildError, match="node_matmul.*; leave turing out of --for"):
        build(library(), colorize.data, key)


def test_progress_rises_to_the_end() -> None:
    needs_rtx()
    data = unbuildable("engine")
    fine = {"x": ShapeRange(smallest=(1, 3, 8, 8), usual=(1, 3, 16, 16), largest=(1, 3, 32, 32))}
    engine, progress, _ = build(library(), data, key_of(data, fine, ADA))
    assert memoryview(engine).nbytes > 1000
    shares = [share for share, _ in progress]
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] < 0.5 < shares[-1] <= 1.0


class Ten(IntEnum):
    """The flag in TensorRT 10."""

    STRONGLY_TYPED = 1


class Eleven(IntEnum):
    """The flag in TensorRT 11."""

    STRONGLY_TYPED = 0


class StandIn:
    """A TensorRT for the machine's own GPU that has only what 10.3, 10.16 and 11 share, and notes what is asked of it.

    Parameters
    ----------
    flags : the enum of its version
    parses, builds : whether it does
    accounts : of its layers, that it gives while it builds
    """

    def __init__(
        self, flags: type[IntEnum], *, parses: bool = True, builds: bool = True, accounts: Sequence[str] = ()
    ) -> None:
        asked: dict[str, Any] = {}
        self.asked = asked

        class ILogger:
            INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        class IProgressMonitor:
            pass

        class Builder:
            def __init__(self, logger: Any) -> None:
                self.logger = logger

            def create_network(self, flag_bits: int) -> object:
                asked["flags"] = flag_bits
                return object()

            def create_builder_config(self) -> Any:
                return Config()

            def create_optimization_profile(self) -> Any:
                return SimpleNamespace(set_shape=lambda *shapes: asked.setdefault("shapes", []).append(shapes))

            def build_serialized_network(self, network: object, config: Any) -> bytes | None:
                config.progress_monitor.phase_start("build", None, 1)
                going_on = config.progress_monitor.step_complete("build", 0)
                self.logger.log(ILogger.WARNING, "mind\n  the step")
                asked["verbosity"] = getattr(config, "profiling_verbosity", None)
                for account in accounts:
                    self.logger.log(ILogger.VERBOSE, account)
                if not builds:
                    self.logger.log(ILogger.ERROR, "no kernel for node_7")
                return b"engine" if builds and going_on else None

        class Config:
            __slots__ = ("profiling_verbosity", "progress_monitor")

            def set_memory_pool_limit(self, pool: object, size: int) -> None:
                asked["pool"] = (pool, size)

            def add_optimization_profile(self, profile: object) -> int:
                return 0

        class OnnxParser:
            def __init__(self, network: object, logger: Any) -> None:
                self.num_errors = 0

            def parse(self, data: bytes) -> bool:
                asked["data"] = data
                return parses

        self.ILogger, self.IProgressMonitor, self.Builder, self.OnnxParser = (
            ILogger,
            IProgressMonitor,
            Builder,
            OnnxParser,
        )
        self.NetworkDefinitionCreationFlag = flags
        self.ProfilingVerbosity = SimpleNamespace(DETAILED="detailed")
        self.MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")


def own_gpu_key(**changes: Any) -> PlanKey:
    shapes = ShapeRange(smallest=(1, 3, 8, 8), usual=(1, 3, 16, 16), largest=(1, 3, 32, 32))
    return PlanKey(
        model="tested",
        model_sha256="0",
        precision="fp32",
        profile={"x": shapes},
        library="tensorrt",
        version="10.3.0",
        targets=Targets(gpu="Orin"),
        **changes,
    )


@pytest.mark.parametrize(("flags", "bits"), [(Ten, 2), (Eleven, 1)])
def test_strong_typing_is_asked_for_by_name_whatever_its_number(flags: type[IntEnum], bits: int) -> None:
    stand_in = StandIn(flags)
    found = Library(module=stand_in, name="tensorrt", flavour="tensorrt", version="10.3.0")
    engine, progress, notes = build(found, b"model", own_gpu_key(workspace_bytes=1 << 20))
    assert engine == b"engine"
    assert stand_in.asked["flags"] == bits
    assert stand_in.asked["data"] == b"model"
    assert stand_in.asked["pool"] == ("workspace", 1 << 20)
    assert stand_in.asked["shapes"] == [("x", (1, 3, 8, 8), (1, 3, 16, 16), (1, 3, 32, 32))]
    assert progress == [(0.0, "build"), (1.0, "build")]
    assert notes == ["mind the step"]


def test_reasons_are_the_librarys_own() -> None:
    for stand_in, words in (
        (StandIn(Ten, builds=False), "cannot build it: no kernel for node_7"),
        (StandIn(Ten, parses=False), "cannot read it: no reason given"),
    ):
        found = Library(module=stand_in, name="tensorrt", flavour="tensorrt", version="10.3.0")
        with pytest.raises(BuildError, match=f"model tested: TensorRT 10.3.0 {words}"):
            build(found, b"model", own_gpu_key())


@pytest.mark.parametrize("accounts", [(), ("Layers:\nName: a", "Layers:\nName: b")])
def test_an_account_that_was_asked_for_and_is_not_given_is_an_error(accounts: Sequence[str]) -> None:
    stand_in = StandIn(Ten, accounts=("Tactic: 7", *accounts))
    found = Library(module=stand_in, name="tensorrt", flavour="tensorrt", version="10.3.0")
    words = f"model tested: TensorRT 10.3.0 gave {len(accounts)} accounts of the layers that it built; wanted one"
    with pytest.raises(BuildError, match=words):
        build_engine(found, b"model", own_gpu_key(), lambda *_: None, lambda _: None, lambda _: None)


def test_the_account_is_asked_for_only_where_it_is_wanted() -> None:
    stand_in = StandIn(Ten, accounts=("Layers:\nName: a",))
    found = Library(module=stand_in, name="tensorrt", flavour="tensorrt", version="10.3.0")
    build(found, b"model", own_gpu_key())
    assert stand_in.asked["verbosity"] is None
    told: list[str] = []
    build_engine(found, b"model", own_gpu_key(), lambda *_: None, lambda _: None, told.append)
    assert stand_in.asked["verbosity"] == "detailed"
    assert told == ["Layers:\nName: a"]
