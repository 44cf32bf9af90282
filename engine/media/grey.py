"""Tell grey film from coloured film by its pictures, so that `colorize auto` colours the one and leaves the other.

Grey film is seldom coded without chroma, and often tinted (sepia, a cast of the transfer). What marks it is that colour
follows from brightness: pixels of like luma have like chroma. So the measure is the spread of Cb and Cr around their
mean among pixels of like luma, on a picture reduced far enough that chroma noise and compression average out.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.container import InputContainer

from engine.media.color import COEFFICIENTS, film_color, luma_matrix
from engine.media.convert import ToChain
from engine.media.exact import exact
from engine.media.ffmpeg_errors import READING_ERRORS
from engine.media.layout import layout_or_stand_in
from engine.media.losses import Losses
from engine.media.opening import NumberedPicture, Source, film_stream, find_pictures, name_of, open_container
from engine.media.sequence_source import SequenceSource
from engine.types import PixelFormat

SPREAD_OF_GREY = 0.008
"""Root mean square of Cb and Cr around their mean at like luma, of a range of 1: two codes of 8 bits. Measured: coded
grey film 0.0000 to 0.0021, sepia 0.0015, a scene at 15 % of its saturation 0.018, at full saturation 0.1."""

SAMPLES = 9

_WIDTH, _BINS = 96, 16
_BUDGET = 120
"""Pictures decoded at most, all samples together."""
_MICROSECONDS = 1_000_000


def is_grey_film(source: Source) -> bool:
    """Look at pictures from all over a film file or sequence and return whether it is grey, tints aside.

    Raises
    ------
    DecodeError
        It cannot be opened as a film.
    """
    files = find_pictures(source)
    spreads = measure_sequence(files, source) if files is not None else measure_film(source)
    return is_grey(spreads)


def are_grey(pictures: Iterable[av.VideoFrame], codec: str) -> bool:
    """Return whether pictures show no colour, tints aside."""
    return is_grey([chroma_spread(picture, codec) for picture in pictures])


def is_grey(spreads: Sequence[float]) -> bool:
    """Return whether a film of which samples have these spreads is grey; one outlier among five or more may differ."""
    ordered = sorted(spreads)
    judged = ordered[:-1] if len(ordered) >= 5 else ordered
    return not judged or judged[-1] < SPREAD_OF_GREY


def measure_film(source: Source) -> list[float]:
    """Return the chroma spread of pictures spread evenly over a film file; places that cannot be read are left out."""
    container = open_container(source)
    try:
        stream = film_stream(container, name_of(source))
        codec = stream.codec_context.name
        return [chroma_spread(picture, codec) for picture in _sampled(container, stream)]
    finally:
        container.close()


def measure_sequence(files: Sequence[NumberedPicture], source: Source) -> list[float]:
    """Return the chroma spread of pictures spread evenly over an image sequence."""
    chosen = files[:: max(1, len(files) // SAMPLES)][:SAMPLES]
    sequence = SequenceSource(chosen, name=name_of(source), rate=Fraction(1), losses=Losses())
    return [chroma_spread(picture, sequence.info.video.codec) for picture in sequence.pictures()]


def chroma_spread(picture: av.VideoFrame, codec: str) -> float:
    """Return the root mean square of Cb and Cr around their mean at like luma; 0 for formats without chroma."""
    _, layout = layout_or_stand_in(picture.format.name)
    if layout.family == "gray":
        return 0.0
    color = film_color(picture, codec)
    rgb = np.empty((3, picture.height, picture.width), np.float32)
    ToChain(picture.format.name, picture.width, picture.height, color, PixelFormat.RGB)(picture, rgb)
    width = min(_WIDTH, picture.width)
    size = width, max(1, picture.height * width // picture.width)
    red, green, blue = (cv2.resize(plane, size, interpolation=cv2.INTER_AREA).ravel() for plane in rgb)
    weights = COEFFICIENTS[luma_matrix(color, picture.height)]
    luma = weights.kr * red + weights.kg * green + weights.kb * blue
    bins = np.minimum((luma * _BINS).astype(np.intp), _BINS - 1)
    chromas = (blue - luma) / weights.cb_scale, (red - luma) / weights.cr_scale
    return float(np.sqrt(np.mean([np.mean(np.square(_around_mean(chroma, bins))) for chroma in chromas])))


def _around_mean(values: npt.NDArray[np.floating], bins: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    counts = np.maximum(np.bincount(bins, minlength=_BINS), 1)
    means = np.bincount(bins, weights=values, minlength=_BINS) / counts
    return values - means[bins]


def _sampled(container: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Yield a picture of each of `SAMPLES` parts of the film: key frames, or where they are rarer what lies between."""
    start = stream.start_time or 0
    length = _length(container, stream)
    budget, shown = _BUDGET, None
    for number in range(SAMPLES):
        goal = start + length * (2 * number + 1) // (2 * SAMPLES)
        picture = None
        try:
            is_sought = length > 0 and not _is_passed(stream, goal, shown)
            if is_sought:
                container.seek(goal, stream=stream)
            for picture in islice(container.decode(stream), max(budget, 1)):
                budget -= 1
                if is_sought or picture.pts is None or picture.pts >= goal:
                    break
        except READING_ERRORS:
            continue
        if picture is None:
            return
        shown = picture.pts
        yield picture


def _length(container: InputContainer, stream: av.VideoStream) -> int:
    """Return the film's duration in units of its stream; 0 where nothing is known."""
    if stream.duration is not None:
        return stream.duration
    unit = exact(stream.time_base)
    if container.duration is None or unit is None:
        return 0
    return int(Fraction(container.duration, _MICROSECONDS) / unit)


def _is_passed(stream: av.VideoStream, goal: int, shown: int | None) -> bool:
    """Return whether the key frame before `goal` has been shown already, so that decoding on is nearer than seeking."""
    entries = stream.index_entries
    position = entries.search_timestamp(goal)
    return shown is not None and 0 <= position < len(entries) and entries[position].timestamp <= shown
