"""How well damage goes: full frames through the enhance stage, beside the best classical chain of each clip."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.quality import drive
from bench.quality.classical import best_chain
from bench.quality.contender import Contender
from bench.quality.material import Material
from bench.quality.metrics import Picture, clip_ssim, dust_recall, false_alarms, psnr, sharpness
from bench.quality.motion import Link, link, mean_speed, warping_error
from bench.quality.result import Extremes, Row, Scores, Section
from bench.quality.sheet import Exhibit
from engine.damage import STRENGTHS, damage_clip

CLIP_DAMAGE = ("clean", "light", "medium", "heavy")
PAN_DAMAGE = ("clean", "medium")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A film to restore and the truth about it; arrays (T, H, W).

    kind : `clip` or `pan`
    film, truth : uint8, as 8-bit film holds them; for clean film the same
    dust, marks : float32 in [0, 1], what dust covers, and what dust and scratches cover
    """

    kind: str
    name: str
    damage: str
    film: Picture
    truth: Picture
    dust: npt.NDArray[np.float32]
    marks: npt.NDArray[np.float32]
    links: Sequence[Link] = field(repr=False)


def measure(
    models: Sequence[Contender], material: Material, tell: Callable[[str], None] = lambda text: None
) -> Section:
    """Measure every model on every case; `tell` is told what is being worked on."""
    section = Section(name="restore", models=[contender.label for contender in models])
    extremes = Extremes()
    for case in cases(material):
        tell(f"restore: {case.name}, {case.damage}")
        height, width = case.film.shape[1:]
        scores: dict[str, Scores] = {"input": _scores(case, case.film), "truth": _scores(case, case.truth)}
        pictures = {"film": case.film}
        chain_name = ""
        if case.damage != "clean":
            chain, filtered = best_chain(case.film, case.truth, few=material.plan.few_chains)
            chain_name, scores["classical"] = chain.name, _scores(case, filtered)
            pictures["best classical chain"] = filtered
        for contender in models:
            made = drive.restore(contender.model, case.film)
            restored = made.pictures.astype(np.uint8, copy=False)
            section.failures += made.failures
            scores[contender.label] = {**_scores(case, restored), "ms": made.ms}
            pictures.setdefault("restored", restored)
        pictures["truth"] = case.truth
        facts = {"frames": len(case.film), "width": width, "height": height, "speed": mean_speed(case.links)}
        row = Row(
            case={"kind": case.kind, "name": case.name, "damage": case.damage, "chain": chain_name, **facts},
            scores=scores,
        )
        section.rows.append(row)
        if models:
            _exhibit(extremes, row, pictures, models[0].label)
    section.exhibits = extremes.exhibits()
    return section


def cases(material: Material) -> Iterator[Case]:
    """Yield every case: each clip and each pan with its damages, seeded by its name."""
    for clip in material.clips():
        clean = clip.luma[clip.parts(material.plan.frames, 1)[0]]
        for damage in CLIP_DAMAGE:
            yield make_case("clip", clip.name, damage, clean)
    for name, clean in material.pans():
        for damage in PAN_DAMAGE:
            yield make_case("pan", name, damage, clean)


def make_case(kind: str, name: str, damage: str, clean: Picture) -> Case:
    """Damage a clean clip uint8 (T, H, W), or leave it as it is where `damage` is `clean`."""
    film = truth = clean
    dust = marks = np.zeros(clean.shape, np.float32)
    if damage != "clean":
        rng = np.random.default_rng((zlib.crc32(name.encode()), CLIP_DAMAGE.index(damage)))
        worn = damage_clip(clean.astype(np.float32) / 255, STRENGTHS[damage], rng)
        film, truth = _coded(worn.frames), _coded(worn.target)
        dust, marks = worn.dust, np.maximum(worn.dust, worn.scratches)
    return Case(kind=kind, name=name, damage=damage, film=film, truth=truth, dust=dust, marks=marks, links=link(truth))


def _scores(case: Case, found: Picture) -> Scores:
    """Take every figure of a result uint8 (T, H, W)."""
    return {
        "psnr": psnr(found, case.truth),
        "ssim": clip_ssim(found, case.truth),
        "warping": warping_error(found, case.links),
        "sharpness": sharpness(found, case.truth),
        "dust_recall": _over_clip(dust_recall, case, found, case.dust),
        "false_alarms": _over_clip(false_alarms, case, found, case.marks),
    }


def _over_clip(
    metric: Callable[[Picture, Picture, Picture, npt.NDArray[np.float32]], float | None],
    case: Case,
    found: Picture,
    cover: npt.NDArray[np.float32],
) -> float | None:
    """Take a metric over all frames of a clip as if they were one tall picture."""
    width = found.shape[2]
    film, flat, truth = (frames.reshape(-1, width) for frames in (case.film, found, case.truth))
    return metric(film, flat, truth, cover.reshape(-1, width))


def _exhibit(extremes: Extremes, row: Row, pictures: dict[str, Picture], label: str) -> None:
    """Offer a case to the sheet, by how much the first model gained over the film (clean: by what it kept)."""
    after, before = row.scores[label]["psnr"] or 0.0, row.scores["input"]["psnr"] or 0.0
    is_clean = row.case["damage"] == "clean"

    def draw() -> Exhibit:
        middle = len(pictures["truth"]) // 2
        figures = f"{after:.2f} dB" if is_clean else f"{before:.2f} -> {after:.2f} dB"
        return Exhibit(
            title=f"restore, {row.case['damage']}: {row.case['name']}, {figures}   {row.case['chain']}",
            pictures={caption: frames[middle] for caption, frames in pictures.items()},
        )

    extremes.offer(f"{row.case['kind']} {row.case['damage']}", after if is_clean else after - before, draw)


def _coded(frames: npt.NDArray[np.float32]) -> Picture:
    return np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)
