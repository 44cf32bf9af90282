"""`farshore demo`: a film drawn, aged, restored and compared with its truth."""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from engine.chrome_trace import check_trace_path
from engine.cli import console, options
from engine.cli.film_run import code_of, run_watched, stop_on_signal
from engine.cli.progress import clock_text
from engine.cli.report import plan_line, print_report
from engine.demo.run import PRESET, Demo, DemoOptions, DemoResult
from engine.errors import ConfigError


def demo(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where films and sheet go.")] = Path("demo"),
    seconds: Annotated[float, typer.Option(metavar="N", help="Length of the film, 0.5 to 30.")] = 4.0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Size of the pictures, even numbers.")] = "480x360",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other clouds, houses and scratches.")] = 1,
    references: Annotated[
        bool,
        typer.Option(
            "--references/--no-references",
            metavar="",
            help="Give the colorizer one colour picture of each shot, as --reference does, or let it guess.",
        ),
    ] = True,
    trace: options.Trace = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Draw a film, age it, restore it, and show what was gained."""
    console.start_logging(debug=debug, quiet=quiet)
    width, height = _parse_size(size)
    if trace is not None and trace.parent != output:
        check_trace_path(trace)
    asked = DemoOptions(
        folder=output, seconds=seconds, width=width, height=height, seed=seed, references=references, trace=trace
    )
    work = Demo(asked)
    try:
        result = _run(work, as_json=as_json, quiet=quiet)
    finally:
        work.close()
    if as_json:
        console.print_json(result.to_json())
    elif not quiet:
        _print_result(result)
    return code_of(result.report)


def _run(work: Demo, *, as_json: bool, quiet: bool) -> DemoResult:
    talks = not quiet and not as_json
    if talks:
        console.remarks.print(
            f"drawing and ageing {work.frames} frames at {work.options.width}×{work.options.height}, "
            f"then restoring them with the preset {PRESET}"
            f"{' and a colour picture of each shot' if work.options.references else ''}, into {work.options.folder}/"
        )
    work.draw()
    plan = work.open()
    if talks:
        console.remarks.print(plan_line("aged.mp4", "restored.mp4", plan))
    with stop_on_signal(work.stop):
        run_watched(work.restore, plan, "aged.mp4", as_json=as_json, quiet=quiet)
    return work.compare()


def _print_result(result: DemoResult) -> None:
    out = console.results
    print_report(out, result.report)
    gain = result.gain
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"distance to the truth, {gain.frames} frames")
    for header in ("aged", "restored", "gained"):
        table.add_column(header, justify="right")
    table.add_row(
        "luma PSNR, dB (more is better)",
        f"{gain.aged_psnr:.2f}",
        f"{gain.restored_psnr:.2f}",
        f"{gain.restored_psnr - gain.aged_psnr:+.2f}",
    )
    table.add_row(
        "colour, a*b* distance (less is better)",
        f"{gain.grey_chroma:.2f}",
        f"{gain.restored_chroma:.2f}",
        f"{gain.restored_chroma - gain.grey_chroma:+.2f}",
    )
    console.print_table(out, table)
    for reference in result.references:
        out.print(f"colours follow  {reference}")
    out.print(f"aged film       {result.aged}")
    out.print(f"restored film   {result.restored}")
    out.print(f"before / after  {result.sheet}")
    out.print(f"in all          {clock_text(result.seconds)}")


def _parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip().lower())
    if match is None:
        raise ConfigError(f"--size: got {text!r}; wanted WIDTHxHEIGHT such as 480x360")
    return int(match[1]), int(match[2])
