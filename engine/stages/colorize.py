"""Gives a grey film colour: chroma at half size beside the film's own luma, steady within a shot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from engine.backends.base import Array, Backend, Profile
from engine.errors import ConfigError, FarshoreError, InternalError, UnsupportedModelError
from engine.frame import Frame, Motion, Neighbour
from engine.model import Model
from engine.pool import Lease
from engine.settings import ColorizeSettings
from engine.stages.base import Stage
from engine.stages.chroma_tensors import half_size, motion_size
from engine.stages.colorizer_tensors import chroma_tensors, exemplar_tokens
from engine.stages.exemplar_choice import AllAndNearest, MostAlike
from engine.stages.exemplars import Anchors, Exemplar, ExemplarTokens, read_exemplar
from engine.stages.lightness import working_size
from engine.stages.place import HOST, Place
from engine.stages.sessions import Sessions
from engine.stages.states import States
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes

PREPARED_FRAMES = 8
"""Buffers made at once on the host, for the frames that wait in the queue behind the stage."""

KEPT_FRAMES = 3
"""Source frames whose chroma is kept: those on both sides of a synthesized one, and one more."""

REFERENCE_INPUTS = ("reference_features", "reference_ab", "reference_valid")


class Colorize(Stage):
    """Colours every frame of the film once; whatever shows that frame again, or lies between two, inherits its colour.

    Parameters
    ----------
    model : of role `colorize`
    backend : what it runs on
    settings : references, saturation, working size, steadiness
    reference_model : of role `reference`, which encodes references for a model whose card names it; needed where there
        are references
    place : where it works; where the backend's sessions do

    Raises
    ------
    ConfigError
        References were given to a model that knows none, or none to one that only follows references.
    """

    name = "colorize"

    def __init__(
        self,
        model: Model,
        backend: Backend,
        settings: ColorizeSettings,
        *,
        reference_model: Model | None = None,
        place: Place = HOST,
    ) -> None:
        super().__init__()
        self._place, self.device = place, place.device
        card = model.card
        has_inputs = all(name in model.inputs for name in REFERENCE_INPUTS)
        knows_references = has_inputs and ("features" in model.outputs or card.reference_model is not None)
        if settings.references and not knows_references:
            raise ConfigError(f"reference: model {card.name} follows no references; leave them out or use another")
        if card.reference_model is not None and not settings.references:
            raise ConfigError(
                f"colorize: model {card.name} takes its colours from reference pictures and got none; give one with "
                "--reference, or use another model"
            )
        if card.reference_model is not None and reference_model is None:
            raise InternalError(f"model {card.name} was given without {card.reference_model}, which it needs")
        self._knows_references = knows_references
        self._model, self._reference_model = model, reference_model
        self._backend, self._settings = backend, settings
        self._kept: list[tuple[int, Lease]] = []
        self._is_new_shot = True

    def open(self, incoming: FrameSpec) -> FrameSpec:
        """Read and encode the references; make scratch, buffers and a session on one thread."""
        self._place.open()
        self.stream = self._place.stream
        self._is_gray = incoming.format is PixelFormat.GRAY
        card, settings = self._model.card, self._settings
        side = settings.working_size
        liked = card.working_size if side is None else (side, side)
        self._size = working_size(incoming.height, incoming.width, liked, card.size_multiple)
        spec = replace(incoming, format=PixelFormat.LAB)
        assert spec.chroma_shape is not None
        self.pool = self._place.pool(spec.chroma_shape, prepare=PREPARED_FRAMES)
        self.luma_pool = self._place.pool(spec.pixels_shape, prepare=0 if self._is_gray else PREPARED_FRAMES)
        steadiness = settings.steadiness if not card.states or settings.references else 0.0
        self._tensors = chroma_tensors(incoming, self._size, settings.saturation, steadiness, self._place)
        sizes = (self._size, half_size(incoming), motion_size(incoming))
        exemplars = [read_exemplar(path, *sizes) for path in settings.references]
        self._anchors: Anchors | None = None
        if exemplars and self._tensors.steadies:
            self._anchors = Anchors(exemplars)
            self._tensors.learn(exemplars)
        self._is_new_shot = True
        self._open_model(exemplars)
        return spec

    def _open_model(self, exemplars: Sequence[Exemplar]) -> None:
        model, (height, width) = self._model, self._size
        self._states = States(model, self._size, self._place)
        self._inputs: dict[str, Array] = {"luma": self._tensors.luma, **self._states.inputs}
        self._tokens: ExemplarTokens | None = None
        if self._knows_references:
            self._tokens = self._encode(exemplars)
            self._inputs.update(self._tokens.inputs)
        self._compares = any(user is not None and user.compares for user in (self._tokens, self._anchors))
        self._sessions = self._open_sessions(self._model, self._inputs)
        shapes = self._sessions.current.output_shapes
        self._states.check(shapes)
        self._outputs = {name: self._place.zeros(shape) for name, shape in shapes.items()}
        self._outputs.update(self._states.outputs)
        if shapes.get("ab") != (1, 2, height, width):
            raise UnsupportedModelError(
                f"model {model.card.name}: gives ab {shapes.get('ab')}; wanted {(1, 2, height, width)}, as its luma"
            )

    def _encode(self, exemplars: Sequence[Exemplar]) -> ExemplarTokens:
        """Run the network on each reference without references, or the model that encodes them; keep what it saw."""
        place, channels = self._place, self._model.inputs["reference_features"].shape[1] or 1
        nothing = exemplar_tokens([], _no_encoder, channels, AllAndNearest([]), place)
        if not exemplars:
            return nothing
        frames = [exemplar.frame for exemplar in exemplars]
        if self._reference_model is not None:
            inputs: dict[str, Array] = {"luma": self._tensors.luma, "ab": place.zeros((1, 2, *self._size))}
            choice = MostAlike(frames, [exemplar.lightness for exemplar in exemplars])
        else:
            inputs = {**self._inputs, **nothing.inputs}
            choice = AllAndNearest(frames)
        sessions = self._open_sessions(self._reference_model or self._model, inputs)
        session = sessions.current
        outputs = {name: place.zeros(shape) for name, shape in session.output_shapes.items()}

        def encode(exemplar: Exemplar) -> Array:
            inputs["luma"] = place.constant(exemplar.lightness[None, None])
            if "ab" in inputs:
                inputs["ab"] = place.constant(exemplar.ab[None])
            session.enqueue(inputs, outputs, self.stream)
            return outputs["features"]

        tokens = exemplar_tokens(exemplars, encode, channels, choice, place)
        if self.stream is not None:
            self.stream.synchronize()  # what only encoding needed is let go of
        sessions.close()
        return tokens

    def _open_sessions(self, model: Model, inputs: Mapping[str, Array]) -> Sessions:
        profile = Profile({name: inputs[name].shape for name in model.inputs})
        return Sessions(model, self._backend, profile)

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame with its colour."""
        try:
            with self._chroma_of(frame).filling() as chroma:
                made = self._with_chroma(frame, chroma)
        finally:
            frame.release()
        yield made

    def reset(self) -> None:
        """Forget the shot."""
        while self._kept:
            self._kept.pop()[1].release()
        self._states.clear()
        self._is_new_shot = True
        self._tensors.begin()

    def close(self) -> None:
        """Give buffers and sessions back."""
        self.reset()
        self._sessions.close()

    def measure(self, threads: int) -> float | None:
        """Time the model; on a device there are no threads to choose."""
        if self.device is not None:
            return None
        seconds = self._sessions.time(threads, self._inputs, self._outputs)
        self._states.clear()
        return seconds

    def use_threads(self, threads: int) -> None:
        """Run the model on that many threads from now on."""
        self._sessions.use(threads)

    def _chroma_of(self, frame: Frame) -> Lease:
        """Return a frame's chroma, for the caller to release; neutral where it could not be found."""
        motion = frame.motion
        try:
            if motion is not None and motion.first is not None and motion.second is not None:
                return self._between(motion, motion.first, motion.second)
            return self._of_film(frame)
        except FarshoreError as error:
            self.failures.count(error)
        with self.pool.lease().filling() as lease:
            self._tensors.neutral(lease.array)
        return lease

    def _of_film(self, frame: Frame) -> Lease:
        """Return the chroma of a frame of the film, for the caller to release."""
        if FrameFlags.REPEATED in frame.flags and self._kept and self._find(frame.index) is None:
            lease = self._kept[-1][1]
        else:
            lease = self._colour(frame.index, frame.pixels)
        lease.retain()
        return lease

    def _between(self, motion: Motion, first: Neighbour, second: Neighbour) -> Lease:
        """Return the chroma of both neighbours carried along the motion, for the caller to release."""
        before = self._colour(first.index, first.pixels)
        after = self._colour(second.index, second.pixels)
        with self.pool.lease().filling() as lease:
            self._tensors.between(motion, before.array, after.array, lease.array)
        return lease

    def _find(self, index: int) -> Lease | None:
        for kept_index, lease in self._kept:
            if kept_index == index:
                return lease
        return None

    def _colour(self, index: int, pixels: Planes) -> Lease:
        """Return the chroma of a source frame, which stays the stage's; the network runs once for each."""
        found = self._find(index)
        if found is not None:
            return found
        self._tensors.see(pixels)
        if self._is_new_shot and self._compares:
            self._tensors.show()
        self._run(index)
        with self.pool.lease().filling() as lease:
            self._tensors.finish(self._outputs["ab"], lease.array)
            if self._anchors is not None:
                anchor = self._anchors.at(index, self._tensors.look, is_first=self._is_new_shot)
                if anchor is not None:
                    self._tensors.anchor(anchor)
            self._tensors.steady(lease.array)
        self._is_new_shot = False
        self._kept.append((index, lease))
        if len(self._kept) > KEPT_FRAMES:
            self._kept.pop(0)[1].release()
        return lease

    def _run(self, index: int) -> None:
        """Put ab at the working size into the outputs."""
        if self._tokens is not None:
            if self._is_new_shot:
                self._tokens.begin(self._tensors.look, index)
            self._tokens.choose(index)
        self._inputs.update(self._states.inputs)
        self._outputs.update(self._states.outputs)
        self._sessions.current.enqueue(self._inputs, self._outputs, self.stream)
        self._states.advance()

    def _with_chroma(self, frame: Frame, chroma: Lease) -> Frame:
        """Return a frame with chroma beside its luma; `chroma` is taken over, `frame` is not."""
        if self._is_gray:
            ready = self._place.written(chroma)  # the stream has waited for the film's pixels: it follows both
            for lease in frame.leases:
                lease.retain()
            pixels, leases = frame.pixels, (*frame.leases, chroma)
        else:
            with self.luma_pool.lease().filling() as luma:
                self._tensors.film_luma(frame.pixels, luma.array)
                ready = self._place.written(chroma)
            pixels, leases = luma.array, (luma, chroma)
        return frame.successor(pixels=pixels, format=PixelFormat.LAB, chroma=chroma.array, leases=leases, ready=ready)


def _no_encoder(exemplar: Exemplar) -> Array:
    raise InternalError("a colorizer without references was asked to encode one")
