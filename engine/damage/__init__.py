"""Film damage: what a century does to a print, seeded, with the masks of what was done.

One model of damage serves training, the demo and the quality bench. NumPy and OpenCV only.

Examples
--------
>>> import numpy as np
>>> from engine.damage import STRENGTHS, damage_clip
>>> clean = np.full((5, 48, 64), 0.5, np.float32)
>>> worn = damage_clip(clean, STRENGTHS["medium"], np.random.default_rng(7))
>>> worn.frames.shape, worn.dust.shape
((5, 48, 64), (5, 48, 64))
"""

from __future__ import annotations

from engine.damage.model import DamagedClip, damage_clip
from engine.damage.settings import STRENGTHS, DamageSettings

__all__ = ["STRENGTHS", "DamageSettings", "DamagedClip", "damage_clip"]
