"""The interface behind which libraries that run models differ, and nowhere else.

The contract and the decisions are in `engine/backends/README.md`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine.device.base import Device, DeviceArray, Stream
from engine.errors import BindingError
from engine.model import Model

Array = npt.NDArray[np.float32]

HOST_DTYPE = np.dtype(np.float32)
"""Of every tensor where nothing else is declared."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The concrete shape of every input for which a session is opened.

    shapes : input name → shape; every input of the model, no unknown sizes
    """

    shapes: Mapping[str, tuple[int, ...]]


class Session(ABC):
    """A model made ready for one profile on one device. Belongs to one thread at a time.

    Parameters
    ----------
    model, profile : what runs, and its inputs' shapes
    output_shapes : of every output
    device : where its tensors lie; None: in host memory
    dtypes : of tensors by name; those that are not named are float32

    Attributes
    ----------
    input_shapes, output_shapes : by name, as the profile fixes them
    dtypes : of every input and output, by name
    device : where its tensors lie; None: in host memory
    """

    def __init__(
        self,
        model: Model,
        profile: Profile,
        output_shapes: Mapping[str, tuple[int, ...]],
        *,
        device: Device | None = None,
        dtypes: Mapping[str, np.dtype[Any]] | None = None,
    ) -> None:
        self.model = model
        self.input_shapes = dict(profile.shapes)
        self.output_shapes = dict(output_shapes)
        self.device = device
        declared = dtypes or {}
        self.dtypes = {name: declared.get(name, HOST_DTYPE) for name in (*self.input_shapes, *self.output_shapes)}

    def enqueue(
        self,
        inputs: Mapping[str, Array] | Mapping[str, DeviceArray],
        outputs: Mapping[str, Array] | Mapping[str, DeviceArray],
        cuda_stream: Stream | None = None,
    ) -> None:
        """Run the model once, writing into the arrays given.

        On the processor the outputs are finished when it returns. On a device it returns without waiting: the outputs
        are finished when the stream has come there. Runs of one session follow one another in the order in which they
        were given, on whatever streams.

        Parameters
        ----------
        inputs : of the profile's shapes and of `dtypes`, C-contiguous; every input; `DeviceArray` where the session has
            a device; must stay untouched until finished
        outputs : of `output_shapes` and of `dtypes`, C-contiguous; every output; must not alias an input
        cuda_stream : the stream on which to run; None on the processor

        Raises
        ------
        BindingError
            A name, shape, type or layout does not fit.
        EngineError, DeviceError
            The library failed.
        """
        self._check("input", self.input_shapes, inputs)
        self._check("output", self.output_shapes, outputs)
        if self.device is not None and not isinstance(cuda_stream, Stream):
            raise BindingError(f"model {self.model.card.name}: got no stream; wanted one of {self.device.name}")
        self._enqueue(inputs, outputs, cuda_stream)

    def close(self) -> None:
        """Give back what the library holds; the session cannot be used afterwards."""

    @abstractmethod
    def _enqueue(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], cuda_stream: Any) -> None:
        """Run; everything has been checked."""

    def _check(self, kind: str, wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, Any]) -> None:
        if given.keys() != wanted.keys():
            raise BindingError(f"model {self.model.card.name}: got {kind}s {sorted(given)}; wanted {sorted(wanted)}")
        for name, array in given.items():
            if isinstance(array, DeviceArray) == (self.device is None):
                where = "host memory" if self.device is None else f"the memory of {self.device.name}"
                raise BindingError(f"model {self.model.card.name}: {kind} {name!r} must lie in {where}")
            if array.shape != wanted[name]:
                raise BindingError(
                    f"model {self.model.card.name}: {kind} {name!r} got {array.shape}; wanted {wanted[name]}; open a "
                    "session for this size"
                )
            dtype = self.dtypes[name]
            if array.dtype != dtype or (self.device is None and not array.flags.c_contiguous):
                raise BindingError(f"model {self.model.card.name}: {kind} {name!r} must be {dtype} and C-contiguous")


class Backend(ABC):
    """Makes sessions of models.

    Attributes
    ----------
    name : as in `--backend` and in reports
    device : where its sessions' tensors lie; None: in host memory
    int8_form : of 8-bit models that it computes on integers, as their cards tell it; None: it computes all in float32
    """

    name: str
    device: Device | None = None
    int8_form: Literal["cpu", "tensorrt"] | None = "cpu"

    @abstractmethod
    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Make a model ready.

        Parameters
        ----------
        model : what to run
        profile : the inputs' shapes
        threads : processor threads for one run, where the backend computes on the processor

        Raises
        ------
        BindingError
            The profile does not fit the model's inputs.
        BuildError
            The library cannot run this model.
        """


def check_profile(model: Model, profile: Profile) -> None:
    """Raise `BindingError` unless the profile gives every input of the model a shape that it allows."""
    if profile.shapes.keys() != model.inputs.keys():
        raise BindingError(
            f"model {model.card.name}: got shapes for {sorted(profile.shapes)}; its inputs are {sorted(model.inputs)}"
        )
    for name, shape in profile.shapes.items():
        declared = model.inputs[name].shape
        fits = len(shape) == len(declared) and all(
            want is None or got == want for got, want in zip(shape, declared, strict=True)
        )
        if not fits:
            wanted = tuple("any" if size is None else size for size in declared)
            raise BindingError(f"model {model.card.name}: input {name!r} got {shape}; wanted {wanted}")
