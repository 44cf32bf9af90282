"""How damaged a film is: the settings of the damage model and three named strengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import numpy as np

from engine.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageSettings:
    """Kinds and amounts of damage; all default to none.

    Lengths are in pixels of a picture 480 pixels high and counts are for one of 640x480; both are scaled to the
    picture at hand.

    Attributes
    ----------
    grain_std : standard deviation of grain at mid grey, in units of full white
    grain_size : sigma of grain's spatial correlation in pixels, 0 for white noise
    dust_per_frame : mean number of specks per frame, each in one frame only
    dust_radius : median radius of a speck in pixels; sizes are log-normal
    hairs_per_frame : mean number of hairs per frame, each in one frame only
    bright_share : share of specks, hairs and scratches that are bright (dirt on the negative)
    scratches : mean number of scratches visible at any time
    scratch_life : mean life of a scratch in frames
    flicker_std : standard deviation of the logarithm of the whole frame's gain
    local_flicker_std : the same for gains that differ over the picture
    flicker_correlation : of a frame's flicker with the one before, [0, 1)
    weave_std : standard deviation of gate weave in pixels, each axis
    weave_correlation : of a frame's weave with the one before, [0, 1)
    defocus : largest sigma of the lens blur in pixels; it breathes slowly
    motion_blur : largest length of blur along one direction in pixels
    fade : share of contrast lost to fading density, [0, 1)
    vignette : share of light lost in the corners, [0, 1)
    splices_per_100 : mean number of splices per 100 frames
    compression : 0 for none, else up to 1: JPEG-like block coding from quality 90 down to 20
    repeat_every : telecine: after every so many frames the last is shown once more; 0 for never
    """

    grain_std: float = 0.0
    grain_size: float = 0.8
    dust_per_frame: float = 0.0
    dust_radius: float = 2.0
    hairs_per_frame: float = 0.0
    bright_share: float = 0.5
    scratches: float = 0.0
    scratch_life: float = 24.0
    flicker_std: float = 0.0
    local_flicker_std: float = 0.0
    flicker_correlation: float = 0.3
    weave_std: float = 0.0
    weave_correlation: float = 0.6
    defocus: float = 0.0
    motion_blur: float = 0.0
    fade: float = 0.0
    vignette: float = 0.0
    splices_per_100: float = 0.0
    compression: float = 0.0
    repeat_every: int = 0

    def __post_init__(self) -> None:
        """Refuse amounts that mean nothing."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value >= 0):
                raise ConfigError(f"{field.name}: got {value}; wanted a number of at least 0")
        for name in ("flicker_correlation", "weave_correlation", "fade", "vignette"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"{name}: got {getattr(self, name)}; wanted less than 1")
        for name in ("bright_share", "compression"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name}: got {getattr(self, name)}; wanted at most 1")

    def varied(self, rng: np.random.Generator, *, spread: float = 0.6) -> DamageSettings:
        """Return settings of another film of about this strength.

        Parameters
        ----------
        rng : the source of chance
        spread : every amount is scaled by a factor from ``1 - spread`` to ``1 + spread``
        """
        if not 0 <= spread < 1:
            raise ConfigError(f"spread: got {spread}; wanted 0 <= spread < 1")
        factors = {name: rng.uniform(1 - spread, 1 + spread) for name in _AMOUNTS}
        values = {name: getattr(self, name) * factor for name, factor in factors.items()}
        values["bright_share"] = rng.uniform(0, 1)
        for name in ("fade", "vignette", "compression"):
            values[name] = min(values[name], 0.95)
        return replace(self, **values)


_AMOUNTS = (
    "grain_std",
    "grain_size",
    "dust_per_frame",
    "dust_radius",
    "hairs_per_frame",
    "scratches",
    "flicker_std",
    "local_flicker_std",
    "weave_std",
    "defocus",
    "motion_blur",
    "fade",
    "vignette",
    "compression",
)

STRENGTHS: Mapping[str, DamageSettings] = MappingProxyType(
    {
        "light": DamageSettings(
            grain_std=0.010,
            grain_size=0.6,
            dust_per_frame=3,
            dust_radius=1.8,
            hairs_per_frame=0.1,
            scratches=0.2,
            flicker_std=0.007,
            local_flicker_std=0.006,
            weave_std=0.25,
            defocus=0.3,
            fade=0.05,
            vignette=0.08,
        ),
        "medium": DamageSettings(
            grain_std=0.024,
            grain_size=0.75,
            dust_per_frame=9,
            dust_radius=2.2,
            hairs_per_frame=0.4,
            scratches=1.0,
            flicker_std=0.020,
            local_flicker_std=0.015,
            weave_std=0.5,
            defocus=0.6,
            motion_blur=1.0,
            fade=0.12,
            vignette=0.15,
            splices_per_100=0.3,
            compression=0.15,
        ),
        "heavy": DamageSettings(
            grain_std=0.045,
            grain_size=0.9,
            dust_per_frame=26,
            dust_radius=2.8,
            hairs_per_frame=1.2,
            scratches=3.0,
            flicker_std=0.045,
            local_flicker_std=0.030,
            weave_std=1.0,
            defocus=0.9,
            motion_blur=2.0,
            fade=0.22,
            vignette=0.25,
            splices_per_100=1.0,
            compression=0.3,
        ),
    }
)
"""Named strengths: `medium` is a little above the worst of the real films measured, `heavy` about twice `medium`.

The measurements are in ``export/README.md``.
"""
