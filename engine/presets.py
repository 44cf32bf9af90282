"""Named settings for kinds of film, each with its reasons.

A preset is a starting point: a configuration file and the command line change single settings of it.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from engine.errors import ConfigError
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    InputSettings,
    InterpolateSettings,
    OutputSettings,
    Settings,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Settings for one kind of film.

    name : as in `--preset`
    film : what it is for
    reasons : why these settings and no others
    settings : complete; whatever the preset does not care about has its default
    """

    name: str
    film: str
    reasons: str
    settings: Settings = field(default_factory=Settings)


def preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises
    ------
    ConfigError
        There is none; the message names the nearest one and all of them.
    """
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"preset: got {name!r}; {hint}presets are {', '.join(PRESETS)}")


_ALL = (
    Preset(
        name="silent-film",
        film="35 mm film of 1895 to 1930: grey, hand-cranked at 16 to 24 frames a second, much handled",
        reasons=(
            "Dust, scratches and flicker are at their worst, so nearly all of it goes (strength 0.9). 48 frames a "
            "second are shown whatever speed the camera was cranked at. Grey film is coloured."
        ),
        settings=Settings(
            enhance=EnhanceSettings(strength=0.9),
            interpolate=InterpolateSettings(rate=Fraction(48)),
        ),
    ),
    Preset(
        name="newsreel",
        film="35 mm sound film shown in cinemas, 1928 to 1970: grey, 24 frames a second, prints of prints",
        reasons=(
            "Grain is the texture of a newsreel and its record is evidence: much of it stays (strength 0.6), motion "
            "keeps the rate it was shot at, and colour is held back (saturation 0.85)."
        ),
        settings=Settings(
            enhance=EnhanceSettings(strength=0.6),
            colorize=ColorizeSettings(saturation=0.85),
        ),
    ),
    Preset(
        name="home-movie",
        film="8 mm, Super 8 and 9.5 mm: small pictures, mostly in colour, 16 or 18 frames a second",
        reasons=(
            "The picture is smaller than any screen, so it is doubled. Coarse grain goes (strength 0.85). 16 and 18 "
            "frames a second judder; twice as many do not. Film that has its own colours keeps them."
        ),
        settings=Settings(
            enhance=EnhanceSettings(strength=0.85, upscale=2),
            interpolate=InterpolateSettings(factor=Fraction(2)),
        ),
    ),
    Preset(
        name="broadcast-archive",
        film="television tape and telecine, interlaced at 25 or 29.97 pictures a second",
        reasons=(
            "Every field is a moment of its own and becomes a frame (50 or 59.94 a second), so nothing is "
            "interpolated. Light cleaning (strength 0.5), no invented colour, and a 10-bit file at high quality, since "
            "it will be worked on again."
        ),
        settings=Settings(
            input=InputSettings(field_rate=True),
            enhance=EnhanceSettings(strength=0.5),
            colorize=ColorizeSettings(mode="never"),
            output=OutputSettings(quality=90, bit_depth=10),
        ),
    ),
)

PRESETS: Mapping[str, Preset] = {item.name: item for item in _ALL}
"""Every preset, by name."""
