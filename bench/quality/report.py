"""What was measured, as tables for people and as plain values for programs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table

from bench.quality.bars import Bar
from bench.quality.result import Row, Section, mean, values

SCHEMA = "farshore.bench.quality/1"


@dataclass(frozen=True, slots=True)
class Figure:
    """A column for each contender.

    title : of the metric
    metric : as in `Row.scores`
    contenders : those that get a column
    form : of a number
    factor : by which it is multiplied
    """

    title: str
    metric: str
    contenders: Sequence[str]
    form: str = ".2f"
    factor: float = 1.0


def to_json(head: Mapping[str, Any], sections: Sequence[Section], found: Sequence[Bar]) -> dict[str, Any]:
    """Return everything as plain values; the schema is in bench/README.md."""
    return {
        "schema": SCHEMA,
        "head": dict(head),
        "bars": [asdict(bar) for bar in found],
        **{
            section.name: {
                "models": list(section.models),
                "failures": section.failures,
                "rows": [{"case": dict(row.case), "scores": _plain(row)} for row in section.rows],
            }
            for section in sections
        },
    }


def tables(section: Section) -> list[Table]:
    """Return a section's tables."""
    return _TABLES[section.name](section)


def bars_table(found: Iterable[Bar]) -> Table:
    """Return the bars: wanted, found, cleared or not."""
    table = _table("What shall be shown")
    for header, justify in (("bench", "left"), ("what", "left"), ("judged by", "left"), ("wanted", "right")):
        table.add_column(header, justify=justify)  # pyright: ignore[reportArgumentType]
    for header in ("mean", "worst", "cleared"):
        table.add_column(header, justify="right")
    for bar in found:
        cleared = "not measured" if bar.is_cleared is None else "yes" if bar.is_cleared else "NO"
        table.add_row(bar.part, bar.what, bar.judged, bar.wanted, _text(bar.mean), _text(bar.worst), cleared)
    return table


def _restore(section: Section) -> list[Table]:
    models = list(section.models)
    rivals = ["input", "classical", *models]
    likeness = [
        Figure("PSNR dB", "psnr", rivals),
        Figure("SSIM", "ssim", rivals, ".4f"),
        Figure("edges", "sharpness", rivals, ".3f"),
    ]
    damage = [
        Figure("warping 1e-4", "warping", [*rivals, "truth"], ".1f"),
        Figure("dust gone %", "dust_recall", ["classical", *models], ".1f", 100),
        Figure("false alarms ‰", "false_alarms", ["classical", *models], ".2f", 1000),
        Figure("ms", "ms", models, ".1f"),
    ]
    groups = [
        (f"{kind}, {name}", section.where(kind=kind, damage=name))
        for kind in ("clip", "pan")
        for name in ("clean", "light", "medium", "heavy")
    ]
    chains = _table("restore: the best classical chain of each case")
    for header in ("case", "damage", "chain"):
        chains.add_column(header)
    for row in section.rows:
        if row.case["chain"]:
            chains.add_row(str(row.case["name"]), str(row.case["damage"]), str(row.case["chain"]))
    return [
        _figures("restore: luma against the print", groups, likeness),
        _figures("restore: steadiness, dust, speed", groups, damage),
        chains,
    ]


def _interpolate(section: Section) -> list[Table]:
    rivals = ["blend", "minterpolate", "dis", "dis_occlusion", *section.models]
    parts = [
        Figure("PSNR dB where things move", "psnr_moving", rivals),
        Figure("where they hardly move", "psnr_still", rivals),
    ]
    whole = [
        Figure("PSNR dB", "psnr", rivals),
        Figure("SSIM", "ssim", rivals, ".4f"),
        Figure("ms", "ms", section.models, ".1f"),
    ]
    moments = sorted({(int(row.case["gap"]), float(row.case["t"])) for row in section.rows})
    names = list(dict.fromkeys(str(row.case["name"]) for row in section.rows))
    groups = [
        (f"gap {gap}, t {t:g}", [_merged(name, section.where(gap=gap, t=t, name=name)) for name in names])
        for gap, t in moments
    ]
    pairs = {
        "pairs that move (≥ 1 px)": [row for row in section.rows if float(row.case["speed"]) >= 1],
        "pairs that hardly move (< 0.5 px)": [row for row in section.rows if float(row.case["speed"]) < 0.5],
        "all": section.rows,
    }
    groups += [("pairs", [_merged(f"{name}: {len(rows)}", rows) for name, rows in pairs.items()])]
    return [
        _figures("interpolate: dropped frames, moving and resting parts", groups, parts),
        _figures("interpolate: dropped frames, whole", groups, whole),
    ]


def _colorize(section: Section) -> list[Table]:
    models = list(section.models)
    photos = section.where(kind="photo")
    automatic = _table(f"colorize, automatic: {len(photos)} photographs")
    for header in ("", "CIEDE2000", "chroma PSNR dB", "colourfulness", "ms"):
        automatic.add_column(header, justify="right" if header else "left")
    for label in ["grey", "flat", *models, "truth"]:
        cells = [mean(values(photos, label, m)) for m in ("ciede2000", "chroma_psnr", "colourfulness", "ms")]
        automatic.add_row("flat tint (oracle)" if label == "flat" else label, *(_text(cell) for cell in cells))
    by_itself = [f"{label} automatic" for label in models]
    rivals = ["grey", "unmoved", "dis_chained", "dis_direct", *models, *by_itself]
    errors = [
        Figure("CIEDE2000", "ciede2000", rivals),
        Figure("last quarter", "last_ciede2000", rivals),
    ]
    steadiness = [
        Figure("CDC 1e-3", "cdc", ["truth", *rivals], ".2f", 1000),
        Figure("chroma PSNR dB", "chroma_psnr", ["grey", "dis", *models]),
        Figure("colourfulness", "colourfulness", ["truth", *models, *by_itself], ".1f"),
        Figure("ms", "ms", models, ".1f"),
    ]
    groups = [
        (kind, section.where(kind="clip", is_moving=number)) for kind, number in (("moving", 1), ("hardly moving", 0))
    ]
    clips = [
        _figures("colorize, clips led by their first frame", groups, errors),
        _figures("colorize, clips led by their first frame: steadiness, speed", groups, steadiness),
    ]
    return [*([automatic] if photos else []), *(clips if section.where(kind="clip") else [])]


_TABLES: dict[str, Callable[[Section], list[Table]]] = {
    "restore": _restore,
    "interpolate": _interpolate,
    "colorize": _colorize,
}


def _figures(title: str, groups: Sequence[tuple[str, Sequence[Row]]], figures: Sequence[Figure]) -> Table:
    """Return a table of rows in groups, each group with its mean."""
    table = _table(title)
    table.add_column("")
    columns = [(figure, contender) for figure in figures for contender in figure.contenders]
    for number, (figure, contender) in enumerate(columns):
        is_first = number == 0 or columns[number - 1][0] is not figure
        table.add_column(f"{figure.title if is_first else ''}\n{contender}", justify="right")
    for group, rows in groups:
        rows = [row for row in rows if row.scores]
        if not rows:
            continue
        table.add_section()
        for row in rows:
            table.add_row(f"{group}: {row.case['name']}", *(_cell([row], *column) for column in columns))
        if len(rows) > 1 and group != "pairs":
            table.add_row(f"{group}: mean", *(_cell(rows, *column) for column in columns))
    return table


def _merged(name: str, rows: Sequence[Row]) -> Row:
    """Return one row with the means of several."""
    contenders = dict.fromkeys(label for row in rows for label in row.scores)
    return Row(
        case={"name": name},
        scores={
            label: {
                metric: mean(values(rows, label, metric))
                for metric in dict.fromkeys(metric for row in rows for metric in row.scores.get(label, {}))
            }
            for label in contenders
        },
    )


def _cell(rows: Sequence[Row], figure: Figure, contender: str) -> str:
    value = mean(values(rows, contender, figure.metric))
    return "–" if value is None else format(value * figure.factor, figure.form)


def _plain(row: Row) -> dict[str, dict[str, float | None]]:
    return {
        label: {metric: None if value is None else round(float(value), 6) for metric, value in scores.items()}
        for label, scores in row.scores.items()
    }


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
