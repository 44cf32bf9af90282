"""Every error that PyAV can raise has a cure, and comes out as one line of ours."""

import av.error
import pytest

from engine.errors import DecodeError, DeviceMemoryError
from engine.media.ffmpeg_errors import CURES, READING_ERRORS, reading, reading_error

ABSTRACT = {av.error.FFmpegError, av.error.LookupError, av.error.HTTPError, av.error.HTTPClientError}
RAISABLE = {
    each
    for each in vars(av.error).values()
    if isinstance(each, type) and issubclass(each, av.error.FFmpegError) and each not in ABSTRACT
}


def test_all_mapped():
    assert set(CURES) == RAISABLE


@pytest.mark.parametrize("kind", sorted(RAISABLE, key=lambda each: each.__name__))
def test_each_becomes_one_line_with_subject_and_cure(kind):
    with pytest.raises((DecodeError, DeviceMemoryError)) as caught, reading("film.mp4"):
        raise kind(1, "Something went wrong", "film.mp4")
    assert str(caught.value) == f"film.mp4: something went wrong; {CURES[kind]}"
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("read of closed file"), MemoryError()])
def test_errors_of_python_streams_are_ours_too(error):
    assert isinstance(error, READING_ERRORS)
    assert str(reading_error(error, "stdin")).startswith("stdin: ")


def test_our_own_errors_pass_untouched():
    own = DecodeError("film.mp4: x; y")
    with pytest.raises(DecodeError) as caught, reading("other"):
        raise own
    assert caught.value is own
