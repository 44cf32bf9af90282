"""The TOML file: every setting can be written, nothing else can, and each mistake is shown with its line."""

from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

from engine.config_file import SECTIONS, load_settings, override
from engine.errors import ConfigError
from engine.presets import preset
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    FacesSettings,
    InputSettings,
    InterpolateSettings,
    OutputSettings,
    Settings,
)

EVERYTHING = """
[input]
deinterlace = "never"
field_rate = true
rate = "24000/1001"
decoder = "software"

[enhance]
enabled = false
strength = 1
upscale = 2
model = "film-restore"
tile = 256

[faces]
enabled = true
strength = 0.5
model = "face.onnx"
detector = "yunet"
confidence = 0.9
smallest = 30
most = 3

[interpolate]
rate = 59.94
model = "none"
scale = 0.5

[colorize]
mode = "always"
references = ["a-12.png", "pictures/b.png"]
saturation = 0.5
model = "other.onnx"
working_size = 224
steadiness = 0.4

[output]
codec = "h265"
quality = 60
bit_depth = 10
encoder = "device"
encoder_threads = 1
compare = "side"
label = true
counter = true

[runtime]
backend = "null"
precision = "int8"
threads = 1
queue_frames = 2
force_int8 = true
device = "GPU-1"
streams = "one"
streams_per_stage = 1
cpu_nodes = true
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "film.toml"


def load(path: Path, text: str) -> Settings:
    path.write_text(text)
    return load_settings(config=path)


def test_every_key_can_be_written(config: Path) -> None:
    settings = load(config, EVERYTHING)
    assert settings.input == InputSettings(
        deinterlace="never", field_rate=True, rate=Fraction(24000, 1001), decoder="software"
    )
    assert settings.enhance == EnhanceSettings(enabled=False, strength=1.0, upscale=2, model="film-restore", tile=256)
    assert settings.faces == FacesSettings(
        enabled=True,
        strength=0.5,
        model=str(config.parent / "face.onnx"),
        detector="yunet",
        confidence=0.9,
        smallest=30,
        most=3,
    )
    assert settings.interpolate == InterpolateSettings(rate=Fraction(60000, 1001), scale=0.5)
    assert settings.output == OutputSettings(
        codec="h265",
        quality=60,
        bit_depth=10,
        encoder="device",
        encoder_threads=1,
        compare="side",
        label=True,
        counter=True,
    )
    assert settings.colorize == ColorizeSettings(
        mode="always",
        references=(config.parent / "a-12.png", config.parent / "pictures/b.png"),
        saturation=0.5,
        model=str(config.parent / "other.onnx"),
        working_size=224,
        steadiness=0.4,
    )


def test_the_test_above_leaves_no_key_out() -> None:
    for section, kind in SECTIONS.items():
        part = EVERYTHING.split(f"[{section}]")[1].split("\n[")[0]
        missing = {item.name for item in fields(kind) if f"\n{item.name} = " not in part} - {"factor"}
        assert not missing, section


def test_an_empty_file_is_the_defaults(config: Path) -> None:
    assert load(config, "") == Settings()


def test_the_file_lies_over_its_own_preset_and_a_named_preset_wins_over_that(config: Path) -> None:
    settings = load(config, 'preset = "silent-film"\n[enhance]\nstrength = 0.3\n')
    assert settings.enhance.strength == 0.3
    assert settings.interpolate.rate == 48
    settings = load_settings(config=config, preset_name="home-movie")
    assert (settings.enhance.strength, settings.enhance.upscale) == (0.3, 2)


def test_a_factor_takes_the_place_of_a_presets_rate(config: Path) -> None:
    settings = load(config, 'preset = "silent-film"\n[interpolate]\nfactor = 2\n')
    assert settings.interpolate == InterpolateSettings(factor=Fraction(2))


def test_override_keeps_what_it_does_not_name() -> None:
    base = preset("home-movie").settings
    changed = override(base, {"enhance": {"strength": 0.1}})
    assert changed.enhance == EnhanceSettings(strength=0.1, upscale=2)
    assert changed.interpolate == base.interpolate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[enhance]\n\nstrenght = 1", r"film.toml:3: unknown key 'strenght' in \[enhance\], did you mean 'strength'\?"),
        ("[enhanc]\nstrength = 1", r"film.toml:1: unknown section 'enhanc', did you mean 'enhance'\?"),
        ("strength = 1", r"film.toml:1: unknown key 'strength'; sections are input, enhance"),
        ("[enhance]\nstrength = 2", r"film.toml:2: \[enhance\] strength: got 2.0; wanted a number from 0 to 1"),
        ("[enhance]\nstrength = true", r"film.toml:2: \[enhance\] strength: got True; wanted a number"),
        ("[enhance]\nupscale = 1.5", r"film.toml:2: \[enhance\] upscale: got 1.5; wanted a whole number"),
        ("[input]\nrate = '1/0'", r"film.toml:2: \[input\] rate: got '1/0'; wanted a number, or a fraction such as"),
        ("[output]\nlabel = 1", r"film.toml:2: \[output\] label: got 1; wanted true or false"),
        ("[colorize]\nmode = 'no'", r'film.toml:2: \[colorize\] mode: .*; wanted "auto" or "always" or "never"'),
        ("[colorize]\nreferences = 'a.png'", r"film.toml:2: \[colorize\] references: .*; wanted a list"),
        ("[interpolate]\nrate = 48\nfactor = 2", r"film.toml:1: \[interpolate\] .*got both a rate and a factor"),
        ("enhance = 1", r"film.toml:1: 'enhance' is a section; write \[enhance\]"),
        ("preset = 3", r"film.toml:1: preset: got 3; wanted a name"),
        ("preset = 'silent'", r"preset: got 'silent'; did you mean 'silent-film'\?"),
        ("[enhance\n", r"film.toml: not TOML: "),
    ],
)
def test_a_mistake_is_shown_with_its_line(config: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(config, text)


def test_a_missing_or_binary_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read \(No such file or directory\)"):
        load_settings(config=tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"not a TOML file \(not UTF-8 text\)"):
        load_settings(config=tmp_path / "binary.toml")
