"""farshore restores historical film while it plays.

::

    import farshore

    report = farshore.restore("film.mp4", "restored.mp4", farshore.preset("silent-film").settings)
    print(report.run.latency.frames_per_second)

Everything a program needs is on this page; the rooms behind it (`engine`, ...) may change between versions.

A program that has pictures rather than files, in NumPy's memory or a GPU's, takes a `FrameJob`::

    job = farshore.FrameJob(farshore.preset("silent-film").settings, rate=18)
    for frame in job.run(pictures):  # float32 (1 or 3, H, W) in [0, 1]
        show(frame.array, frame.time)

With the backend `tensorrt` or `cuda` the pictures are PyTorch's, CuPy's, Numba's or PyCUDA's, and never leave the GPU:
`docs/embedding.md`.

Settings are frozen dataclasses (`Settings` and its sections); `load_settings` reads them from a TOML file, `override`
puts single values in place, `preset` names good starting points. A `Job` is a restoration that can be watched and
stopped. Every error raised on purpose is a `FarshoreError`.
"""

from collections.abc import Callable
from pathlib import Path

from engine.config_file import load_settings, override
from engine.device.base import DeviceArray, device_memory
from engine.errors import ConfigError, DeviceError, FarshoreError, Interrupted, MediaError, ModelError, ResumeError
from engine.frame_job import FrameJob, RestoredFrame
from engine.job import Job, JobPlan, JobReport
from engine.job import farshore_version as _version
from engine.media.probe import FilmInfo, probe
from engine.media.provenance import Provenance
from engine.media.provenance import read as read_provenance
from engine.model import Model, builtin_models, find_model
from engine.presets import PRESETS, Preset, preset
from engine.run_report import Progress, RunReport
from engine.settings import (
    ColorizeSettings,
    EnhanceSettings,
    FacesSettings,
    InputSettings,
    InterpolateSettings,
    OutputSettings,
    RuntimeSettings,
    Settings,
)
from engine.timing import LatencyReport

__version__ = _version()

__all__ = [
    "PRESETS",
    "ColorizeSettings",
    "ConfigError",
    "DeviceArray",
    "DeviceError",
    "EnhanceSettings",
    "FacesSettings",
    "FarshoreError",
    "FilmInfo",
    "FrameJob",
    "InputSettings",
    "InterpolateSettings",
    "Interrupted",
    "Job",
    "JobPlan",
    "JobReport",
    "LatencyReport",
    "MediaError",
    "Model",
    "ModelError",
    "OutputSettings",
    "Preset",
    "Progress",
    "Provenance",
    "RestoredFrame",
    "ResumeError",
    "RunReport",
    "RuntimeSettings",
    "Settings",
    "__version__",
    "builtin_models",
    "device_memory",
    "find_model",
    "load_settings",
    "override",
    "preset",
    "probe",
    "read_provenance",
    "restore",
]


def restore(
    source: str | Path,
    target: str | Path,
    settings: Settings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> JobReport:
    """Restore a film from file to file.

    Parameters
    ----------
    source : a film file, a picture sequence, or "-" for Y4M on stdin
    target : a film file, a picture sequence, or "-" for Y4M on stdout
    settings : None takes the defaults
    resume : go on with an interrupted run of the same film, settings and models
    overwrite : replace an existing target
    on_progress : called about four times a second

    Returns
    -------
    JobReport
        What was done and what was lost; `report.losses` is true where parts of the film could not be read.

    Raises
    ------
    ConfigError
        Something was asked for that cannot be; nothing was begun.
    FarshoreError
        The film, a model, the disk or the device stood in the way; nothing appeared under the target's name.
    """
    job = Job(source, target, settings or Settings(), resume=resume, overwrite=overwrite)
    try:
        job.open()
        return job.run(on_progress)
    finally:
        job.close()
