"""What one frame at a time needs of an enhancer: a session, and the tensors that it reads and writes."""

from collections.abc import Mapping

from engine.backends.base import Array, Backend, Profile
from engine.device.base import Stream
from engine.model import Model
from engine.stages.device.tiles import DeviceTiles
from engine.stages.picture_tensors import PictureTensors
from engine.stages.place import DevicePlace, Place
from engine.stages.sessions import Sessions
from engine.stages.states import States
from engine.stages.tile_plan import TilePlan
from engine.stages.tiles import Tiles


class EnhanceLane:
    """A session of an enhancer with tensors, and tiles where there are any.

    Parameters
    ----------
    model, backend : what to run on what
    tensors : of the lane's own
    states : of the shot; a model that has some has one lane
    plan : how pictures are cut; None: not at all
    place : where everything lies

    Attributes
    ----------
    tensors, tiles, sessions
    """

    def __init__(
        self,
        model: Model,
        backend: Backend,
        tensors: PictureTensors,
        states: States,
        plan: TilePlan | None,
        place: Place,
    ) -> None:
        self.tensors, self._states = tensors, states
        self._inputs = {**tensors.inputs, **states.inputs}
        self._outputs = {**tensors.outputs, **states.outputs}
        self.tiles: Tiles | DeviceTiles | None = None
        if plan is not None and isinstance(place, DevicePlace):
            self.tiles = DeviceTiles(place.operators, plan, self._inputs, self._outputs)
        elif plan is not None:
            self.tiles = Tiles(plan, self._inputs, self._outputs)
        shapes = {name: array.shape for name, array in self._run_inputs.items()}
        self.sessions = Sessions(model, backend, Profile(shapes))

    def run(self, stream: Stream | None) -> None:
        """Run the model on the pictures that the tensors are aimed at.

        Raises
        ------
        EngineError, DeviceError
            The backend failed.
        """
        self._inputs.update(self.tensors.inputs)
        self._inputs.update(self._states.inputs)
        self._outputs.update(self._states.outputs)
        if self.tiles is None:
            self.sessions.current.enqueue(self._inputs, self._outputs, stream)
        else:
            self.tiles.run(self.sessions.current, self._inputs, self._outputs)

    def try_run(self, stream: Stream) -> None:
        """Run the model once, on one tile where there are some; nobody looks at the result."""
        self.sessions.current.enqueue(self._run_inputs, self._run_outputs, stream)

    def seconds(self, threads: int) -> float:
        """Time the model on the host for one picture, with that many threads."""
        seconds = self.sessions.time(threads, self._run_inputs, self._run_outputs)
        return seconds * (1 if self.tiles is None else self.tiles.plan.count)

    def close(self) -> None:
        """Close the sessions."""
        self.sessions.close()

    @property
    def _run_inputs(self) -> Mapping[str, Array]:
        """What one run of the model takes: the whole picture, or one tile."""
        return self._inputs if self.tiles is None else self.tiles.inputs

    @property
    def _run_outputs(self) -> Mapping[str, Array]:
        """What one run of the model makes."""
        return self._outputs if self.tiles is None else self.tiles.outputs
