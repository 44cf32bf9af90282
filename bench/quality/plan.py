"""How much is measured."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine.errors import ConfigError

Part = Literal["restore", "interpolate", "colorize"]
PARTS: tuple[Part, ...] = ("restore", "interpolate", "colorize")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured of the material. Nothing is left to chance: the same plan takes the same frames.

    data : folder with photos/ and clips/
    every_file : all files of the folder, not only those held out by name; for material that no model was trained on
    clips, photos : at most so many files; None takes all
    frames : consecutive frames of each clip for restore; colorize takes twice as many
    places : parts of each clip of which interpolate takes nine frames each
    pans : photographs panned fast for restore
    longest : clips are reduced to this many pixels on the longer side
    few_chains : only the middle strength of each classical chain
    """

    data: Path
    every_file: bool = False
    clips: int | None = None
    photos: int | None = None
    frames: int = 20
    places: int = 4
    pans: int = 3
    longest: int = 640
    few_chains: bool = False

    def __post_init__(self) -> None:
        if self.frames < 4:
            raise ConfigError(f"--frames: got {self.frames}; wanted at least 4")
        for name, value in (("--clips", self.clips), ("--photos", self.photos)):
            if value is not None and value < 0:
                raise ConfigError(f"{name}: got {value}; wanted 0 or more")

    def quick(self) -> "Plan":
        """Return a plan of about a tenth of the work, for looking whether everything runs."""
        return replace(
            self,
            clips=2 if self.clips is None else self.clips,
            photos=8 if self.photos is None else self.photos,
            frames=min(self.frames, 8),
            places=1,
            pans=1,
            longest=min(self.longest, 320),
            few_chains=True,
        )
