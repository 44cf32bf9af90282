"""Codecs: what an extension means, what fits where, how the dial behaves, what is written into the stream."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import ConfigError, EncodeError
from engine.media import codecs
from engine.media.codecs import VIDEO_CODECS, choose_codec, encoding_for
from engine.media.containers import CONTAINERS, container_for
from engine.media.output import WriteJob
from engine.settings import CODECS, OutputSettings
from engine.types import ColorSpace, FrameSpec, Matrix, PixelFormat, Range
from tests.support.tracks import NTSC_FILM, Shots, lumas, spec_of, write_shots


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "h264"),
        ("a.M4V", "h264"),
        ("a.mov", "h264"),
        ("a.mkv", "h264"),
        ("a.webm", "av1"),
        ("a.ts", "h264"),
        ("a.nut", "h264"),
    ],
)
def test_extension_chooses_codec(name: str, codec: str) -> None:
    assert choose_codec(Path(name), OutputSettings())[0].name == codec


def test_table_is_the_settings_list() -> None:
    assert tuple(VIDEO_CODECS) == CODECS
    for container in CONTAINERS:
        assert set(container.video) <= set(CODECS)


def test_impossible_pair_names_what_fits() -> None:
    with pytest.raises(ConfigError, match=r"film.webm: webm files cannot hold prores, .* av1; .*\.mkv \.mov"):
        choose_codec(Path("film.webm"), OutputSettings(codec="prores"))


def test_unknown_extension() -> None:
    with pytest.raises(ConfigError, match=r"got the extension '.xyz'; wanted one of .mp4 .mov .mkv"):
        container_for(Path("film.xyz"))


def test_missing_encoder_has_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av.codec, "codecs_available", av.codec.codecs_available - {"libx264"})
    with pytest.raises(EncodeError, match=r"h264: this PyAV .* has no encoder libx264; install the wheel"):
        choose_codec(Path("film.mp4"), OutputSettings())


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("depth", [8, 10])
def test_pixel_format_exists_in_the_encoder(codec: str, grey: bool, depth: int) -> None:
    row = VIDEO_CODECS[codec]
    names = {f.name for f in av.Codec(row.encoder, "w").video_formats or ()}
    assert row.pix_fmts[grey, depth] in names


def test_deep_film_stays_deep() -> None:
    encoding = encoding_for(VIDEO_CODECS["h265"], OutputSettings(), spec_of(bit_depth=12))
    assert encoding.picture.pix_fmt == "yuv420p10le"
    encoding = encoding_for(VIDEO_CODECS["h265"], OutputSettings(bit_depth=8), spec_of(bit_depth=12))
    assert encoding.picture.pix_fmt == "yuv420p"


@pytest.mark.parametrize("codec", [c for c in CODECS if VIDEO_CODECS[c].dial])
def test_dial_falls_steadily(codec: str) -> None:
    row = VIDEO_CODECS[codec]
    values = [float(row.dial_value(quality)) for quality in range(101)]
    assert values == sorted(values, reverse=row.dial_option == "crf")
    assert len(set(values)) >= 4


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "prores"])
def test_higher_quality_is_larger_and_nearer(codec: str, tmp_path: Path) -> None:
    shots = Shots(spec_of(size=(128, 96)), [24])
    frames = [frame.pixels[0].copy() for frame in shots.frames()]
    extension = ".mov" if codec == "prores" else ".mp4"
    sizes, errors = [], []
    for quality in (10, 45, 75, 100):
        path = tmp_path / f"{quality}{extension}"
        write_shots(path, shots, WriteJob(settings=OutputSettings(codec=codec, quality=quality)))
        sizes.append(path.stat().st_size)
        pairs = zip(lumas(path), frames, strict=True)
        errors.append(np.mean([np.mean((y - (16 + 219 * frame)) ** 2) for y, frame in pairs]))
    if codec == "prores":
        sizes, errors = sizes[:3], errors[:3]  # 75 and 100 are the same profile
    assert sizes == sorted(set(sizes))
    assert errors == sorted(set(errors), reverse=True)


def test_ffv1_is_lossless(tmp_path: Path) -> None:
    shots = Shots(spec_of(size=(65, 69), bit_depth=10), [6])
    write_shots(tmp_path / "a.mkv", shots, WriteJob(settings=OutputSettings(codec="ffv1")))
    for frame, luma in zip(shots.frames(), lumas(tmp_path / "a.mkv"), strict=True):
        assert np.abs(luma * 4 - (64 + 876 * frame.pixels[0])).max() <= 0.5001


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "h264"),
        ("b.mkv", "h265"),
        ("c.mp4", "av1"),
        ("d.mov", "prores"),
        ("d.mkv", "prores"),
        ("e.mkv", "ffv1"),
        ("f.webm", None),
    ],
)
def test_colours_aspect_and_size_are_told(name: str, codec: str | None, tmp_path: Path) -> None:
    color = ColorSpace(matrix=Matrix.BT709, range=Range.LIMITED, primaries=1, transfer=1, chroma_location=1)
    spec = FrameSpec(
        format=PixelFormat.RGB,
        width=90,
        height=64,
        rate=NTSC_FILM,
        time_base=1 / NTSC_FILM,
        color=color,
        sample_aspect=Fraction(16, 15),
    )
    write_shots(tmp_path / name, Shots(spec, [5]), WriteJob(settings=OutputSettings(codec=codec)))
    with av.open(str(tmp_path / name)) as film:
        stream = film.streams.video[0]
        context = stream.codec_context
        assert (context.colorspace, context.color_range) == (1, 1)
        assert (context.color_primaries, context.color_trc) == (1, 1)
        assert stream.sample_aspect_ratio == Fraction(16, 15)
        assert (context.width, context.height) == (90, 64)
        assert stream.metadata.get("title") is None
        assert len(list(film.decode(stream))) == 5


@pytest.mark.parametrize("codec", CODECS)
def test_odd_sizes(codec: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.mov" if codec == "prores" else "a.mkv")
    shots = Shots(spec_of(size=(65, 69)), [4])
    writer = write_shots(path, shots, WriteJob(settings=OutputSettings(codec=codec, quality=100)))
    is_padded = VIDEO_CODECS[codec].even_size
    with av.open(str(path)) as film:
        context = film.streams.video[0].codec_context
        assert (context.width, context.height) == ((66, 70) if is_padded else (65, 69))
    assert any("65x69 becomes 66x70" in n for n in writer.report.notices) == is_padded
    for frame, luma in zip(shots.frames(), lumas(path), strict=True):
        assert np.abs(luma[:69, :65] - (16 + 219 * frame.pixels[0])).mean() < 3


def test_encoder_is_quiet_about_itself() -> None:
    choose_codec(Path("a.webm"), OutputSettings())
    assert codecs.os.environ["SVT_LOG"] == "0"


@pytest.mark.parametrize("size", [(48, 96), (96, 48)])
def test_a_picture_too_small_for_a_codec_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="wanted at least 64x64; choose another --codec"):
        encoding_for(VIDEO_CODECS["h265"], OutputSettings(), spec_of(size=size))
