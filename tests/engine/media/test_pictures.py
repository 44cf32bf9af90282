"""Pictures handed to encoders: reused buffers never reach a picture that an encoder still holds."""

from fractions import Fraction

import av
import numpy as np
import pytest

from engine.errors import TimestampError
from engine.media.codecs import VIDEO_CODECS, Encoding, encoding_for
from engine.media.layout import LAYOUTS, samples
from engine.media.pictures import PictureRing, coded_time, rows_of
from engine.settings import CODECS, OutputSettings
from tests.support.tracks import Shots, spec_of


def coded(codec: str, shots: Shots, *, reuse: bool) -> list[bytes]:
    """Code shots with a ring shorter than the encoder's threads, or with a fresh buffer for each picture."""
    settings = OutputSettings(encoder_threads=4)
    encoding: Encoding = encoding_for(VIDEO_CODECS[codec], settings, shots.spec)
    ring = PictureRing(encoding.picture, shots.spec, threads=0)
    encoder = av.CodecContext.create(encoding.video_codec.encoder, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 96, 64, encoding.picture.pix_fmt
    encoder.time_base, encoder.framerate = encoding.time_base, encoding.rate
    encoder.thread_count, encoder.thread_type = 4, "AUTO"
    encoder.options = dict(encoding.options)
    packets: list[bytes] = []
    kept = []
    for frame in shots.frames():
        picture = ring.fill(frame)
        frame.release()
        if not reuse:
            picture = copy_of(picture)
            kept.append(picture)
        packets += [bytes(p) for p in encoder.encode(picture)]
    return packets + [bytes(p) for p in encoder.encode(None)]


@pytest.mark.parametrize("codec", CODECS)
def test_reused_buffers_do_not_change_what_is_coded(codec: str) -> None:
    shots = Shots(spec_of(), [30])
    assert coded(codec, shots, reuse=True) == coded(codec, shots, reuse=False)


def test_buffer_that_an_encoder_keeps_is_not_written() -> None:
    shots = Shots(spec_of(), [8])
    encoding = encoding_for(VIDEO_CODECS["ffv1"], OutputSettings(), shots.spec)
    ring = PictureRing(encoding.picture, shots.spec, threads=0)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=96, height=64, format=encoding.picture.pix_fmt, time_base=Fraction(1, 24000))
    hold, sink = graph.add("null"), graph.add("buffersink")
    source.link_to(hold)
    hold.link_to(sink)
    graph.configure()
    before, held = [], []
    for frame in shots.frames():
        picture = ring.fill(frame)
        frame.release()
        before.append(rows_of(picture.planes[0]).copy())
        source.push(picture)
        held.append(sink.pull())  # a reference to the same memory, kept while the ring goes round
    for number, reference in enumerate(held):
        assert np.array_equal(rows_of(reference.planes[0])[:, :96], before[number][:, :96])


def test_times_that_are_no_whole_units() -> None:
    assert coded_time(Fraction(1001, 24000), Fraction(1, 24000)) == 1001
    with pytest.raises(TimestampError, match="got 1/2 units of 1/24 s; wanted a whole number"):
        coded_time(Fraction(1, 48), Fraction(1, 24))


@pytest.mark.parametrize("size", [(3, 5), (5, 3), (4, 5), (7, 9), (1, 1), (33, 17)])
@pytest.mark.parametrize("depth", [8, 10])
def test_odd_sizes_repeat_the_last_column_and_row(size: tuple[int, int], depth: int) -> None:
    shots = Shots(spec_of(size=size, bit_depth=depth), [1])
    settings = OutputSettings(bit_depth=depth)
    encoding = encoding_for(VIDEO_CODECS["h264"], settings, shots.spec)
    picture = PictureRing(encoding.picture, shots.spec).fill(next(shots.frames()))
    width, height = size
    assert (picture.width, picture.height) == (width + width % 2, height + height % 2)
    luma = samples(picture, LAYOUTS[encoding.picture.pix_fmt], 0)
    assert luma.itemsize == (1 if depth == 8 else 2)
    assert np.array_equal(luma[:, width:], luma[:, width - 1 : width].repeat(width % 2, axis=1))
    assert np.array_equal(luma[height:], luma[height - 1 : height].repeat(height % 2, axis=0))
    if width * height > 1:
        assert len(np.unique(luma[:height, :width])) > 1, "a picture, not a blank"


def copy_of(picture: av.VideoFrame) -> av.VideoFrame:
    copy = av.VideoFrame(picture.width, picture.height, picture.format.name)
    for source, target in zip(picture.planes, copy.planes, strict=True):
        rows_of(target)[:] = rows_of(source)
    copy.pts, copy.time_base, copy.pict_type = picture.pts, picture.time_base, picture.pict_type
    copy.colorspace, copy.color_range = picture.colorspace, picture.color_range
    copy.color_primaries, copy.color_trc = picture.color_primaries, picture.color_trc
    return copy
