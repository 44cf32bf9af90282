"""Rules that hold for every test."""

import logging
import os
from collections.abc import Iterator

import cv2
import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_opencv_thread() -> None:
    """OpenCV works within its caller's thread, as in the pipeline."""
    cv2.setNumThreads(1)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Give each test the logging set-up of a fresh process: commands change it, also in fixtures of whole modules."""
    logging.getLogger("engine").setLevel(logging.NOTSET)
    loggers = [logging.getLogger(), logging.getLogger("engine")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


NO_GPU = "no GPU"
"""How the reason of a skip begins where the machine has no GPU, and not merely a library or a codec that it lacks."""


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Turn the skip of a gpu test for want of a GPU into a failure where one must be.

    Other skips stay: TensorRT for RTX does not serve every GPU, and not every GPU encodes.
    """
    outcome = yield
    report = outcome.get_result()
    must = item.get_closest_marker("gpu") and os.environ.get("FARSHORE_REQUIRE_GPU") == "1"
    if must and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith(NO_GPU):
            report.outcome = "failed"
            report.longrepr = f"FARSHORE_REQUIRE_GPU=1, but the test was skipped: {reason}"
