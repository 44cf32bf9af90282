"""The bars that the built-in models shall clear, and whether they do."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.quality.contender import INT8
from bench.quality.result import Row, Section, gains, mean, values


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar.

    part : which bench
    what : is measured
    judged : `mean` or `worst` of the cases: which of the two figures must clear the bar
    wanted : in words
    mean, worst : found; None where there was nothing to measure it on
    is_cleared : None where there was nothing to measure it on
    """

    part: str
    what: str
    judged: str
    wanted: str
    mean: float | None
    worst: float | None
    is_cleared: bool | None


def bars(section: Section) -> list[Bar]:
    """Return the bars of a section, for its first model, and for each INT8 model beside it."""
    if not section.models or not section.rows:
        return []
    found = list(_JUDGES[section.name](section, section.models[0]))
    for label in section.models[1:]:
        if INT8 in label:
            found += _int8(section, section.models[0], label)
    return found


def _bar(
    section: Section,
    what: str,
    figures: Sequence[float],
    limit: float,
    *,
    unit: str = "",
    is_least: bool = True,
    judged: str = "mean",
) -> Bar:
    """Judge figures: their mean, or the worst, must be at least (or at most) the limit."""
    middle = mean(figures)
    worst = (min if is_least else max)(figures, default=None)
    judge = middle if judged == "mean" else worst
    is_cleared = None if judge is None else (judge >= limit if is_least else judge <= limit)
    wanted = f"{'≥' if is_least else '≤'} {limit:g}{' ' + unit if unit else ''}"
    return Bar(
        part=section.name,
        what=what,
        judged=judged,
        wanted=wanted,
        mean=middle,
        worst=worst,
        is_cleared=is_cleared,
    )


def _ratios(rows: Sequence[Row], contender: str, over: str, metric: str) -> list[float]:
    pairs = zip(values(rows, contender, metric), values(rows, over, metric), strict=True)
    return [first / second for first, second in pairs if first is not None and second]


def _there(rows: Sequence[Row], contender: str, metric: str) -> list[float]:
    return [value for value in values(rows, contender, metric) if value is not None]


def _restore(section: Section, model: str) -> Iterator[Bar]:
    for damage in ("medium", "heavy"):
        rows = section.where(kind="clip", damage=damage)
        yield _bar(section, f"{damage}: PSNR over the input", gains(rows, model, "input", "psnr"), 5, unit="dB")
        yield _bar(
            section, f"{damage}: PSNR over the best chain", gains(rows, model, "classical", "psnr"), 2, unit="dB"
        )
    light = gains(section.where(kind="clip", damage="light"), model, "input", "psnr")
    yield _bar(section, "light: PSNR over the input", light, 0, unit="dB", judged="worst")
    damaged = [row for row in section.rows if row.case["kind"] == "clip" and row.case["damage"] != "clean"]
    steadiness = _ratios(damaged, model, "input", "warping")
    yield _bar(section, "warping error ÷ input's", steadiness, 1, is_least=False, judged="worst")
    clean = _there(section.where(kind="clip", damage="clean"), model, "psnr")
    yield _bar(section, "clean film: PSNR", clean, 38, unit="dB", judged="worst")
    pans = section.where(kind="pan", damage="medium")
    yield _bar(section, "fast pan, medium: PSNR over the input", gains(pans, model, "input", "psnr"), 0, judged="worst")
    sharp = _ratios(pans, model, "input", "sharpness")
    yield _bar(section, "fast pan, medium: edges ÷ input's", sharp, 0.95, judged="worst")
    still = _there(section.where(kind="pan", damage="clean"), model, "psnr")
    yield _bar(section, "fast pan, clean: PSNR", still, 38, unit="dB", judged="worst")


def _interpolate(section: Section, model: str) -> Iterator[Bar]:
    for name, opponents, least in (
        ("minterpolate", ["minterpolate"], 1.0),
        ("blending", ["blend"], 1.0),
        ("DIS warping, the better of two", ["dis", "dis_occlusion"], 0.5),
    ):
        found = _over_best(section.rows, model, opponents, "psnr_moving")
        yield _bar(section, f"where things move: PSNR over {name}", found, least, unit="dB")
    still = _over_best(section.rows, model, ["blend"], "psnr_still")
    yield _bar(section, "where they hardly move: PSNR over blending", still, 0, unit="dB")
    middle = mean(values(section.where(gap=4, t=0.5), model, "psnr"))
    aside = [*values(section.where(gap=4, t=0.25), model, "psnr"), *values(section.where(gap=4, t=0.75), model, "psnr")]
    asides = mean(aside)
    difference = [] if middle is None or asides is None else [asides - middle]
    yield _bar(section, "t = 0.25 and 0.75: PSNR over t = 0.5's", difference, -0.5, unit="dB")


def _over_best(rows: Sequence[Row], model: str, opponents: Sequence[str], metric: str) -> list[float]:
    """Return clip by clip by how much the model's mean exceeds the best opponent's of that clip."""
    found: list[float] = []
    for name in dict.fromkeys(row.case["name"] for row in rows):
        of_clip = [row for row in rows if row.case["name"] == name]
        ours = mean(values(of_clip, model, metric))
        theirs = [value for label in opponents if (value := mean(values(of_clip, label, metric))) is not None]
        if ours is not None and theirs:
            found.append(ours - max(theirs))
    return found


def _colorize(section: Section, model: str) -> Iterator[Bar]:
    clips, moving = section.where(kind="clip"), section.where(kind="clip", is_moving=1)
    for metric, name in (("ciede2000", "CIEDE2000"), ("last_ciede2000", "last frames' CIEDE2000")):
        found = _ratios(moving, model, "dis", metric)
        yield _bar(section, f"one reference, moving: {name} ÷ DIS propagation's", found, 1, is_least=False)
    unmoved = _ratios(clips, model, "unmoved", "ciede2000")
    yield _bar(section, "one reference: CIEDE2000 ÷ unmoved chroma's", unmoved, 1, is_least=False, judged="worst")
    steady = _ratios(clips, model, "truth", "cdc")
    yield _bar(section, "one reference: CDC ÷ the truth's", steady, 1.1, is_least=False)
    photos = section.where(kind="photo")
    yield _bar(section, "automatic: chroma PSNR over grey", gains(photos, model, "grey", "chroma_psnr"), 1, unit="dB")
    ours, grey = mean(values(photos, model, "ciede2000")), mean(values(photos, "grey", "ciede2000"))
    share = [ours / grey] if ours is not None and grey else []
    yield _bar(section, "automatic: CIEDE2000 ÷ grey's", share, 0.75, is_least=False)
    yield _bar(section, "automatic: colourfulness", _there(photos, model, "colourfulness"), 15)


_JUDGES: dict[str, Callable[[Section, str], Iterator[Bar]]] = {
    "restore": _restore,
    "interpolate": _interpolate,
    "colorize": _colorize,
}

_INT8_METRIC = {"restore": ("psnr", "dB", 0.1), "interpolate": ("psnr", "dB", 0.1), "colorize": ("ciede2000", "", 0.3)}


def _int8(section: Section, model: str, quantized: str) -> Iterator[Bar]:
    """Compare an INT8 model with the first one; clean film left out, where hundredths of a code are decibels."""
    metric, unit, limit = _INT8_METRIC[section.name]
    rows = [row for row in section.rows if row.case.get("damage") != "clean"]
    is_least = metric == "psnr"
    yield _bar(
        section,
        f"{quantized}: {'PSNR' if is_least else 'CIEDE2000'} − {model}'s",
        gains(rows, quantized, model, metric),
        -limit if is_least else limit,
        unit=unit,
        is_least=is_least,
    )
    yield _bar(section, f"{quantized}: speed ÷ {model}'s", _ratios(section.rows, model, quantized, "ms"), 2)
