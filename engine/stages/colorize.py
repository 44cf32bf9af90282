"""Gives a grey film colour: chroma at half size beside the film's own luma, steady within a shot."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import cv2
import numpy as np

from engine.backends.base import Array, Backend, Profile
from engine.errors import ConfigError, FarshoreError, InternalError, UnsupportedModelError
from engine.frame import Frame, Motion, Neighbour
from engine.model import Model
from engine.pool import BufferPool, Lease
from engine.settings import ColorizeSettings
from engine.stages.base import Stage
from engine.stages.exemplar_choice import AllAndNearest, MostAlike
from engine.stages.exemplars import AB_RANGE, Anchors, Exemplar, ExemplarTokens, read_exemplar
from engine.stages.guided_filter import GuidedUpsampler
from engine.stages.lightness import NEUTRAL_AB, LightnessTable, working_size
from engine.stages.luma import Plane, luma_of
from engine.stages.sessions import Sessions
from engine.stages.states import States
from engine.stages.steadiness import SMALLEST, Steadiness
from engine.stages.warp import Warper
from engine.types import FrameFlags, FrameSpec, PixelFormat, Planes

PREPARED_FRAMES = 8
"""Buffers made at once, for the frames that wait in the queue behind the stage."""

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

    Raises
    ------
    ConfigError
        References were given to a model that knows none, or none to one that only follows references.
    """

    name = "colorize"

    def __init__(
        self, model: Model, backend: Backend, settings: ColorizeSettings, *, reference_model: Model | None = None
    ) -> None:
        super().__init__()
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
        self._matrix, self._is_gray = incoming.color.matrix, incoming.format is PixelFormat.GRAY
        card, side = self._model.card, self._settings.working_size
        liked = card.working_size if side is None else (side, side)
        self._size = working_size(incoming.height, incoming.width, liked, card.size_multiple)
        spec = replace(incoming, format=PixelFormat.LAB)
        assert spec.chroma_shape is not None
        half = spec.chroma_shape[1:]
        self.pool = BufferPool(spec.chroma_shape, prepare=PREPARED_FRAMES)
        self.luma_pool = BufferPool(spec.pixels_shape, prepare=0 if self._is_gray else PREPARED_FRAMES)
        self._small_luma, self._lightness = np.zeros((2, *self._size), np.float32)
        self._half_luma, self._full_luma = np.empty(half, np.float32), np.empty(spec.pixels_shape[1:], np.float32)
        self._table = LightnessTable(*self._size)
        self._upsampler = GuidedUpsampler(self._size, half)
        self._warper = Warper(*half, reduction=2)
        self._steadiness: Steadiness | None = None
        steadies = not card.states or bool(self._settings.references)
        if steadies and self._settings.steadiness > 0.0 and min(self._size) >= SMALLEST:
            self._steadiness = Steadiness(self._size, half, self._settings.steadiness)
        self._anchors: Anchors | None = None
        self._anchor_ab = np.empty((2, *half) if self._settings.references else (0, 0, 0), np.float32)
        self._is_new_shot = True
        self._open_model()
        return spec

    def _open_model(self) -> None:
        model, (height, width) = self._model, self._size
        self._states = States(model, self._size)
        self._inputs: dict[str, Array] = {"luma": self._lightness[None, None], **self._states.inputs}
        if self._knows_references:
            self._tokens = self._encode_references()
            self._inputs.update(self._tokens.inputs)
        self._sessions = self._open_sessions(self._model, self._inputs)
        shapes = self._sessions.current.output_shapes
        self._states.check(shapes)
        self._outputs = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self._outputs.update(self._states.outputs)
        if shapes.get("ab") != (1, 2, height, width):
            raise UnsupportedModelError(
                f"model {model.card.name}: gives ab {shapes.get('ab')}; wanted {(1, 2, height, width)}, as its luma"
            )

    def _encode_references(self) -> ExemplarTokens:
        """Run the network on each reference without references, or the model that encodes them; keep what it saw."""
        exemplars = [read_exemplar(path, self._size, self._half_luma.shape) for path in self._settings.references]
        channels = self._model.inputs["reference_features"].shape[1] or 1
        nothing = ExemplarTokens([], _no_encoder, channels, AllAndNearest([]))
        if not exemplars:
            return nothing
        frames = [exemplar.frame for exemplar in exemplars]
        self._anchors = Anchors(exemplars)
        if self._reference_model is not None:
            picture = np.zeros((1, 1, *self._size), np.float32)
            inputs: dict[str, Array] = {"luma": picture, "ab": np.zeros((1, 2, *self._size), np.float32)}
            choice = MostAlike(frames, [exemplar.lightness for exemplar in exemplars])
        else:
            inputs = {**self._inputs, **nothing.inputs}
            choice = AllAndNearest(frames)
        sessions = self._open_sessions(self._reference_model or self._model, inputs)
        session = sessions.current
        outputs = {name: np.zeros(shape, np.float32) for name, shape in session.output_shapes.items()}

        def encode(exemplar: Exemplar) -> Planes:
            np.copyto(inputs["luma"][0, 0], exemplar.lightness)
            if "ab" in inputs:
                np.copyto(inputs["ab"][0], exemplar.ab)
            session.enqueue(inputs, outputs)
            return outputs["features"][0]

        tokens = ExemplarTokens(exemplars, encode, channels, choice)
        sessions.close()
        return tokens

    def _open_sessions(self, model: Model, inputs: Mapping[str, Array]) -> Sessions:
        profile = Profile({name: inputs[name].shape for name in model.inputs})
        return Sessions(model, self._backend, profile)

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Yield the frame with its colour."""
        motion = frame.motion
        try:
            if motion is not None and motion.first is not None and motion.second is not None:
                lease = self._between(motion, motion.first, motion.second)
            else:
                lease = self._of_film(frame)
        except FarshoreError as error:
            self.failures.count(error)
            lease = self.pool.lease()
            lease.array.fill(NEUTRAL_AB)
        yield self._with_chroma(frame, lease)

    def reset(self) -> None:
        """Forget the shot."""
        while self._kept:
            self._kept.pop()[1].release()
        self._states.clear()
        self._is_new_shot = True
        if self._steadiness is not None:
            self._steadiness.reset()

    def close(self) -> None:
        """Give buffers and sessions back."""
        self.reset()
        self._sessions.close()

    def measure(self, threads: int) -> float | None:
        """Time the model."""
        seconds = self._sessions.time(threads, self._inputs, self._outputs)
        self._states.clear()
        return seconds

    def use_threads(self, threads: int) -> None:
        """Run the model on that many threads from now on."""
        self._sessions.use(threads)

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
        lease = self.pool.lease()
        self._warper.aim(motion.flow, motion.mask, motion.cell)
        for from_before, from_after, out in zip(before.array, after.array, lease.array, strict=True):
            self._warper.blend(from_before, from_after, out)
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
        luma = pixels[0]
        if not self._is_gray:
            luma = self._full_luma
            luma_of(pixels, self._matrix, luma)
        self._run(luma, index)
        lease = self.pool.lease()
        self._enlarge(luma, lease.array)
        self._steady(index, lease.array)
        self._is_new_shot = False
        self._kept.append((index, lease))
        if len(self._kept) > KEPT_FRAMES:
            self._kept.pop(0)[1].release()
        return lease

    def _run(self, luma: Plane, index: int) -> None:
        """Put ab at the working size into the outputs."""
        height, width = self._size
        cv2.resize(luma, (width, height), dst=self._small_luma, interpolation=cv2.INTER_AREA)
        self._table.write(self._small_luma, self._lightness)
        if self._knows_references:
            if self._is_new_shot:
                self._tokens.begin(self._lightness, index)
            self._tokens.choose(index)
        self._inputs.update(self._states.inputs)
        self._outputs.update(self._states.outputs)
        self._sessions.current.enqueue(self._inputs, self._outputs)
        self._states.advance()

    def _steady(self, index: int, ab: Planes) -> None:
        """Blend chroma, in the film's numbers, with what came before it in the shot, or with a reference."""
        if self._steadiness is None:
            return
        anchor = None
        if self._anchors is not None:
            anchor = self._anchors.at(index, self._lightness, is_first=self._is_new_shot)
        if anchor is not None:
            self._in_film_numbers(anchor.fine_ab, self._anchor_ab)
            self._steadiness.anchor(anchor.luma, self._anchor_ab)
        self._steadiness.steady(self._small_luma, ab)

    def _enlarge(self, luma: Plane, out: Planes) -> None:
        """Bring ab to half size along luma's edges and into the film's numbers."""
        height, width = self._half_luma.shape
        cv2.resize(luma, (width, height), dst=self._half_luma, interpolation=cv2.INTER_AREA)
        self._upsampler.guide(self._small_luma)
        for ab, plane in zip(self._outputs["ab"][0], out, strict=True):
            self._upsampler.write(ab, self._half_luma, plane)
        self._in_film_numbers(out, out)

    def _in_film_numbers(self, ab: Planes, out: Planes) -> None:
        """Write a*/110 and b*/110 into `out` as a frame has them, with the saturation that was asked for."""
        np.multiply(ab, AB_RANGE / 255.0 * self._settings.saturation, out=out)
        np.add(out, NEUTRAL_AB, out=out)
        np.clip(out, 0.0, 1.0, out=out)

    def _with_chroma(self, frame: Frame, chroma: Lease) -> Frame:
        """Turn a frame into one with chroma beside its luma; takes both over."""
        if self._is_gray:
            for lease in frame.leases:
                lease.retain()
            pixels, leases = frame.pixels, (*frame.leases, chroma)
        else:
            luma = self.luma_pool.lease()
            luma_of(frame.pixels, self._matrix, luma.array[0])
            pixels, leases = luma.array, (luma, chroma)
        made = frame.successor(pixels=pixels, format=PixelFormat.LAB, chroma=chroma.array, leases=leases)
        frame.release()
        return made


def _no_encoder(exemplar: Exemplar) -> Planes:
    raise InternalError("a colorizer without references was asked to encode one")
