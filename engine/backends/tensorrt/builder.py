"""ONNX bytes to an engine, with TensorRT 10, TensorRT 11 or TensorRT for RTX.

Only names that all of them have are used. What differs is asked of the library by name: flags by their enums (their
numbers differ between versions), compute capabilities where the library has them. Precision is what the file says:
networks are strongly typed.
"""

from collections.abc import Callable
from typing import Any

from engine.backends.tensorrt.layers import HEAD
from engine.backends.tensorrt.library import Library
from engine.backends.tensorrt.plans import PlanKey
from engine.backends.tensorrt.progress import PhaseTree, Report
from engine.errors import BuildError

Note = Callable[[str], None]
"""Takes a warning of the library, one line."""

TURING = "for Turing"
"""In the library's words when its compiler for this one family lacks an operation."""

_LONGEST_REASON = 400
_MOST_ERRORS = 3


def build_engine(
    library: Library, data: bytes, key: PlanKey, report: Report, note: Note, on_account: Note | None = None
) -> Any:
    """Build an engine in this process; minutes of work, and on bad days a crash: `process.run_build` is for use.

    Parameters
    ----------
    library : that builds
    data : the bytes of the ONNX file
    key : what to build: profile, targets, workspace
    report : takes progress, on threads of the library; must not raise
    note : takes warnings; must not raise
    on_account : takes the library's account of the layers that it built, which `layers.read_account` reads. An engine
        that is built with one is for looking at: it holds more than others, and may run slower

    Returns
    -------
    object with the buffer protocol
        The engine, serialised.

    Raises
    ------
    BuildError
        The library cannot read or build it; the message names the node where the library says which. Or it was asked
        for an account and gave none.
    """
    trt = library.module
    complaints: list[str] = []
    accounts: list[str] = []
    logger = _logger(trt, complaints, accounts, note)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(data):
        raise BuildError(f"model {key.model}: {library.title} cannot read it: {_parse_errors(parser, complaints)}")
    config = builder.create_builder_config()
    _configure(library, builder, config, key)
    if on_account is not None:
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    monitor = _monitor(trt, report)
    config.progress_monitor = monitor
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        reason = _shortened(complaints[0]) if complaints else "no reason given"
        cure = "; leave turing out of --for" if TURING in reason else ""
        raise BuildError(f"model {key.model}: {library.title} cannot build it: {reason}{cure}")
    if on_account is not None:
        if len(accounts) != 1:
            raise BuildError(
                f"model {key.model}: {library.title} gave {len(accounts)} accounts of the layers that it built; wanted "
                "one; leave --layers out"
            )
        on_account(accounts[0])
    return engine


def _configure(library: Library, builder: Any, config: Any, key: PlanKey) -> None:
    trt = library.module
    if library.flavour == "rtx":  # else runs may allocate, and then no CUDA graph can be recorded of them
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if key.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, key.workspace_bytes)
    if key.targets.compute_capabilities:
        config.num_compute_capabilities = len(key.targets.compute_capabilities)
    for index, name in enumerate(key.targets.compute_capabilities):
        member = trt.ComputeCapability.__members__.get(name)
        if member is None or not config.set_compute_capability(member, index):
            raise BuildError(f"model {key.model}: {library.title} does not build for {name}; leave it out of --for")
    if key.profile:
        profile = builder.create_optimization_profile()
        for name, shapes in key.profile.items():
            profile.set_shape(name, shapes.smallest, shapes.usual, shapes.largest)
        if config.add_optimization_profile(profile) < 0:
            raise BuildError(f"model {key.model}: {library.title} refuses the sizes; wanted smallest ≤ usual ≤ largest")


def _logger(trt: Any, complaints: list[str], accounts: list[str], note: Note) -> Any:
    errors = (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR)

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in errors:
                complaints.append(message)
            elif severity == trt.ILogger.WARNING:
                note(_shortened(message))
            elif message.startswith(HEAD):
                accounts.append(message)

    return Log()


def _monitor(trt: Any, report: Report) -> Any:
    tree = PhaseTree(report)

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            tree.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            tree.step(phase_name, step)
            return True

        def phase_finish(self, phase_name: str) -> None:
            tree.finish(phase_name)

    return Monitor()


def _parse_errors(parser: Any, complaints: list[str]) -> str:
    told: list[str] = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        name, operator = error.node_name(), error.node_operator()
        where = f"node {name or error.node()}{f' ({operator})' if operator else ''}"
        told.append(f"{where}: {_shortened(error.desc())}")
    distinct = list(dict.fromkeys(told)) or [_shortened(complaint) for complaint in complaints]
    return "; ".join(distinct[:_MOST_ERRORS]) or "no reason given"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
