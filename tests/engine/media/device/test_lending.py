"""Memory that is lent by DLPack: what the borrower sees, and when it comes back."""

import gc
import textwrap
import threading

import av
import numpy as np
import pytest

from engine.media.device import lending
from engine.media.device.lending import LentPlane
from tests.support.segmented import run_python

HOST = (1, 0)


def lent(memory: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...], log: list[str]) -> LentPlane:
    return LentPlane(memory.ctypes.data, shape, strides, memory.dtype, HOST, lambda: log.append("back"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_borrower_sees_the_memory_itself_with_its_padding_left_out(dtype):
    memory, log = np.arange(64, dtype=dtype).reshape(4, 16), list[str]()
    seen = np.from_dlpack(lent(memory, (4, 5, 2), (16, 2, 1), log))
    assert (seen == memory[:, :10].reshape(4, 5, 2)).all()
    memory[2, 3] = 99
    assert seen[2, 1, 1] == 99


def test_a_plane_comes_back_when_its_last_borrower_is_gone_and_can_be_lent_again():
    memory, log = np.zeros((4, 8), np.uint8), list[str]()
    plane = lent(memory, (4, 8), (8, 1), log)
    for turn in range(3):
        first = np.from_dlpack(plane)
        second = first[1:]
        del first
        gc.collect()
        assert log == ["back"] * turn
        del second
        assert log == ["back"] * (turn + 1)
    assert plane not in lending._out.values()


def test_a_picture_of_pyav_lies_in_the_lent_memory_until_the_last_reference_is_gone():
    memory, log = np.full((6 * 3 // 2, 16), 128, np.uint8), list[str]()
    chroma = LentPlane(memory.ctypes.data + 6 * 16, (3, 4, 2), (16, 2, 1), np.uint8, HOST, lambda: log.append("chroma"))
    picture = av.VideoFrame.from_dlpack((lent(memory, (6, 8), (16, 1), log), chroma), format="nv12")
    assert picture.planes[0].buffer_ptr == memory.ctypes.data
    assert [plane.line_size for plane in picture.planes] == [16, 16]
    plane = picture.planes[1]
    del picture
    assert log == []
    memory[7, 3] = 42
    assert np.frombuffer(plane, np.uint8)[16 + 3] == 42
    worker = threading.Thread(target=lambda box: box.clear(), args=([plane],))
    del plane
    worker.start()
    worker.join()
    assert sorted(log) == ["back", "chroma"]


def test_a_picture_that_outlives_everything_else_does_no_harm():
    script = """
        import builtins, av, numpy as np
        from engine.media.device.lending import LentPlane

        memory, log = np.full((9, 16), 128, np.uint8), []
        luma = LentPlane(memory.ctypes.data, (6, 8), (16, 1), np.uint8, (1, 0), lambda: log.append(1))
        chroma = LentPlane(memory.ctypes.data + 96, (3, 4, 2), (16, 2, 1), np.uint8, (1, 0), lambda: log.append(1))
        builtins.kept = av.VideoFrame.from_dlpack((luma, chroma), format="nv12")
        del luma, chroma
    """
    done = run_python(textwrap.dedent(script))
    assert (done.returncode, done.stderr) == (0, "")
