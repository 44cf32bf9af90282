"""Every error farshore raises on purpose.

::

    FarshoreError
      ConfigError (ValueError)
      FrameError (ValueError)      ShapeError, PixelFormatError, TimestampError
      MediaError                   DecodeError, EncodeError
      ModelError                   UnsupportedModelError, WeightsError
      EngineError                  BuildError, BindingError, PlanMismatchError
      CalibrationError
      DeviceError                  NoDeviceError, DeviceMemoryError (MemoryError), KernelError
      MissingExtraError (ImportError)
      ResumeError
      Interrupted
    InternalError                  our bug; says so, and asks for a report

A message is subject, what came, what was wanted, what to do. `InternalError` stands apart: nobody should catch it as
an ordinary failure.
"""


class FarshoreError(Exception):
    """Base of everything that can go wrong outside our own code; the command line prints it as one line."""


class ConfigError(FarshoreError, ValueError):
    """A setting, option or configuration key is unknown, out of range or contradicts another."""


class FrameError(FarshoreError, ValueError):
    """A frame is not what its receiver needs."""


class ShapeError(FrameError):
    """Sizes of pictures or arrays do not fit."""


class PixelFormatError(FrameError):
    """A pixel format cannot be taken or made."""


class TimestampError(FrameError):
    """Times do not increase, or are missing where they are needed."""


class MediaError(FarshoreError):
    """A film, sound or picture file cannot be used."""


class DecodeError(MediaError):
    """A file cannot be opened or read as film."""


class EncodeError(MediaError):
    """A film cannot be written."""


class ModelError(FarshoreError):
    """A model file cannot be used."""


class UnsupportedModelError(ModelError):
    """A model is readable, but not one that the stage or backend can run."""


class WeightsError(ModelError):
    """A model file is damaged, missing or not what its hash says."""


class EngineError(FarshoreError):
    """A backend failed to prepare or run a model."""


class BuildError(EngineError):
    """A backend could not make an executable of a model."""


class BindingError(EngineError):
    """A tensor given to a session does not fit the model's input or output."""


class PlanMismatchError(EngineError):
    """A cached plan belongs to another model, device or library version."""


class CalibrationError(FarshoreError):
    """Calibration data cannot be used."""


class DeviceError(FarshoreError):
    """A device failed; the chain cannot go on with it."""


class NoDeviceError(DeviceError):
    """The device asked for is not there."""


class DeviceMemoryError(DeviceError, MemoryError):
    """A device, or the host, has too little memory for the chain."""


class KernelError(DeviceError):
    """A kernel failed to compile or to run."""


class MissingExtraError(FarshoreError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"package {package!r} is not installed; run: pip install 'farshore[{extra}]'")
        self.package = package
        self.extra = extra


class ResumeError(FarshoreError):
    """Unfinished work beside the target cannot be continued with these inputs or settings."""


class Interrupted(FarshoreError):  # noqa: N818 - not a failure: somebody asked
    """The run was asked to stop (Ctrl-C, SIGTERM); finished shots are kept."""


class InternalError(Exception):
    """A bug of farshore's own."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} (this is a bug in farshore; please report it with the command that led here)")
