"""The opponents: chains of ffmpeg and OpenCV filters for restoring, run on 8-bit luma."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import av
import av.filter
import cv2
import numpy as np
import numpy.typing as npt

from bench.quality.metrics import Picture, psnr
from engine.errors import InternalError

Filter = Callable[[Picture], Picture]
"""Clip uint8 (T, H, W) in, filtered clip of the same shape out."""

SCREENED = 6
"""Frames on which chains are compared before the best are run on the whole clip."""

SURVIVORS, FINALISTS = 2, 2
"""Kinds of denoiser that are tried behind repairs, and chains that are run on the whole clip."""

STRENGTHS = ("light", "medium", "strong")


@dataclass(frozen=True, slots=True)
class Chain:
    """Filters, one behind the other, as `ffmpeg -vf` would name them."""

    name: str
    filters: tuple[Filter, ...]

    def __call__(self, film: Picture) -> Picture:
        """Filter a clip uint8 (T, H, W)."""
        for step in self.filters:
            film = step(film)
        return film


def ffmpeg(film: Picture, graph: str) -> Picture:
    """Run one ffmpeg filter on a clip uint8 (T, H, W); it must give as many frames as it takes."""
    name, _, options = graph.partition("=")
    return np.stack(list(run_filter(film, name, options, rate=Fraction(24)).values()))


def run_filter(
    film: Sequence[Picture] | Picture, name: str, options: str, *, rate: Fraction
) -> dict[Fraction, Picture]:
    """Run an ffmpeg filter on grey pictures; return what it gives by time in seconds, in order.

    Parameters
    ----------
    film : uint8 (H, W) each, the first at time 0
    name, options : of the filter, as after `-vf`
    rate : of the film, frames per second
    """
    height, width = film[0].shape
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        f"video_size={width}x{height}:pix_fmt=gray:time_base={1 / rate}:frame_rate={rate}:pixel_aspect=1/1",
    )
    step, sink = graph.add(name, options), graph.add("buffersink")
    source.link_to(step)
    step.link_to(sink)
    graph.configure()
    made: dict[Fraction, Picture] = {}

    def collect() -> None:
        while True:
            try:
                frame = sink.pull()
            except (BlockingIOError, EOFError):
                return
            if not isinstance(frame, av.VideoFrame) or frame.pts is None or frame.time_base is None:
                raise InternalError(f"ffmpeg's {name} gave something that is no timed picture")
            made[frame.pts * frame.time_base] = frame.to_ndarray(format="gray").astype(np.uint8, copy=False)

    for number, picture in enumerate(film):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
        frame.pts, frame.time_base = number, 1 / rate
        source.push(frame)
        collect()
    source.push(None)
    collect()
    return made


def temporal_median(film: Picture) -> Picture:
    """Run ffmpeg's tmedian over three frames; it gives none for the two ends, which stay as they are."""
    made = list(run_filter(film, "tmedian", "radius=1", rate=Fraction(24)).values())
    return np.stack([film[0], *made, film[-1]])


def hqdn3d(film: Picture, spatial: float, temporal: float) -> Picture:
    """Do what ffmpeg's hqdn3d does: recursive low passes along rows, columns and time, strong where little changes.

    Written in NumPy because PyAV's wheels are built without the filters under the GPL. A step takes the difference d of
    what came before and the new value down to d (1 - |d| / 255) ** (log 0.25 / log (1 - strength / 255)).

    Parameters
    ----------
    film : uint8 (T, H, W)
    spatial, temporal : as luma_spatial and luma_tmp, codes of 255
    """
    in_space, in_time = _LowPass(spatial), _LowPass(temporal)
    before = np.zeros(0, np.float32)
    out = np.empty_like(film)
    for number, picture in enumerate(film):
        plane = picture.astype(np.float32)
        for column in range(1, plane.shape[1]):
            plane[:, column] = in_space(plane[:, column - 1], plane[:, column])
        for row in range(1, plane.shape[0]):
            plane[row] = in_space(plane[row - 1], plane[row])
        before = in_time(before, plane) if number else plane
        out[number] = np.rint(np.clip(before, 0, 255))
    return out


class _LowPass:
    """One recursive low pass, by table."""

    STEPS = 8

    def __init__(self, strength: float) -> None:
        power = np.log(0.25) / np.log(1 - min(strength, 252) / 255 - 1e-5)
        difference = np.arange(-255 * self.STEPS, 255 * self.STEPS + 1) / self.STEPS
        self._table = (difference * (1 - np.abs(difference) / 255) ** power).astype(np.float32)

    def __call__(self, before: npt.NDArray[np.float32], new: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        index = np.rint((before - new) * self.STEPS).astype(np.intp) + 255 * self.STEPS
        return new + np.take(self._table, index, mode="clip")


def nl_means_multi(film: Picture, h: float) -> Picture:
    """Run OpenCV's fastNlMeansDenoisingMulti over three frames; at the ends the clip is mirrored."""
    padded = [film[1], *film, film[-2]]
    return np.stack(
        [
            cv2.fastNlMeansDenoisingMulti(padded, number + 1, 3, h=[h], templateWindowSize=5, searchWindowSize=11)
            for number in range(len(film))
        ]
    ).astype(np.uint8, copy=False)


def denoisers(*, few: bool = False) -> list[list[str]]:
    """Return each kind of denoiser in its strengths, as ``ffmpeg -vf`` names them; `few` keeps the middle strength."""
    strengths = STRENGTHS[1:2] if few else STRENGTHS
    return [[table[strength] for strength in strengths] for table in _DENOISERS]


def best_chain(film: Picture, truth: Picture, *, few: bool = False) -> tuple[Chain, Picture]:
    """Return the chain with the highest PSNR against the truth, and what it makes of the clip.

    On the clip's first frames every denoiser and every repair runs alone, then each repair before the best two
    kinds of denoiser; of all these the best two run on the whole clip.

    Parameters
    ----------
    film, truth : uint8 (T, H, W)
    few : only the middle strength of each denoiser
    """
    scores: dict[str, float] = {}

    def best(names: Sequence[str], count: int) -> list[str]:
        for name in names:
            if name not in scores:
                scores[name] = psnr(chain(name)(film[:SCREENED]), truth[:SCREENED]) or 0.0
        return sorted(names, key=lambda name: -scores[name])[:count]

    kinds = denoisers(few=few)
    best_of_each = [best(kind, 1)[0] for kind in kinds]
    together = [f"{repair},{name}" for name in best(best_of_each, SURVIVORS) for repair in REPAIRS]
    alone = [name for kind in kinds for name in kind]
    finalists = [chain(name) for name in best([*alone, *REPAIRS, *together], FINALISTS)]
    made = [(finalist, finalist(film)) for finalist in finalists]
    return max(made, key=lambda pair: psnr(pair[1], truth) or 0.0)


_DENOISERS = (
    {"light": "nlmeans=s=1.5:p=5:r=9", "medium": "nlmeans=s=3:p=5:r=9", "strong": "nlmeans=s=6:p=5:r=9"},
    {
        "light": "fftdnoiz=sigma=3:prev=1:next=1",
        "medium": "fftdnoiz=sigma=7:prev=1:next=1",
        "strong": "fftdnoiz=sigma=14:prev=1:next=1",
    },
    {
        "light": "atadenoise=s=5",
        "medium": "atadenoise=s=5:0a=0.06:0b=0.12",
        "strong": "atadenoise=s=7:0a=0.15:0b=0.4",
    },
    {"light": "bm3d=sigma=3", "medium": "bm3d=sigma=6", "strong": "bm3d=sigma=12"},
    {
        "light": "bilateral=sigmaS=1.5:sigmaR=0.03",
        "medium": "bilateral=sigmaS=2:sigmaR=0.06",
        "strong": "bilateral=sigmaS=3:sigmaR=0.1",
    },
    {"light": "hqdn3d=3:4.5", "medium": "hqdn3d=7:10", "strong": "hqdn3d=16:24"},
    {
        "light": "fastNlMeansDenoisingMulti=3",
        "medium": "fastNlMeansDenoisingMulti=6",
        "strong": "fastNlMeansDenoisingMulti=12",
    },
)
_DEFLICKER, _DESPECKLE = "deflicker=size=5:mode=am", "removegrain=m0=2"
REPAIRS = (
    _DEFLICKER,
    _DESPECKLE,
    "median=radius=1",
    "tmedian",
    f"{_DEFLICKER},{_DESPECKLE}",
    f"{_DEFLICKER},tmedian",
)
"""Filters against flicker and dust, tried alone and before the best denoisers."""


def chain(names: str) -> Chain:
    """Make a chain of filters as ``ffmpeg -vf`` names them."""
    return Chain(names, tuple(_filter(name) for name in names.split(",")))


def _filter(graph: str) -> Filter:
    name, _, options = graph.partition("=")
    if name == "hqdn3d":
        spatial, temporal = (float(part) for part in options.split(":"))
        return partial(hqdn3d, spatial=spatial, temporal=temporal)
    if name == "fastNlMeansDenoisingMulti":
        return partial(nl_means_multi, h=float(options))
    if name == "tmedian":
        return temporal_median
    return partial(ffmpeg, graph=graph)
