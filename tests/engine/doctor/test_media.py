from pathlib import Path

import numpy as np
import pytest

from engine.doctor import media
from engine.doctor.finding import Verdict
from engine.doctor.media import (
    check_containers,
    check_ffmpeg,
    check_jetson,
    check_nvenc,
    check_read,
    check_written,
    round_trip,
)
from engine.media.codecs import VIDEO_CODECS
from tests.support.fake_gi import FakeGStreamer


def test_every_codec_of_ours_is_written_and_read_back() -> None:
    found = list(check_written())
    assert [finding.subject for finding in found] == [f"codec {name}" for name in VIDEO_CODECS]
    assert {finding.verdict for finding in found} == {Verdict.GOOD}


def test_containers_and_what_films_are_made_of() -> None:
    assert {finding.verdict for finding in (*check_ffmpeg(), *check_containers(), *check_read())} == {Verdict.GOOD}


def test_a_codec_that_is_not_there_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "READ_TOO", {"libnone": ("none", "yuv420p")})
    (found,) = check_read()
    assert found.verdict is Verdict.BAD
    assert found.cure


def test_another_picture_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.zeros((media.SIDE, media.SIDE, 3), np.uint8)
    monkeypatch.setattr(media.np, "full", lambda *arguments: whole)  # black where the lower half should be grey
    with pytest.raises(ValueError, match="another picture"):
        round_trip("png", None, "rgb24")


def test_gpu_encoders_need_no_gpu_to_be_asked() -> None:
    assert {finding.verdict for finding in check_nvenc()} <= {Verdict.GOOD, Verdict.NOT_APPLICABLE}


def test_whether_a_jetsons_decoder_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = check_jetson(tmp_path / "none")
    assert (found.verdict, found.detail) == (Verdict.NOT_APPLICABLE, "no Jetson")
    board = tmp_path / "model"
    board.write_bytes(b"NVIDIA Jetson AGX Orin Developer Kit\0")
    fake = FakeGStreamer()
    fake.install(monkeypatch)
    (found,) = check_jetson(board)
    assert found.verdict is Verdict.GOOD
    fake.elements.remove("nvvidconv")
    (found,) = check_jetson(board)
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert found.detail.startswith("GStreamer has no nvvidconv; the processor decodes. ")
    assert "--system-site-packages" in found.detail
