"""The library's words, in the log and in errors."""

import logging
import threading
from collections.abc import Callable

import pytest

from engine.backends.tensorrt.journal import VERBOSE, Journal
from engine.errors import BuildError, DeviceError, DeviceMemoryError, EngineError
from tests.engine.backends.tensorrt.bindings import common
from tests.support.fake_tensorrt import FakeTensorRt
from tests.support.simulated_device import SimulatedDevice

LOG = logging.getLogger("engine.tested")


@pytest.fixture
def library() -> FakeTensorRt:
    return FakeTensorRt(SimulatedDevice(), common(), rtx=False)


def test_severities_are_pythons_and_info_is_for_who_looks_for_it(
    library: FakeTensorRt, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(library, "TensorRT 10.3.0", LOG)
    severities = library.ILogger
    with caplog.at_level(1, "engine.tested"):
        for severity in (
            severities.INTERNAL_ERROR,
            severities.ERROR,
            severities.WARNING,
            severities.INFO,
            severities.VERBOSE,
        ):
            journal.native.log(severity, "mind\n  the gap")
    assert [record.levelno for record in caplog.records] == [
        logging.ERROR,
        logging.ERROR,
        logging.WARNING,
        logging.DEBUG,
        VERBOSE,
    ]
    assert set(caplog.messages) == {"TensorRT 10.3.0: mind the gap"}


def test_the_first_errors_are_kept_and_given_once(library: FakeTensorRt) -> None:
    journal = Journal(library, "T", LOG)
    for words in ("one", "one", "two", "three", "four"):
        journal.native.log(library.ILogger.ERROR, words)
    journal.native.log(library.ILogger.WARNING, "beware")
    assert journal.take() == "one; two"
    assert journal.take() == ""


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Error Code 1: Cuda Runtime (out of memory)", DeviceMemoryError),
        ("[defaultAllocator] Cuda failure: OutOfMemory", DeviceMemoryError),
        ("Error Code 1: Cuda Runtime (invalid device function)", DeviceError),
        ("Error Code 1: Cuda Driver (an illegal instruction)", DeviceError),
        ("Error Code 4: Internal Error (no engine)", EngineError),
    ],
)
def test_words_decide_the_class_of_error(library: FakeTensorRt, words: str, kind: type[Exception]) -> None:
    journal = Journal(library, "T", LOG)
    journal.native.log(library.ILogger.ERROR, words)
    error = journal.failure("model x", "run it", EngineError)
    assert type(error) is kind
    assert str(error).startswith(f"model x: T cannot run it: {words}")


def in_another_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_errors_are_those_of_the_thread_that_met_them(library: FakeTensorRt) -> None:
    journal = Journal(library, "T", LOG)
    journal.forget()
    journal.native.log(library.ILogger.ERROR, "ours")

    def neighbour() -> None:
        journal.forget()
        for words in ("theirs: out of memory", "theirs", "theirs too"):
            journal.native.log(library.ILogger.ERROR, words)
        assert journal.take().startswith("theirs: out of memory")
        journal.native.log(library.ILogger.ERROR, "theirs: out of memory")

    in_another_thread(neighbour)
    error = journal.failure("model x", "run it", EngineError)
    assert type(error) is EngineError
    assert str(error) == "model x: T cannot run it: ours"
    assert journal.take() == ""


def test_the_librarys_own_threads_explain_what_fails_without_words(library: FakeTensorRt) -> None:
    journal = Journal(library, "T", LOG)
    journal.forget()
    in_another_thread(lambda: journal.native.log(library.ILogger.ERROR, "compiling failed"))
    assert str(journal.failure("model x", "run it", EngineError)).endswith("cannot run it: compiling failed")
    assert journal.take() == ""


def test_a_library_that_says_nothing_is_quoted_so(library: FakeTensorRt) -> None:
    error = Journal(library, "T", LOG).failure("model x", "take it", BuildError)
    assert str(error) == "model x: T cannot take it: no reason given"


def test_long_words_are_cut(library: FakeTensorRt) -> None:
    journal = Journal(library, "T", LOG)
    journal.native.log(library.ILogger.ERROR, "x" * 5000)
    assert len(journal.take()) == 400
