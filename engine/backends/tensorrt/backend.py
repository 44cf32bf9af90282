"""TensorRT and TensorRT for RTX as a backend."""

import logging
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, Profile, Session, check_profile
from engine.backends.tensorrt.device import Gpu, current_gpu
from engine.backends.tensorrt.ensure import Ensured, ensure_plan
from engine.backends.tensorrt.journal import Journal
from engine.backends.tensorrt.kernel_cache import SUFFIX
from engine.backends.tensorrt.library import Library
from engine.backends.tensorrt.plans import Plan, PlanKey
from engine.backends.tensorrt.process import Limits
from engine.backends.tensorrt.progress import Report
from engine.backends.tensorrt.runtime import open_context, read_engine, start_runtime
from engine.backends.tensorrt.serving import library_for, own_key, serving_key
from engine.backends.tensorrt.session import TensorRtSession
from engine.device.base import Device
from engine.errors import BuildError, NoDeviceError, PlanMismatchError
from engine.model import Model
from engine.places import plans_folder

_log = logging.getLogger(__name__)


class TensorRtBackend(Backend):
    """Runs models on a GPU with TensorRT 10 or 11 or TensorRT for RTX.

    Parameters
    ----------
    device : the GPU
    library : None: the installed one that serves this GPU
    gpu : what the driver says of the device; None: it is asked
    folder : of plans; None: the user's
    limits : what building an engine may take
    report : takes progress of building

    Raises
    ------
    NoDeviceError, MissingExtraError, ConfigError
        There is no GPU, or no library for it.
    """

    name = "tensorrt"
    int8_form = "tensorrt"

    def __init__(
        self,
        device: Device,
        *,
        library: Library | None = None,
        gpu: Gpu | None = None,
        folder: Path | None = None,
        limits: Limits | None = None,
        report: Report = lambda share, phase: None,
    ) -> None:
        found = gpu or current_gpu(device.ordinal)
        if found is None:
            raise NoDeviceError("GPU: TensorRT needs one, and there is none; use --backend onnxruntime")
        self.device = device
        self._device, self._gpu = device, found
        self._library = library or library_for(found)
        self._folder = folder or plans_folder()
        self._limits, self._report = limits or Limits(), report
        self._journal = Journal(self._library.module, self._library.title, _log)
        self._runtime: Any = None

    def open(self, model: Model, profile: Profile, threads: int) -> Session:
        """Make a session; an engine that is not there yet is built, which takes seconds to minutes.

        An engine from the cache that the library does not take is built once more.
        """
        check_profile(model, profile)
        self._device.enter()  # the library looks for its device there
        if self._runtime is None:
            self._runtime = start_runtime(self._library, self._journal)
        engine, plan = self._read(model, profile)
        kernels = plan.path.with_suffix(SUFFIX)
        context = open_context(self._library, self._journal, engine, model, profile, self._device, kernels)
        return TensorRtSession(model, profile, context, self._device, self._journal, self._library.flavour)

    def _read(self, model: Model, profile: Profile) -> tuple[Any, Plan]:
        own = own_key(model, self._library, self._gpu, profile.shapes)
        key = serving_key(own, profile.shapes, self._folder)
        if key != own:
            _log.info("model %s: runs with a plan made for other sizes, %s", model.card.name, key.file_name)
        ensured = self._ensure(model, key)
        try:
            return read_engine(self._runtime, self._journal, ensured.plan), ensured.plan
        except PlanMismatchError as error:
            if ensured.was_built:
                raise BuildError(f"{error}; it was built just now: please report it") from error
            _log.warning("%s; building it again", error)
        for stale in (ensured.plan.path, self._folder / own.file_name):
            stale.unlink(missing_ok=True)
        plan = self._ensure(model, own).plan
        try:
            return read_engine(self._runtime, self._journal, plan), plan
        except PlanMismatchError as error:
            raise BuildError(f"{error}; it was built just now: please report it") from error

    def _ensure(self, model: Model, key: PlanKey) -> Ensured:
        if not (self._folder / key.file_name).exists():
            _log.info("model %s: building its engine for %s", model.card.name, key.targets)
        return ensure_plan(
            model, key, self._library, self._folder, self._limits, self._report, lambda words: _log.warning(words)
        )
