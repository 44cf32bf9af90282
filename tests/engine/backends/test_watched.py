from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import Profile
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.watched import WatchedBackend
from engine.errors import BindingError
from engine.trace import Trace
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice, host_view
from tests.support.tiny_models import mean_enhancer

SHAPE = (1, 1, 8, 12)


def test_a_watched_session_does_what_the_other_does_and_notes_when(tmp_path: Path) -> None:
    trace, model = Trace(), mean_enhancer(tmp_path, gain=2.0)
    trace.lay(["decode", "enhance", "encode"], 4)
    backend = WatchedBackend(OnnxRuntimeBackend(), trace)
    session = backend.open(model, Profile({"luma": SHAPE}), 1)
    assert backend.name == "onnxruntime"
    assert session.output_shapes == {"luma_out": SHAPE}
    trace.work_in("enhance")
    out = np.zeros(SHAPE, np.float32)
    session.enqueue({"luma": np.full(SHAPE, 0.25, np.float32)}, {"luma_out": out})
    trace.work_in(None)
    session.enqueue({"luma": np.full(SHAPE, 0.25, np.float32)}, {"luma_out": out})
    session.close()
    assert np.all(out == 0.5)
    ((start, end, number),) = trace.runs["enhance"].rows().tolist()
    assert end > start
    assert trace.models[number].name == model.card.name
    assert trace.models[number].shapes == {"luma": SHAPE}


def test_what_does_not_fit_is_refused_as_without_it(tmp_path: Path) -> None:
    session = WatchedBackend(OnnxRuntimeBackend(), Trace()).open(mean_enhancer(tmp_path), Profile({"luma": SHAPE}), 1)
    with pytest.raises(BindingError, match="wanted"):
        session.enqueue({"luma": np.zeros((1, 1, 4, 4), np.float32)}, {"luma_out": np.zeros(SHAPE, np.float32)})


def test_a_session_of_a_device_is_given_as_it_is(tmp_path: Path) -> None:
    device, trace = SimulatedDevice(), Trace()
    trace.lay(["decode", "enhance", "encode"], 4)
    backend = WatchedBackend(SimulatedBackend(device), trace)
    session = backend.open(mean_enhancer(tmp_path, gain=2.0), Profile({"luma": SHAPE}), 1)
    assert backend.device is device
    assert session.device is device
    stream, luma, out = device.stream(), device.empty(SHAPE, np.float32), device.empty(SHAPE, np.float32)
    device.upload(np.full(SHAPE, 0.25, np.float32), luma, stream)
    trace.work_in("enhance")
    session.enqueue({"luma": luma}, {"luma_out": out}, stream)
    stream.synchronize()
    assert np.all(host_view(out) == 0.5)
    assert len(trace.runs["enhance"].rows()) == 0  # the host knows when it asked, not when the device was done
