"""The demonstration: draw, age, restore, compare."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config_file import override
from engine.demo.aged_film import make_aged_film
from engine.demo.gain import Gain, measure_gain
from engine.demo.picture_file import write_picture
from engine.demo.scene import RATE
from engine.demo.sheet import make_sheet
from engine.errors import ConfigError, EncodeError, InternalError
from engine.job import Job, JobPlan, JobReport
from engine.presets import preset
from engine.run_report import Progress
from engine.settings import Settings

PRESET = "silent-film"
"""The preset with which the demonstration restores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What to draw.

    folder : where films and sheet go; made if need be, files of an earlier demonstration are replaced
    seconds : length of the film, 0.5 to 30
    width, height : of the pictures, even, 64 to 1920 pixels
    seed : of scene and damage
    references : give the colorizer one colour picture of each shot, as `--reference` does
    trace : file for a Chrome trace of the restoration
    settings : of the restoration
    """

    folder: Path
    seconds: float = 4.0
    width: int = 480
    height: int = 360
    seed: int = 1
    references: bool = True
    trace: Path | None = None
    settings: Settings = preset(PRESET).settings

    def __post_init__(self) -> None:
        if not 0.5 <= self.seconds <= 30:
            raise ConfigError(f"seconds: got {self.seconds:g}; wanted 0.5 to 30")
        if any(side % 2 or not 64 <= side <= 1920 for side in (self.width, self.height)):
            raise ConfigError(f"size: got {self.width}x{self.height}; wanted even numbers from 64 to 1920")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What came of it.

    aged, restored, sheet : the files
    references : colour pictures that guided the colorizer
    report : of the restoration
    gain : against the truth
    seconds : that everything took
    """

    aged: Path
    restored: Path
    sheet: Path
    references: tuple[Path, ...]
    report: JobReport
    gain: Gain
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "aged": str(self.aged),
            "restored": str(self.restored),
            "sheet": str(self.sheet),
            "references": [str(path) for path in self.references],
            "gain": self.gain.to_json(),
            "report": self.report.to_json(),
            "seconds": round(self.seconds, 2),
        }


class Demo:
    """One demonstration: `draw`, `open`, `restore`, `compare`, in this order. `stop` ends a restoration early."""

    def __init__(self, options: DemoOptions) -> None:
        self.options = options
        self.frames = max(2, round(options.seconds * RATE))
        self._began = time.perf_counter()
        self._aged_path, self._restored_path, self._sheet_path = (
            options.folder / name for name in ("aged.mp4", "restored.mp4", "before-after.png")
        )
        self._job: Job | None = None

    def draw(self, on_frame: Callable[[], None] = lambda: None) -> None:
        """Draw the film, age it and write it.

        Raises
        ------
        EncodeError
            The folder cannot be made or written.
        """
        options = self.options
        try:
            options.folder.mkdir(parents=True, exist_ok=True)
            self._film = make_aged_film(
                self._aged_path,
                frames=self.frames,
                width=options.width,
                height=options.height,
                seed=options.seed,
                on_frame=on_frame,
            )
        except OSError as error:
            raise EncodeError(
                f"{options.folder}: cannot be written ({error.strerror}); choose another folder with --output"
            ) from error

    def open(self) -> JobPlan:
        """Prepare the restoration of the film that `draw` wrote."""
        settings = self.options.settings
        if self.options.references:
            settings = override(settings, {"colorize": {"references": self._film.references}})
        self._job = Job(self._aged_path, self._restored_path, settings, overwrite=True, trace=self.options.trace)
        return self._job.open()

    def restore(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Restore the film."""
        if self._job is None:
            raise InternalError("Demo.restore was called before Demo.open")
        self._report = self._job.run(on_progress)

    def compare(self) -> DemoResult:
        """Measure what was gained and lay out the sheet."""
        gain, pictures = measure_gain(self._film, self._restored_path)
        write_picture(self._sheet_path, make_sheet(self._film, pictures))
        return DemoResult(
            aged=self._aged_path,
            restored=self._restored_path,
            sheet=self._sheet_path,
            references=self._film.references if self.options.references else (),
            report=self._report,
            gain=gain,
            seconds=time.perf_counter() - self._began,
        )

    def stop(self) -> None:
        """Ask the restoration to end soon."""
        if self._job is not None:
            self._job.stop()

    def close(self) -> None:
        """Give files back."""
        if self._job is not None:
            self._job.close()
