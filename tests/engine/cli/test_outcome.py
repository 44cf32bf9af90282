"""How commands end: the code and the line of each kind of error."""

import pytest

from engine.cli.outcome import ExitCode, error_line, exit_code, worst
from engine.errors import ConfigError, DecodeError, InternalError, Interrupted


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), ExitCode.ASKED_WRONGLY),
        (DecodeError("x"), ExitCode.FAILED),
        (Interrupted("x"), ExitCode.INTERRUPTED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (InternalError("x"), ExitCode.FAILED),
        (RuntimeError("x"), ExitCode.FAILED),
        (MemoryError(), ExitCode.FAILED),
    ],
)
def test_exit_codes(error: BaseException, code: ExitCode) -> None:
    assert exit_code(error) is code


def test_an_error_is_one_line_whatever_it_holds() -> None:
    assert error_line(DecodeError("first\n  second")) == "first second"


def test_a_foreign_error_is_called_a_bug() -> None:
    line = error_line(KeyError("pts"))
    assert "KeyError: 'pts' (this is a bug in farshore; please report it" in line
    assert "--debug shows the traceback" in line


def test_the_systems_errors_are_not_called_bugs() -> None:
    assert error_line(OSError(28, "No space left on device", "out.mp4")) == "out.mp4: No space left on device"
    assert "out of memory" in error_line(MemoryError())


def test_a_batch_ends_like_its_worst_film() -> None:
    done, losses, failed, wrong = (ExitCode.DONE, ExitCode.DONE_WITH_LOSSES, ExitCode.FAILED, ExitCode.ASKED_WRONGLY)
    assert worst([]) is done
    assert worst([done, losses]) is losses
    assert worst([failed, losses, done]) is failed
    assert worst([failed, wrong]) is wrong
