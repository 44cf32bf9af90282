"""FFmpeg's and Python's errors on reading, mapped to ours in one table."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import av.error

from engine.errors import DecodeError, DeviceMemoryError, FarshoreError

_DAMAGED = "the file is damaged or no film; try to play it, or fetch it again"
_UNSUPPORTED = "this build of FFmpeg cannot read it; convert it, for example to FFV1 in Matroska"
_NETWORK = "check the address and the network, then try again"
_ACCESS = "check the path and its permissions"
_INTERNAL = "FFmpeg failed inside; please report it with the file"
_PYTHON = "the stream it is read from failed; check what feeds it"

CURES: Mapping[type[Exception], str] = {
    av.error.InvalidDataError: _DAMAGED,
    av.error.EOFError: "the file ends too early; fetch it again",
    av.error.PatchWelcomeError: _UNSUPPORTED,
    av.error.NotImplementedError: _UNSUPPORTED,
    av.error.DecoderNotFoundError: _UNSUPPORTED,
    av.error.DemuxerNotFoundError: _UNSUPPORTED,
    av.error.EncoderNotFoundError: _UNSUPPORTED,
    av.error.MuxerNotFoundError: _UNSUPPORTED,
    av.error.BSFNotFoundError: _UNSUPPORTED,
    av.error.FilterNotFoundError: _UNSUPPORTED,
    av.error.ProtocolNotFoundError: "this build of FFmpeg lacks the protocol; copy the film to a local file",
    av.error.ExperimentalError: _UNSUPPORTED,
    av.error.FileNotFoundError: "no such file; check the path",
    av.error.PermissionError: "no permission to read it; " + _ACCESS,
    av.error.IsADirectoryError: _ACCESS,
    av.error.NotADirectoryError: _ACCESS,
    av.error.FileExistsError: _ACCESS,
    av.error.OSError: "reading failed; check the disk or the connection",
    av.error.BrokenPipeError: _PYTHON,
    av.error.BlockingIOError: _PYTHON,
    av.error.InterruptedError: _PYTHON,
    av.error.ChildProcessError: _PYTHON,
    av.error.ProcessLookupError: _PYTHON,
    av.error.PyAVCallbackError: _PYTHON,
    av.error.TimeoutError: _NETWORK,
    av.error.ConnectionRefusedError: _NETWORK,
    av.error.ConnectionResetError: _NETWORK,
    av.error.ConnectionAbortedError: _NETWORK,
    av.error.HTTPBadRequestError: _NETWORK,
    av.error.HTTPUnauthorizedError: "the server asks for a login; put it into the address",
    av.error.HTTPForbiddenError: "the server refuses it; check the address and your rights",
    av.error.HTTPNotFoundError: "the server does not have it; check the address",
    av.error.HTTPTooManyRequestsError: "the server is busy; wait and try again",
    av.error.HTTPOtherClientError: _NETWORK,
    av.error.HTTPServerError: "the server failed; wait and try again",
    av.error.MemoryError: "it asks for more memory than there is; it is damaged, or its pictures are too large",
    av.error.BufferTooSmallError: _DAMAGED,
    av.error.OverflowError: _DAMAGED,
    av.error.ArgumentError: _DAMAGED,
    av.error.InputChangedError: _DAMAGED,
    av.error.OutputChangedError: _DAMAGED,
    av.error.UnknownError: _INTERNAL,
    av.error.UndefinedError: _INTERNAL,
    av.error.BugError: _INTERNAL,
    av.error.ExternalError: _INTERNAL,
    av.error.ExitError: _INTERNAL,
    av.error.OptionNotFoundError: _INTERNAL,
}
"""What to do about each class of FFmpeg error."""

READING_ERRORS = (av.error.FFmpegError, OSError, ValueError, MemoryError)
"""What PyAV raises while it opens and reads: its own classes, and those of a Python stream that it reads from."""


def reading_error(error: Exception, subject: str) -> FarshoreError:
    """Return our error for one of `READING_ERRORS`: subject, what FFmpeg said, the cure.

    Python's own MemoryError becomes `DeviceMemoryError`, all else `DecodeError`: FFmpeg's mostly comes of damage.
    """
    if isinstance(error, av.error.FFmpegError):
        text = error.strerror or type(error).__name__
        return DecodeError(f"{subject}: {text[:1].lower()}{text[1:]}; {CURES.get(type(error), _INTERNAL)}")
    if isinstance(error, MemoryError):
        return DeviceMemoryError(f"{subject}: too little memory to read it; close other programs")
    return DecodeError(f"{subject}: {error or type(error).__name__}; {_PYTHON}")


@contextmanager
def reading(subject: str) -> Generator[None, None, None]:
    """Turn what FFmpeg raises inside into our errors about `subject`; our own pass."""
    try:
        yield
    except FarshoreError:
        raise
    except READING_ERRORS as error:
        raise reading_error(error, subject) from error
