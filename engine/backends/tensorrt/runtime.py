"""Plans to execution contexts: everything that is asked of the library when a session opens.

Only names that TensorRT 10.3 to 11 and TensorRT for RTX share are used, but where `flavour` says that it is RTX.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.backends.base import Profile
from engine.backends.tensorrt.journal import Journal
from engine.backends.tensorrt.kernel_cache import KernelCache
from engine.backends.tensorrt.library import Library
from engine.backends.tensorrt.plans import Plan
from engine.device.base import Device, DeviceArray, Stream
from engine.errors import BuildError, DeviceError, PlanMismatchError
from engine.model import Model

_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
"""The library's element types, by name, that tensors of a session may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """An engine made ready for one profile.

    native : the library's `IExecutionContext`
    engine, options : what it was made of
    output_shapes : for the profile
    dtypes : of every input and output
    memory : scratch memory of a run
    auxiliary : streams on which parts of a run go beside each other
    kernels : what was compiled for this GPU; None where plans are finished as they are
    """

    native: Any
    engine: Any
    options: Any
    output_shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype[Any]]
    memory: DeviceArray
    auxiliary: tuple[Stream, ...]
    kernels: KernelCache | None


def start_runtime(library: Library, journal: Journal) -> Any:
    """Return the library's runtime.

    Raises
    ------
    DeviceError
        It does not start, for want of a GPU or a driver mostly.
    """
    try:
        return library.module.Runtime(journal.native)
    except (RuntimeError, TypeError) as error:  # TypeError: the library's factory gave nothing
        raise journal.failure("GPU", "start", DeviceError) from error


def read_engine(runtime: Any, journal: Journal, plan: Plan) -> Any:
    """Return the engine of a plan.

    Raises
    ------
    PlanMismatchError
        The library does not take it.
    DeviceError
        The GPU or its driver failed.
    """
    journal.take()
    engine = runtime.deserialize_cuda_engine(plan.payload)
    if engine is None:
        raise journal.failure(f"plan {plan.path}", "take it", PlanMismatchError)
    return engine


def open_context(
    library: Library, journal: Journal, engine: Any, model: Model, profile: Profile, device: Device, kernels: Path
) -> Context:
    """Make an engine ready for one profile.

    Parameters
    ----------
    library, journal : whose engine it is
    engine : of the model
    model, profile : what is to run
    device : gives memory and streams
    kernels : file of compiled kernels, where the library is TensorRT for RTX

    Raises
    ------
    BuildError
        The engine is not of this model, or does not take these sizes.
    DeviceError
        The GPU failed, or has too little memory.
    """
    trt, subject = library.module, f"model {model.card.name}"
    journal.take()
    dtypes = _dtypes(trt, engine, model)
    cache = None
    if library.flavour == "rtx":
        options = engine.create_runtime_config()
        options.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        # A session has one profile: its kernels are compiled now, not in the background while frames already come.
        options.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        cache = KernelCache(options, kernels)
    else:
        options = trt.ExecutionContextAllocationStrategy.USER_MANAGED
    native = engine.create_execution_context(options)
    if native is None:
        raise journal.failure(subject, "make it ready", BuildError)
    for name, shape in profile.shapes.items():
        if not native.set_input_shape(name, shape):
            raise journal.failure(subject, f"take {name!r} of shape {shape}", BuildError)
    shapes = _output_shapes(journal, native, model)
    needed = native.update_device_memory_size_for_shapes()
    memory = device.empty((max(1, needed),), np.uint8)
    native.set_device_memory(memory.pointer, needed)
    return Context(
        native=native,
        engine=engine,
        options=options,
        output_shapes=shapes,
        dtypes=dtypes,
        memory=memory,
        auxiliary=tuple(device.stream() for _ in range(engine.num_aux_streams)),
        kernels=cache,
    )


def _output_shapes(journal: Journal, native: Any, model: Model) -> dict[str, tuple[int, ...]]:
    """Return the outputs' shapes of a context whose inputs' shapes are set."""
    try:
        missing = native.infer_shapes()
    except RuntimeError as error:
        raise journal.failure(f"model {model.card.name}", "tell the shapes of its outputs", BuildError) from error
    shapes: dict[str, tuple[int, ...]] = {name: tuple(native.get_tensor_shape(name)) for name in model.outputs}
    open_ones = [*missing, *(name for name, shape in shapes.items() if min(shape, default=0) < 0)]
    if open_ones:
        raise BuildError(
            f"model {model.card.name}: the shapes of {', '.join(map(repr, open_ones))} are known only when it has run; "
            "wanted shapes that follow from the inputs'; use --backend cuda"
        )
    return shapes


def _dtypes(trt: Any, engine: Any, model: Model) -> dict[str, np.dtype[Any]]:
    """Return the element types of an engine's tensors, which must be those of the model."""
    names: list[str] = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    inputs = sorted(name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)
    outputs = sorted(name for name in names if name not in inputs)
    if (inputs, outputs) != (sorted(model.inputs), sorted(model.outputs)):
        raise BuildError(
            f"model {model.card.name}: its engine has inputs {inputs} and outputs {outputs}; wanted "
            f"{sorted(model.inputs)} and {sorted(model.outputs)}; delete the plan"
        )
    known = {getattr(trt.DataType, key): np.dtype(dtype) for key, dtype in _DTYPES.items()}
    dtypes: dict[str, np.dtype[Any]] = {}
    for name in names:
        kind = engine.get_tensor_dtype(name)
        if kind not in known:
            raise BuildError(
                f"model {model.card.name}: tensor {name!r} is {kind}; wanted one of {', '.join(_DTYPES)}; export it "
                "with other inputs and outputs"
            )
        dtypes[name] = known[kind]
    return dtypes
