"""The report: one HTML file without anything from outside, in light or dark as the reader's screen is."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rich.table import Table

from bench.latency import plots
from bench.latency.head import head_lines
from bench.latency.tables import model_table, stage_table, summary_lines

_STYLE = """
:root { color-scheme: light dark; --page: #fbfaf8; --ink: #22211f; --dim: #6b6963; --grid: #e2dfd9; --range: #bcd3ea;
  --half: #6d9fd0; --strong: #1d3f66; --p99: #e08a1e; --max: #c0392b; --budget: #2e8b57; --starved: #d9d5cc;
  --blocked: #e6b877; --roof: #8a867d; --model: #22211f; }
@media (prefers-color-scheme: dark) { :root { --page: #191a1c; --ink: #e9e6e0; --dim: #a09c94; --grid: #35363a;
  --range: #2d4a66; --half: #4a7fb3; --strong: #cfe3f7; --p99: #f0a848; --max: #ef6b5b; --budget: #57c28a;
  --starved: #44464b; --blocked: #9a6f2f; --roof: #8d8a84; --model: #f3f1ec; } }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 1080px; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .4rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; } p { margin: .2rem 0; } .dim, footer { color: var(--dim); }
.hash { font-family: ui-monospace, monospace; font-size: .8rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .3rem 0 .8rem; } svg { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .48rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; } th { color: var(--dim); font-weight: 600; }
text { fill: var(--ink); font: 13px system-ui, sans-serif; } text.tick { fill: var(--dim); font-size: 11px; }
.grid { stroke: var(--grid); stroke-width: 1; } .range { fill: var(--range); } .half, .busy { fill: var(--half); }
.median { fill: var(--strong); } .p99 { fill: var(--p99); } .max { fill: var(--max); } .budget { fill: var(--budget); }
.starved { fill: var(--starved); } .blocked { fill: var(--blocked); } .idle { fill: var(--grid); }
.model { fill: var(--model); } .roof { fill: none; stroke: var(--roof); stroke-width: 2; }
.frame0 { fill: #4e8fcb; } .frame1 { fill: #e0913a; } .frame2 { fill: #5aa469; } .frame3 { fill: #b06fc0; }
.frame4 { fill: #c9a227; } .frame5 { fill: #d2605a; }
"""

_DEFINITIONS = (
    "A stage's time for a frame is all that it did since the frame before it left; time in queues is not in it. The "
    "budget is the time that a frame has at the film's rate, from the interpolation on at the written film's. Jitter "
    "is the mean difference between one frame's time and the next's. Frames that leave during the warm-up, or after "
    "reading ended, are left out. Table: medians over the runs; max is the greatest of all."
)


def report(result: Mapping[str, Any]) -> str:
    """Return the page of a result."""
    title = f"farshore bench {result['kind']}"
    parts = [f"<h1>{title}</h1>", *(f'<p class="dim">{escape(line)}</p>' for line in head_lines(result["head"]))]
    parts.append(f"<p>{_DEFINITIONS}</p>")
    for case in result["cases"]:
        parts += _case(case, result["head"]["roofs"])
    parts.append(
        f"<footer><p>{escape(result['schema'])}. Plots tell more where the pointer rests on them.</p></footer>"
    )
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _case(case: Mapping[str, Any], roofs: Sequence[Mapping[str, Any]]) -> list[str]:
    title, *lines = summary_lines(case)
    parts = [f"<h2>{escape(title)}</h2>", *(f"<p>{escape(line)}</p>" for line in lines)]
    parts += ["<h3>Stages</h3>", _table(stage_table(case)), plots.distributions(case)]
    if case["case"]["kind"] == "chain":
        parts += ["<h3>What each stage spent its time on</h3>", plots.occupation(case)]
    if case["timeline"]:
        parts += ["<h3>A few frames</h3>", plots.timeline(case)]
    if case["costs"]:
        parts += [
            "<h3>Models</h3>",
            _table(model_table(case)),
            "<p>Operations are those of convolutions and matrix products, two a multiply-add; bytes are those of every "
            "node of the unoptimised graph, so that fusing nodes moves a model to the right of where it stands.</p>",
            plots.roofline(case, roofs),
        ]
    parts += [
        f'<p class="hash">{escape(model["role"])}: {escape(model["name"])} {escape(model["version"])} '
        f"{escape(model['precision'])}, sha256 {model['sha256']}</p>"
        for model in case["models"]
    ]
    return parts


def _table(table: Table) -> str:
    cells = [list(column.cells) for column in table.columns]
    head = "".join(f"<th>{escape(str(column.header))}</th>" for column in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in zip(*cells, strict=True)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
