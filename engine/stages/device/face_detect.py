"""Finds faces on a device: the twin of `HostFaceDetector`.

The picture is reduced and looked at there; what the network says of its cells comes down into page-locked memory behind
its run, and is decoded by the host's code when `LATE` more pictures have been seen, and then has come by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from engine.backends.base import Array, Backend
from engine.device.base import Event
from engine.device.operators import Operators, view
from engine.device.pool import as_planes, on_device
from engine.model import Model
from engine.stages.face_detect import INPUT, MODEL_MAXIMUM, Face, FaceDetector
from engine.types import Planes

LATE = 2
"""Pictures by which faces are asked for later than on the host: one interval may pass with the work of the stage in
front, which has only been given when the picture is looked at, and one with restoring the faces of those before."""

ALIGNED = 64
"""Floats: within their common memory tensors begin where memory of their own might (256 bytes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """Page-locked memory of one picture.

    numbers : all that the network says of it
    outputs : the same by tensor name
    has_come : after this event they are there
    """

    numbers: npt.NDArray[np.float32]
    outputs: Mapping[str, Array]
    has_come: Event


class DeviceFaceDetector(FaceDetector):
    """On a device, in the order of the stage's stream.

    Parameters are those of `FaceDetector`, with the pictures' channels.

    Parameters
    ----------
    operators : of the stage's stream
    """

    def __init__(
        self,
        operators: Operators,
        model: Model,
        backend: Backend,
        channels: int,
        height: int,
        width: int,
        *,
        least_score: float,
    ) -> None:
        super().__init__(model, backend, height, width, least_score=least_score)
        operators.prepare("resize_area", "tensor_fill")
        self._operators, device = operators, operators.device
        self._reduced = view(operators.zeros(channels, self._rows, self._columns))
        picture = operators.zeros(1, 3, *self._canvas)  # what lies beyond the reduced picture stays black
        self._planes = view(picture).corner(self._rows, self._columns)
        self._inputs = {INPUT: as_planes(picture)}
        shapes, places, count = self._sessions.current.output_shapes, dict[str, int](), 0
        for name, shape in shapes.items():
            places[name] = count
            count += -(-prod(shape) // ALIGNED) * ALIGNED
        self._numbers = operators.zeros(count)
        self._outputs = {name: as_planes(self._numbers.view(4 * place, shapes[name])) for name, place in places.items()}
        self._arrivals: list[_Arrival] = []
        for _ in range(LATE + 1):
            numbers = device.pinned((count,), np.float32)
            outputs = {
                name: numbers[place : place + prod(shapes[name])].reshape(shapes[name])
                for name, place in places.items()
            }
            self._arrivals.append(_Arrival(numbers=numbers, outputs=outputs, has_come=device.event()))
        self._seen, self._arrived = 0, -1

    def look(self, picture: Planes) -> int:
        """Give the device the picture to look at; the host goes on."""
        operators, film = self._operators, view(on_device(picture))
        operators.resize("resize_area", film, self._reduced)
        order = {"first": film.planes - 1, "step": -1}  # R'G'B' as B, G, R; grey three times
        operators.fill(self._reduced, self._planes, gain=MODEL_MAXIMUM, **order)
        self._sessions.current.enqueue(self._inputs, self._outputs, operators.stream)
        number, arrival = self._seen, self._arrival(self._seen)
        operators.device.download(self._numbers, arrival.numbers, operators.stream)
        operators.stream.record(arrival.has_come)
        self._seen += 1
        return number

    def wait_for(self, number: int) -> bool:
        """Let a picture's numbers be there; return whether the host had to wait."""
        if number <= self._arrived:
            return False
        self._arrived = number
        has_come = self._arrival(number).has_come
        if has_come.has_come:
            return False
        has_come.synchronize()
        return True

    def faces(self, number: int) -> list[Face]:
        """Decode what has come."""
        return self._decode(self._arrival(number).outputs)

    def _arrival(self, number: int) -> _Arrival:
        return self._arrivals[number % len(self._arrivals)]
