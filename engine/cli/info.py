"""`farshore info`: what is in a film."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli import console, options
from engine.cli.outcome import ExitCode
from engine.cli.progress import Estimate, clock_text, progress_view
from engine.cli.survey import Survey, survey
from engine.media.film_info import FilmInfo
from engine.media.provenance import Provenance, from_metadata, plain, sidecar_path
from engine.media.provenance import read as read_provenance
from engine.media.reader import FilmReader

_SHOWN_SHOTS = 12


def info(
    film: Annotated[str, typer.Argument(metavar="FILM", help="A film, or a folder or pattern of pictures.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Only what the file says of itself; do not look through the pictures.")
    ] = False,
    as_json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    debug: options.Debug = False,
) -> int:
    """Say what is in a film: streams, true rate, interlacing, shots, colour, damage, and what farshore did to it."""
    console.start_logging(debug=debug, quiet=quiet)
    with FilmReader(film) as reader:
        is_grey = reader.is_grey
        facts = reader.info
        done = _provenance(film, facts)
        found = None if quick else _look_through(reader, as_json=as_json, quiet=quiet)
    if as_json:
        console.print_json(
            {
                "film": facts.to_json(),
                "is_grey": is_grey,
                "pictures": None if found is None else found.to_json(),
                "restored": None if done is None else plain(done),
            }
        )
    else:
        for key, value in _lines(facts, is_grey, found, done):
            console.results.print(f"{key:<14}{value}")
    return ExitCode.DONE_WITH_LOSSES if found is not None and found.losses else ExitCode.DONE


def _look_through(reader: FilmReader, *, as_json: bool, quiet: bool) -> Survey:
    estimate = Estimate(reader.info.video.frames, reader.info.duration, reader.spec.start)
    with progress_view(reader.info.name, as_json=as_json, quiet=quiet) as view:
        return survey(reader, lambda progress: view.show(estimate.update(progress)))


def _provenance(film: str, facts: FilmInfo) -> Provenance | None:
    """Return what farshore did to the film, from its own metadata or from the file beside it."""
    return from_metadata(facts.metadata) or (
        read_provenance(Path(film)) if film != "-" and sidecar_path(Path(film)).is_file() else None
    )


def _lines(facts: FilmInfo, is_grey: bool, found: Survey | None, done: Provenance | None) -> Iterator[tuple[str, str]]:
    yield "film", f"{facts.name} ({facts.container}{_size(facts.size_bytes)})"
    if facts.duration is not None:
        yield "duration", f"{clock_text(float(facts.duration))} ({float(facts.duration):.3f} s)"
    if facts.timecode:
        yield "timecode", facts.timecode
    yield from _picture_lines(facts, is_grey)
    for audio in facts.audio:
        yield "sound", f"{audio.codec}, {audio.sample_rate} Hz, {audio.layout}{_language(audio.language)}"
    for track in (*facts.subtitles, *facts.data):
        yield track.kind, f"{track.codec or 'unknown'}{_language(track.language)}"
    for chapter in facts.chapters:
        yield "chapter", f"{clock_text(float(chapter.start))} {chapter.title or ''}"
    for attachment in facts.attachments:
        yield "attachment", attachment.name or attachment.mime_type or "unnamed"
    if found is not None:
        yield from _survey_lines(found)
    if done is not None:
        yield from _provenance_lines(done)


def _picture_lines(facts: FilmInfo, is_grey: bool) -> Iterator[tuple[str, str]]:
    video = facts.video
    shape = f"{video.width}×{video.height}"
    if video.sample_aspect != 1:
        shape += f", pixels {video.sample_aspect.numerator}:{video.sample_aspect.denominator}"
    if video.rotation:
        shape += f", turned by {video.rotation}°"
    yield "picture", f"{video.codec}, {shape}, {video.pix_fmt}, {video.bit_depth} bit"
    yield "colour", "grey" if is_grey else "in colour"
    yield "rate", f"{_rate(video.rate)}{f', {video.frames} frames' if video.frames else ''}"
    orders = {2: "top field first", 3: "bottom field first", 4: "top field first", 5: "bottom field first"}
    order = orders.get(video.field_order)
    yield "scanning", f"interlaced{', ' + order if order else ''}" if video.is_interlaced else "progressive"


def _survey_lines(found: Survey) -> Iterator[tuple[str, str]]:
    yield "cadence", str(found.cadence)
    yield "repeats", f"{found.cadence.repeats} of {found.frames} frames show the one before again"
    starts = ", ".join(f"{float(cut):.2f}" for cut in found.cuts[:_SHOWN_SHOTS])
    more = f", and {len(found.cuts) - _SHOWN_SHOTS} more" if len(found.cuts) > _SHOWN_SHOTS else ""
    yield "shots", f"{found.cadence.shots}, beginning at {starts}{more} s"
    if found.damage is not None:
        damage = found.damage
        yield "grain", f"about {damage.grain:.1f} of 255"
        yield "flicker", f"about {damage.flicker_percent:.1f} %"
        yield "dust", f"about {damage.dust_per_frame:.0f} spots a frame"
    if summary := found.losses.summary():
        yield "losses", summary


def _provenance_lines(done: Provenance) -> Iterator[tuple[str, str]]:
    yield "restored", f"by farshore {done.version} from {done.source}"
    for model in done.models:
        yield "", f"{model.role}: {model.name} {model.version}, sha256 {model.sha256}"
    for section, values in done.settings.items():
        if text := _settings_text(values):
            yield "", f"{section}: {text}"


def _settings_text(values: Mapping[str, Any]) -> str:
    """Return a section's settings, without those that are unset or off."""
    return ", ".join(f"{key} {value}" for key, value in values.items() if value not in (None, [], False))


def _rate(rate: Fraction | None) -> str:
    if rate is None:
        return "variable"
    return f"{rate} fps" if rate.denominator == 1 else f"{rate} fps ({float(rate):.3f})"


def _language(language: str | None) -> str:
    return f", {language}" if language else ""


def _size(count: int | None) -> str:
    return "" if count is None else f", {count / 1e6:.1f} MB"
