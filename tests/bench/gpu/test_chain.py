"""How the chain on a GPU is judged; `test_check.py` runs it."""

import pytest

from bench.gpu.chain import ChainResult, judged, run_chain
from bench.gpu.outcome import outcome_of
from engine.errors import Interrupted
from tests.support.simulated_backend import SimulatedBackend
from tests.support.simulated_device import SimulatedDevice


@pytest.mark.parametrize(("rate", "outcome"), [(96.0, "right"), (94.0, "wrong")])
def test_a_chain_much_slower_than_its_slowest_stage_is_wrong(rate, outcome):
    result = ChainResult(
        width=96,
        height=64,
        film_frames=400,
        precision="fp16",
        outcome="right",
        frames_per_second=rate,
        stages={"enhance": 10.0, "encode": 4.0},
        efficiency=rate * 10.0 / 1e3,
    )
    found = judged(result, 0.95)
    assert found.outcome == outcome
    assert found.reason == (
        None if outcome == "right" else "runs at 0.94 of what enhance alone would let pass; wanted 0.95"
    )


def test_who_stops_the_check_stops_it_all():
    with pytest.raises(Interrupted):
        outcome_of(Interrupted("stopped by the user"))


def test_a_precision_that_is_not_to_be_had_is_refused():
    backend = SimulatedBackend(SimulatedDevice())
    backend.int8_form = None
    result = run_chain(backend, width=96, height=64, frames=6, precision="int8")
    assert (result.outcome, result.precision, result.efficiency) == ("refused", "int8", None)
