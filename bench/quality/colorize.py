"""How true and how steady colours are: photographs coloured automatically, clips led by their own first frame."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.quality import drive
from bench.quality.colour import Chroma, Lab, colour_scores, half_lab, shown, steady_scores
from bench.quality.contender import Contender
from bench.quality.material import Clip, Material, luma_of
from bench.quality.metrics import Picture
from bench.quality.motion import Flow, carry, flow_between, link, mean_speed
from bench.quality.result import Extremes, Row, Scores, Section
from bench.quality.sheet import Exhibit
from engine.demo.picture_file import write_picture

MOVING = 0.5
"""Pixels that a clip's pictures move from frame to frame, in the mean, from which it counts as moving."""

COLOURED = 3.0
"""Colourfulness from which a photograph counts as coloured. Grey ones have no colour to be found: they are measured as
`grey photo` and take no part in means, where one of them would weigh tens of decibels."""


def measure(
    models: Sequence[Contender], material: Material, tell: Callable[[str], None] = lambda text: None
) -> Section:
    """Measure every model on photographs and clips; `tell` is told what is being worked on."""
    section = Section(name="colorize", models=[contender.label for contender in models])
    extremes = Extremes()
    for number, (name, rgb) in enumerate(material.photos()):
        tell(f"colorize: photograph {number + 1} of {len(material.photo_files)}, {name}")
        _photo(section, models, name, rgb, extremes)
    for clip in material.clips():
        tell(f"colorize: {clip.name}")
        _clip(section, models, clip, 2 * material.plan.frames, extremes)
    section.exhibits = extremes.exhibits()
    return section


def _photo(section: Section, models: Sequence[Contender], name: str, rgb: Picture, extremes: Extremes) -> None:
    """Colour a photograph uint8 (H, W, 3) without a reference."""
    truth = half_lab(rgb)
    made: dict[str, Chroma] = {
        "grey": np.zeros_like(truth[1:]),
        "flat": np.broadcast_to(truth[1:].mean((1, 2), keepdims=True), truth[1:].shape).astype(np.float32),
        "truth": truth[1:],
    }
    ms: dict[str, float] = {}
    for contender in models:
        run = drive.colour(contender.model, [luma_of(rgb)], None)
        section.failures += run.failures
        made[contender.label], ms[contender.label] = run.pictures[0].astype(np.float32, copy=False), run.ms
    scores = {label: {**colour_scores(truth, ab), **_timed(ms, label)} for label, ab in made.items()}
    is_coloured = (scores["truth"]["colourfulness"] or 0.0) >= COLOURED
    row = Row(case={"kind": "photo" if is_coloured else "grey photo", "name": name}, scores=scores)
    section.rows.append(row)
    if models and is_coloured:
        label = models[0].label
        columns = {"grey": "grey", "flat tint (oracle)": "flat", "model": label, "truth": "truth"}
        pictures = {caption: made[key] for caption, key in columns.items()}
        _exhibit(extremes, row, "automatic", "grey", truth, pictures, label)


def _clip(section: Section, models: Sequence[Contender], clip: Clip, length: int, extremes: Extremes) -> None:
    """Colour a clip led by its first frame, and without a reference."""
    part = clip.parts(length, 1)[0]
    rgb, luma = clip.rgb[part], clip.luma[part]
    truth = [half_lab(picture) for picture in rgb]
    first = truth[0][1:]
    chained, direct = propagated(first, luma)
    made: dict[str, Sequence[Chroma]] = {
        "truth": [lab[1:] for lab in truth],
        "grey": [np.zeros_like(first)] * len(truth),
        "unmoved": [first] * len(truth),
        "dis_chained": chained,
        "dis_direct": direct,
    }
    ms: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.png"
        write_picture(reference, rgb[0])
        for contender in models:
            for label, path in ((contender.label, reference), (f"{contender.label} automatic", None)):
                run = drive.colour(contender.model, luma, path)
                section.failures += run.failures
                made[label], ms[label] = list(run.pictures.astype(np.float32, copy=False)), run.ms
    scores: dict[str, Scores] = {
        label: {**steady_scores(truth, abs_), **_timed(ms, label)} for label, abs_ in made.items()
    }
    scores["dis"] = min((scores["dis_chained"], scores["dis_direct"]), key=lambda found: found["ciede2000"] or 0.0)
    speed = mean_speed(link(luma))
    row = Row(
        case={
            "kind": "clip",
            "name": clip.name,
            "frames": len(luma),
            "speed": speed,
            "is_moving": int(speed >= MOVING),
        },
        scores=scores,
    )
    section.rows.append(row)
    if models:
        label = models[0].label
        columns = {"unmoved": "unmoved", "along DIS flow": "dis_chained", "model": label, "truth": "truth"}
        pictures = {caption: made[key][-1] for caption, key in columns.items()}
        _exhibit(extremes, row, "one reference, last frame", "dis", truth[-1], pictures, label)


def propagated(first: Chroma, luma: Picture) -> tuple[list[Chroma], list[Chroma]]:
    """Carry the first frame's colours through a clip along DIS flow.

    Parameters
    ----------
    first : float32 (2, h, w), half-size a*, b* of the first frame
    luma : uint8 (T, H, W)

    Returns
    -------
    chained : each step's flow added to the way so far, the first frame sampled once, so that nothing blurs
    direct : the flow from each frame to the first
    """
    colours = np.ascontiguousarray(first.transpose(1, 2, 0))
    way = np.zeros((*first.shape[1:], 2), np.float32)
    chained, direct = [first], [first]
    for number in range(1, len(luma)):
        step = _halved(flow_between(luma[number], luma[number - 1]), first.shape[1:])
        way = step + carry(way, step)
        whole = _halved(flow_between(luma[number], luma[0]), first.shape[1:])
        chained.append(carry(colours, way).transpose(2, 0, 1))
        direct.append(carry(colours, whole).transpose(2, 0, 1))
    return chained, direct


def _halved(flow: Flow, size: Sequence[int]) -> Flow:
    """Bring a flow to half size, in pixels of that size."""
    small = cv2.resize(flow, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return (small * np.float32(0.5)).astype(np.float32)


def _timed(ms: dict[str, float], label: str) -> Scores:
    return {"ms": ms[label]} if label in ms else {}


def _exhibit(
    extremes: Extremes, row: Row, kind: str, rival: str, truth: Lab, pictures: dict[str, Chroma], label: str
) -> None:
    """Offer a case to the sheet, by how much nearer to the truth the first model is than its rival, CIEDE2000."""
    ours, theirs = (row.scores[name]["ciede2000"] or 0.0 for name in (label, rival))

    def draw() -> Exhibit:
        return Exhibit(
            title=f"colorize, {kind}: {row.case['name']}, CIEDE2000 {rival} {theirs:.2f}, model {ours:.2f}",
            pictures={caption: shown(truth[0], ab) for caption, ab in pictures.items()},
        )

    extremes.offer(kind, theirs - ours, draw)
