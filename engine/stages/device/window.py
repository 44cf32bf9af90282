"""The frames around the one being made, on a device: the twin of `engine/stages/window.py`."""

from collections import deque
from copy import copy

from engine.device.base import DeviceArray
from engine.device.operators import Operators, View, view


class DeviceWindow:
    """The last `frames` pictures of a shot, and the tensor in which a model sees them.

    The tensor is always the same memory, so that a session's recorded graph serves every frame.

    Parameters
    ----------
    operators : of the stage's stream
    frames : pictures in the window
    channels, height, width : planes of one picture

    Attributes
    ----------
    tensor : float32 (1, frames x channels, height, width), filled by `gather` or by whoever aligns the pictures
    pictures : oldest first, each (channels, height, width)
    """

    def __init__(self, operators: Operators, frames: int, channels: int, height: int, width: int) -> None:
        self._operators, self._channels = operators, channels
        self.tensor = operators.zeros(1, frames * channels, height, width)
        self._slots = deque(view(operators.zeros(channels, height, width)) for _ in range(frames))
        self.pictures: deque[View] = deque(maxlen=frames)

    def beside(self) -> "DeviceWindow":
        """Return a window of the same pictures, whichever of both they are given to, with a tensor of its own."""
        other = copy(self)
        other.tensor = self._operators.zeros(*self.tensor.shape)
        return other

    def append(self) -> View:
        """Return the next picture's planes, to be written by the caller."""
        slot = self._slots.popleft()
        self._slots.append(slot)
        self.pictures.append(slot)
        return slot

    def repeat(self) -> None:
        """Append the newest picture once more."""
        newest = self.pictures[-1]
        self._operators.copy(newest.array, self.append().array)

    def clear(self) -> None:
        """Begin a shot."""
        self.pictures.clear()

    def parts(self) -> list[View]:
        """Return the tensor's pictures, in the order of `pictures`."""
        whole = view(self.tensor)
        return [whole.part(number * self._channels, self._channels) for number in range(len(self.pictures))]

    def gather(self) -> DeviceArray:
        """Copy the pictures, as they are, into the tensor, and return it."""
        for picture, part in zip(self.pictures, self.parts(), strict=True):
            self._operators.copy(picture.array, part.array)
        return self.tensor
