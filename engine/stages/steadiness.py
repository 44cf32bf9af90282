"""Keeps colour steady from picture to picture: chroma is carried along the motion as far as the motion explains luma.

For colorizers that see every picture on its own, whose colours flicker, and for references that show the film itself,
whose colours are to stay as they are. Motion is found on the luma itself (`dense_motion.py`), both ways; where the two
ways do not meet, something was hidden or uncovered (Sundaram, Brox and Keutzer, "Dense Point Trajectories", ECCV 2010).

Colours come from two pictures, as long as these show the same as a whole, for single places are alike by chance: the
one before, which knows all that the shot has shown so far, but has been carried
itself, a little less sharp and a little further off with every step; and the reference, one step away for good. Where
the reference can still be seen in the picture, it is asked itself.
"""

from itertools import pairwise

import cv2
import numpy as np

from engine.stages.dense_motion import FINEST_SCALE, DenseMotion
from engine.stages.luma import Plane
from engine.stages.warp import sample_along
from engine.types import Planes

REFERENCE_SCALE = 1
"""Of the motion to a reference, `DenseMotion`'s `finest`: else its colours bleed off small things."""

MISFIT = 0.03
"""Difference of luma along the motion, in the mean of a small window, at which trust has fallen to 1/e."""

WINDOW = 5
"""Side of that window, pixels of the motion's size: grain averages out in it, edges do not."""

WAY_SHARE, WAY_PIXELS = 0.1, 4.0
"""Square of the distance by which there and back miss at which trust has fallen to 1/e: this share of both ways'
squares, and these pixels squared."""

FIRM = 0.01
"""Trust from which a reference's colours are carried on undiminished."""

LIKENESS, BLOCKS, ALIKE_SHARE = 0.85, 4, 0.5
"""Two pictures show the same where, along the motion, at least this share of their 4x4 blocks that show anything
correlate this much."""

LEAST_DEVIATION = 0.01
"""Deviation of luma below which a picture is one grey and is like everything."""


class _Lender:
    """A picture that lends its colours.

    Parameters
    ----------
    size, fine_size : of luma, and of chroma
    finest : of the motion between it and others, as of `DenseMotion`

    Attributes
    ----------
    motion : finds it
    codes : uint8 `size`, what motion is found on
    luma, sure : float32 `size`; `sure` is how far its colours are a reference's, 0..1
    ab : float32 (2, `fine_size`)
    is_there : whether there is such a picture
    """

    def __init__(self, size: tuple[int, int], fine_size: tuple[int, int], finest: int) -> None:
        self.motion = DenseMotion(*size, reduction=1, finest=finest)
        self.codes = np.zeros(size, np.uint8)
        self.luma, self.sure = np.zeros((2, *size), np.float32)
        self.ab = np.zeros((2, *fine_size), np.float32)
        self.is_there = False

    def take(self, luma: Plane, ab: Planes) -> None:
        """Be this picture; `codes` are another's to write."""
        np.copyto(self.luma, luma)
        np.copyto(self.ab, ab)
        self.is_there = True


class Steadiness:
    """Blends each picture's chroma with that of the picture before and of a reference, within one shot.

    Motion is found at a size of its own; chroma is carried at the size in which the film gets it, sampled from the
    picture that lends it, so that a reference's detail is not lost on the way.

    Parameters
    ----------
    size : (height, width) of luma; at least `dense_motion.LEAST_SIDE` each
    fine_size : (height, width) of chroma
    strength : weight of the chroma carried over where the motion explains everything, 0 to 1
    """

    def __init__(self, size: tuple[int, int], fine_size: tuple[int, int], strength: float) -> None:
        self._strength = strength
        self._before, self._reference = (_Lender(size, fine_size, finest) for finest in (FINEST_SCALE, REFERENCE_SCALE))
        self._codes = np.zeros(size, np.uint8)
        self._scaled, self._moved, self._misfit, self._length, self._trust, self._sure = np.zeros(
            (6, *size), np.float32
        )
        self._back, self._forth, self._returned, self._squares = np.zeros((4, *size, 2), np.float32)
        self._ones = np.ones(size, np.float32)
        rows, columns = (_parts(length) for length in size)
        self._blocks = [(down, across) for down in rows for across in columns]
        self._fine_size, self._times = (fine_size[1], fine_size[0]), (fine_size[1] / size[1], fine_size[0] / size[0])
        self._fine_back = np.zeros((*fine_size, 2), np.float32)
        self._fine_trust, self._carried = np.zeros((2, *fine_size), np.float32)
        self._is_judged = True

    def reset(self) -> None:
        """Begin a shot."""
        self._before.is_there = self._reference.is_there = False

    def anchor(self, luma: Plane, ab: Planes) -> None:
        """Take a reference: if the next picture shows the same, the shot has these colours from there on.

        Parameters
        ----------
        luma, ab : as `steady` takes them
        """
        self._reference.motion.reduce(luma, self._reference.codes)
        self._reference.take(luma, ab)
        self._reference.sure.fill(1.0)
        self._is_judged = False

    def steady(self, luma: Plane, ab: Planes) -> None:
        """Blend a picture's chroma, in place, with what came before.

        Parameters
        ----------
        luma : float32 `size`, Y' in [0, 1]
        ab : float32 (2, `fine_size`), in any numbers
        """
        self._before.motion.reduce(luma, self._codes)
        self._sure.fill(0.0)
        if self._before.is_there:
            self._borrow(self._before, luma, ab, self._strength)
        if self._reference.is_there:
            self._borrow(self._reference, luma, ab, 0.0)
        self._before.take(luma, ab)
        self._before.codes, self._codes = self._codes, self._before.codes
        self._before.sure, self._sure = self._sure, self._before.sure

    def _borrow(self, lender: _Lender, luma: Plane, ab: Planes, strength: float) -> None:
        """Blend chroma with what a picture lends; what is sure of that adds to `_sure`."""
        lender.motion.find(self._codes, lender.codes, self._back)
        lender.motion.find(lender.codes, self._codes, self._forth)
        if not self._may_lend(lender, luma):
            return
        self._find_trust(lender, luma)
        self._weigh(lender, strength)
        self._carry(lender, ab)

    def _may_lend(self, lender: _Lender, luma: Plane) -> bool:
        """Whether a lender shows this picture; a reference that does not show its first is not asked again."""
        if lender is self._before:
            return self._shows_the_same(lender, luma, least=0)
        shows = self._shows_the_same(lender, luma, least=1)
        lender.is_there = shows or self._is_judged
        self._is_judged = True
        return shows

    def _find_trust(self, lender: _Lender, luma: Plane) -> None:
        """Put how far what the motion carries can be believed into `_trust`."""
        back, trust = self._back, self._trust
        self._find_misfit(lender, luma)
        sample_along(self._forth, back, self._returned)
        self._square_lengths(back, self._length)
        self._square_lengths(self._returned, trust)
        np.add(self._length, trust, out=self._length)
        np.multiply(self._length, WAY_SHARE, out=self._length)
        np.add(self._length, WAY_PIXELS, out=self._length)
        np.add(back, self._returned, out=self._returned)
        self._square_lengths(self._returned, trust)
        np.divide(trust, self._length, out=trust)
        np.add(trust, self._misfit, out=trust)
        np.negative(trust, out=trust)
        np.exp(trust, out=trust)
        sample_along(self._ones, back, self._misfit, cv2.BORDER_CONSTANT)
        np.multiply(trust, self._misfit, out=trust)  # nothing comes from outside the picture

    def _find_misfit(self, lender: _Lender, luma: Plane) -> None:
        """Put the square of luma's difference along the motion, in units of `MISFIT`, into `_misfit`.

        A change of the whole picture's brightness, flicker, does not count.
        """
        sample_along(lender.luma, self._back, self._scaled)
        np.subtract(luma, self._scaled, out=self._scaled)
        np.subtract(self._scaled, cv2.mean(self._scaled)[0], out=self._scaled)
        cv2.boxFilter(self._scaled, -1, (WINDOW, WINDOW), dst=self._misfit, borderType=cv2.BORDER_REFLECT_101)
        np.multiply(self._misfit, 1.0 / MISFIT, out=self._misfit)
        np.multiply(self._misfit, self._misfit, out=self._misfit)

    def _weigh(self, lender: _Lender, strength: float) -> None:
        """Turn trust into the weight of what is carried: a reference's colours stay, the network's own fade slowly."""
        sure, trust = self._misfit, self._trust
        np.minimum(trust, FIRM, out=sure)
        np.multiply(sure, 1.0 / FIRM, out=sure)
        sample_along(lender.sure, self._back, self._moved)
        np.multiply(sure, self._moved, out=sure)
        np.multiply(trust, strength, out=trust)
        np.maximum(trust, sure, out=trust)
        np.maximum(self._sure, sure, out=self._sure)

    def _carry(self, lender: _Lender, ab: Planes) -> None:
        """Mix chroma with the lender's, along the motion, by the weight."""
        for axis, times in enumerate(self._times):
            np.multiply(self._back[..., axis], times, out=self._squares[..., axis])
        cv2.resize(self._squares, self._fine_size, dst=self._fine_back, interpolation=cv2.INTER_LINEAR)
        cv2.resize(self._trust, self._fine_size, dst=self._fine_trust, interpolation=cv2.INTER_LINEAR)
        for theirs, now in zip(lender.ab, ab, strict=True):
            sample_along(theirs, self._fine_back, self._carried)
            np.subtract(self._carried, now, out=self._carried)
            np.multiply(self._carried, self._fine_trust, out=self._carried)
            np.add(now, self._carried, out=now)

    def _shows_the_same(self, lender: _Lender, luma: Plane, *, least: int) -> bool:
        """Whether a lender, brought along the motion, is this picture, but for what came or went.

        At least `least` blocks must show anything: a flat picture is no reference, but may follow another.
        """
        theirs, ours_squared, theirs_squared, product = self._moved, self._scaled, self._length, self._trust
        sample_along(lender.luma, self._back, theirs)
        for one, other, out in ((luma, luma, ours_squared), (theirs, theirs, theirs_squared), (luma, theirs, product)):
            np.multiply(one, other, out=out)
        seen = alike = 0
        for block in self._blocks:
            ours, other, square, other_square, both = (
                cv2.mean(plane[block])[0] for plane in (luma, theirs, ours_squared, theirs_squared, product)
            )
            variances = square - ours * ours, other_square - other * other
            if min(variances) >= LEAST_DEVIATION**2:
                seen += 1
                alike += both - ours * other >= LIKENESS * (variances[0] * variances[1]) ** 0.5
        return seen >= least and alike >= ALIKE_SHARE * seen

    def _square_lengths(self, vectors: Planes, out: Plane) -> None:
        """Write the squared lengths of vectors (height, width, 2) into `out`."""
        np.multiply(vectors, vectors, out=self._squares)
        np.add(self._squares[..., 0], self._squares[..., 1], out=out)


def _parts(length: int) -> list[slice]:
    """Cut a length into `BLOCKS` parts, the first of which are one longer where it does not come out even."""
    ends = [number * (length // BLOCKS) + min(number, length % BLOCKS) for number in range(BLOCKS + 1)]
    return [slice(begin, end) for begin, end in pairwise(ends)]
