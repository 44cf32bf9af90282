"""The interface behind which libraries that run models differ, and nowhere else."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import BindingError
from engine.model import Model

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Profile:
    """The concrete shape of every input for which a session is opened.

    shapes : input name → shape; every input of the model, no unknown sizes
    """

    shapes: Mapping[str, tuple[int, ...]]


class Session(ABC):
    """A model made ready for one profile on one device. Belongs to one thread at a time.

    Attributes
    ----------
    input_shapes, output_shapes : by name, as the profile fixes them
    """

    def __init__(self, model: Model, profile: Profile, output_shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.model = model
        self.input_shapes = dict(profile.shapes)
        self.output_shapes = dict(output_shapes)

    def enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any = None) -> None:
        """Run the model once, writing into the arrays given.

        Returns without waiting where the device allows; on the CPU the outputs are finished when it returns.

        Parameters
        ----------
        inputs : float32, C-contiguous, of the profile's shapes; every input; must stay untouched until finished
        outputs : float32, C-contiguous, of `output_shapes`; every output; must not alias an input
        cuda_stream : the stream on which to run; None on the CPU

        Raises
        ------
        BindingError
            A name, shape, type or layout does not fit.
        EngineError, DeviceError
            The library failed.
        """
        self._check("input", self.input_shapes, inputs)
        self._check("output", self.output_shapes, outputs)
        self._enqueue(inputs, outputs, cuda_stream)

    def close(self) -> None:
        """Give back what the library holds; the session cannot be used afterwards."""

    @abstractmethod
    def _enqueue(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], cuda_stream: Any) -> None:
        """Run; everything has been checked."""

    def _check(self, kind: str, wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, Array]) -> None:
        if given.keys() != wanted.keys():
            raise BindingError(f"model {self.model.card.name}: got {kind}s {sorted(given)}; wanted {sorted(wanted)}")
        for name, array in given.items():
            if array.shape != wanted[name]:
                raise BindingError(
                    f"model {self.model.card.name}: {kind} {name!r} got {array.shape}; wanted {wanted[name]}; open a "
                    "session for this size"
                )
            if array.dtype != np.float32 or not array.flags.c_contiguous:
                raise BindingError(f"model {self.model.card.name}: {kind} {name!r} must be float32 and C-contiguous")


class Backend(ABC):
    """Makes sessions of models.

    Attributes
    ----------
    name : as in `--backend` and in reports
    """

    name: str

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
