from engine.stages.run import run_stage
from tests.support.frames import Delay, ListReader


def test_a_stage_is_flushed_and_reset_between_shots_and_flushed_at_the_end() -> None:
    reader, stage = ListReader(10, cuts=(0, 4)), Delay(look_ahead=3)
    stage.open(reader.spec)
    shown = []
    for frame in run_stage(stage, reader.frames()):
        shown.append((frame.index, frame.shot))
        frame.release()
    assert shown == [(index, int(index >= 4)) for index in range(10)]
    assert stage.log == ["flush 0", "reset", "flush 1/6", "reset", "flush 5/12"]
    assert reader.pool.on_loan == stage.pool.on_loan == 0
