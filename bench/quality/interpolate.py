"""How well frames between frames are made: dropped frames of held-out clips through the interpolate stage."""

from collections.abc import Callable, Sequence

import numpy as np

from bench.quality import drive
from bench.quality.classical_between import DisWarp, blend, minterpolate
from bench.quality.contender import Contender
from bench.quality.material import Clip, Material
from bench.quality.metrics import Mask, Picture, mean_where, psnr, ssim_map
from bench.quality.motion import flow_between
from bench.quality.result import Extremes, Row, Scores, Section
from bench.quality.sheet import Exhibit

GAPS = (2, 4)
"""Of the frames kept: every second, every fourth."""

LENGTH = 9
"""Frames of each part of a clip: the least that holds four intervals of two and two of four."""

MOVES, RESTS = 1.0, 0.5
"""Pixels between the kept frames from which things move, and below which they hardly move."""


def measure(
    models: Sequence[Contender], material: Material, tell: Callable[[str], None] = lambda text: None
) -> Section:
    """Measure every model on every dropped frame; `tell` is told what is being worked on."""
    section = Section(name="interpolate", models=[contender.label for contender in models])
    extremes = Extremes()
    for clip in material.clips():
        for part in clip.parts(LENGTH, material.plan.places):
            tell(f"interpolate: {clip.name}, frame {part.start}")
            for gap in GAPS:
                _measure_part(section, models, clip, part, gap, extremes)
    section.exhibits = extremes.exhibits()
    return section


def _measure_part(
    section: Section, models: Sequence[Contender], clip: Clip, part: slice, gap: int, extremes: Extremes
) -> None:
    """Drop frames of a part, make them again, add a row for each.

    What sees more than two frames sees the film's own around the part too, where the shot has them, as when film runs.
    """
    frames = clip.luma[part]
    kept = list(frames[::gap])
    if len(kept) < 2:
        return
    numbers = range(part.start, part.stop, gap)
    begin, end = next(shot for shot in clip.shots if shot[0] <= part.start < shot[1])
    film = [
        clip.luma[number] for number in range(numbers[0] - gap, numbers[-1] + gap + 1, gap) if begin <= number < end
    ]
    lead = (gap - 1) * int(numbers[0] - gap >= begin)

    def inside(pictures: Sequence[Picture]) -> Sequence[Picture]:
        return pictures[lead : lead + (gap - 1) * (len(kept) - 1)]

    ms: dict[str, float] = {}
    made: dict[str, Sequence[Picture]] = {"minterpolate": inside(minterpolate(film, gap))}
    for contender in models:
        run = drive.between(contender.model, film, gap)
        section.failures += run.failures
        made[contender.label] = inside(list(run.pictures.astype(np.uint8, copy=False)))
        ms[contender.label] = run.ms
    for interval in range(len(kept) - 1):
        first, second = kept[interval], kept[interval + 1]
        warper = DisWarp(first, second)
        for step in range(1, gap):
            truth, timestep = frames[interval * gap + step], step / gap
            pictures = {
                "blend": blend(first, second, timestep),
                "dis": warper.plain(timestep),
                "dis_occlusion": warper.occlusion_aware(timestep),
                **{label: between[interval * (gap - 1) + step - 1] for label, between in made.items()},
            }
            speed = motion_at(truth, first, second)
            row = Row(
                case={
                    "name": clip.name,
                    "frame": part.start + interval * gap + step,
                    "gap": gap,
                    "t": timestep,
                    "speed": float(speed.mean()),
                },
                scores={
                    label: {**_scores(picture, truth, speed >= MOVES, speed < RESTS), **_timed(ms, label)}
                    for label, picture in pictures.items()
                },
            )
            section.rows.append(row)
            if models:
                _exhibit(extremes, row, first, second, pictures, truth, models[0].label)


def motion_at(truth: Picture, first: Picture, second: Picture) -> np.ndarray:
    """Return how far each pixel of the true picture moves between the kept ones, pixels, float32 (H, W)."""
    return np.linalg.norm(flow_between(truth, second) - flow_between(truth, first), axis=2)


def _scores(found: Picture, truth: Picture, moves: Mask, rests: Mask) -> Scores:
    similarity = ssim_map(found, truth)
    return {
        "psnr": psnr(found, truth),
        "ssim": float(similarity.mean()),
        "psnr_moving": psnr(found, truth, moves),
        "ssim_moving": mean_where(similarity, moves),
        "psnr_still": psnr(found, truth, rests),
        "ssim_still": mean_where(similarity, rests),
    }


def _timed(ms: dict[str, float], label: str) -> Scores:
    return {"ms": ms[label]} if label in ms else {}


def _exhibit(
    extremes: Extremes,
    row: Row,
    first: Picture,
    second: Picture,
    pictures: dict[str, Picture],
    truth: Picture,
    label: str,
) -> None:
    """Offer a moment to the sheet, by how much the first model is better than the best opponent."""
    ours = row.scores[label]["psnr"] or 0.0
    opponents = {name: row.scores[name]["psnr"] or 0.0 for name in ("blend", "dis", "dis_occlusion", "minterpolate")}
    best = max(opponents, key=lambda name: opponents[name])

    def draw() -> Exhibit:
        return Exhibit(
            title=f"interpolate, gap {row.case['gap']}, t {row.case['t']}: {row.case['name']} frame "
            f"{row.case['frame']}, {best} {opponents[best]:.2f} dB, model {ours:.2f} dB",
            pictures={"both kept": blend(first, second, 0.5), best: pictures[best], "model": pictures[label]}
            | {"truth": truth},
        )

    extremes.offer(f"gap {row.case['gap']}", ours - opponents[best], draw)
