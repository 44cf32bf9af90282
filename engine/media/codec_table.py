"""The video codecs that can be written: encoders, pixel formats, and what one dial of quality means to each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_QUIET_X265 = "log-level=none:open-gop=0"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCodec:
    """One codec and its dial.

    name : as in the settings
    encoder : FFmpeg's encoder
    pix_fmts : pixel format by (is grey kept as grey, bit depth)
    dial : (quality, encoder's own number) from 0 to 100; between two points the number is interpolated
    dial_option : the encoder's option that takes the number; None where the codec has no dial (it is lossless)
    dial_step : interpolated numbers are rounded to multiples of it; 0: the last point reached counts
    options : for the encoder, fixed
    even_size : whether width and height must be even
    least_size : width and height below which the encoder refuses pictures, or worse
    reorder_frames : packets at most that are coded before a frame which is shown earlier
    segment_format : container of its segments: exact times, readable when cut off
    is_intra : every frame stands alone, so nothing is gained by asking for key frames
    is_limited_range : it has no full range: black is 16 of 255, or 64 of 1023, whatever the film's own was
    told_format : pixel format that the encoder is told, where its pictures lie on a device; None: that of the pictures
    """

    name: str
    encoder: str
    pix_fmts: Mapping[tuple[bool, int], str]
    dial: tuple[tuple[int, float], ...] = ()
    dial_option: str | None = None
    dial_step: float = 0.5
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    even_size: bool = False
    least_size: int = 1
    reorder_frames: int = 0
    segment_format: str = "mp4"
    is_intra: bool = False
    is_limited_range: bool = False
    told_format: str | None = None

    def dial_value(self, quality: int) -> str:
        """Return the encoder's number for a quality from 0 to 100."""
        reached = [point for point in self.dial if point[0] <= quality][-1]
        following = next((point for point in self.dial if point[0] > quality), None)
        if not self.dial_step or following is None:
            return f"{reached[1]:g}"
        share = (quality - reached[0]) / (following[0] - reached[0])
        value = reached[1] + share * (following[1] - reached[1])
        return f"{round(value / self.dial_step) * self.dial_step:g}"


_YUV420 = {(grey, depth): fmt for grey in (False, True) for depth, fmt in ((8, "yuv420p"), (10, "yuv420p10le"))}

VIDEO_CODECS = {
    codec.name: codec
    for codec in (
        VideoCodec(
            name="h264",
            encoder="libx264",
            pix_fmts=_YUV420,
            dial=((0, 40.0), (50, 25.0), (75, 18.0), (100, 8.0)),
            dial_option="crf",
            options={"preset": "veryfast", "tune": "film", "x264-params": "stitchable=1", "forced-idr": "1"},
            even_size=True,
            reorder_frames=2,
        ),
        VideoCodec(
            name="h265",
            least_size=64,  # x265 writes past its buffers with many sizes below (seen from 34 to 48)
            encoder="libx265",
            pix_fmts=_YUV420,
            dial=((0, 42.0), (50, 27.0), (75, 20.0), (100, 10.0)),
            dial_option="crf",
            options={"preset": "superfast", "x265-params": _QUIET_X265, "forced-idr": "1"},
            even_size=True,
            reorder_frames=2,
        ),
        VideoCodec(
            name="av1",
            encoder="libsvtav1",
            pix_fmts=_YUV420,
            dial=((0, 60.0), (50, 40.0), (75, 25.0), (100, 8.0)),
            dial_option="crf",
            dial_step=1.0,
            options={"preset": "9"},
        ),
        VideoCodec(
            name="prores",
            encoder="prores_ks",
            pix_fmts={(grey, depth): "yuv422p10le" for grey in (False, True) for depth in (8, 10)},
            dial=((0, 0), (25, 1), (50, 2), (75, 3)),
            dial_option="profile",
            dial_step=0,
            options={"vendor": "apl0"},
            segment_format="mov",
            is_intra=True,
            is_limited_range=True,
        ),
        VideoCodec(
            name="ffv1",
            encoder="ffv1",
            pix_fmts={
                (False, 8): "yuv420p",
                (False, 10): "yuv420p10le",
                (True, 8): "gray",
                (True, 10): "gray10le",
            },
            options={"level": "3", "slices": "4", "slicecrc": "1", "g": "1"},
            segment_format="nut",
            is_intra=True,
        ),
    )
}

_NVENC = {"preset": "p5", "tune": "hq", "rc": "vbr", "rc-lookahead": "0", "forced-idr": "1", "b_ref_mode": "disabled"}
_SEMI_PLANAR = {(grey, depth): fmt for grey in (False, True) for depth, fmt in ((8, "nv12"), (10, "p010le"))}

DEVICE_CODECS = {
    name: VideoCodec(
        name=name,
        encoder=encoder,
        pix_fmts=_SEMI_PLANAR,
        dial=tuple(zip((0, 50, 75, 100), numbers, strict=True)),
        dial_option="cq",
        options={**_NVENC, "bf": str(reorder_frames)},
        even_size=True,
        reorder_frames=reorder_frames,
        told_format="cuda",
    )
    for name, encoder, numbers, reorder_frames in (
        ("h264", "h264_nvenc", (42.0, 28.0, 21.0, 10.0), 2),
        ("h265", "hevc_nvenc", (44.0, 30.0, 23.0, 12.0), 2),
        ("av1", "av1_nvenc", (60.0, 42.0, 30.0, 12.0), 0),
    )
}
"""The same by NVENC, in constant quality. The dials are laid by what the numbers mean, not yet measured on a GPU."""
