"""What a film's numbers mean: matrices, ranges, and FFmpeg's numbers for them.

Chain frames are gamma-encoded as the film is; nothing here converts transfer functions or primaries, both are carried
through. References: ITU-T H.273 (code points; FCC and SMPTE 240M), ITU-R BT.601, BT.709, BT.2020.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import av

from engine.media.layout import coded_format, layout_or_stand_in
from engine.types import ColorSpace, Matrix, Range

FFMPEG_RGB, FFMPEG_UNSPECIFIED = 0, 2

MATRIX_OF_FFMPEG: Mapping[int, Matrix] = {
    FFMPEG_RGB: Matrix.RGB,
    1: Matrix.BT709,
    4: Matrix.FCC,
    5: Matrix.BT601,  # 625 lines
    6: Matrix.BT601,  # 525 lines
    7: Matrix.SMPTE240M,
    9: Matrix.BT2020,
    10: Matrix.BT2020,  # constant luminance, read as if it were not
}
"""`AVColorSpace` → ours. What is missing here counts as unspecified."""

FFMPEG_OF_MATRIX: Mapping[Matrix, int] = {
    Matrix.RGB: 0,
    Matrix.BT709: 1,
    Matrix.FCC: 4,
    Matrix.BT601: 6,
    Matrix.SMPTE240M: 7,
    Matrix.BT2020: 9,
}
"""Ours → `AVColorSpace`, for tagging what is written."""

RANGE_OF_FFMPEG: Mapping[int, Range] = {1: Range.LIMITED, 2: Range.FULL}
"""`AVColorRange` → ours. 0 is unspecified."""

FFMPEG_OF_RANGE: Mapping[Range, int] = {Range.LIMITED: 1, Range.FULL: 2}

SD_HEIGHT_LIMIT = 720
"""Where nothing is said, pictures of fewer rows are BT.601, others BT.709: the rule players follow."""

CENTER_SITED_CODECS = frozenset({"mjpeg", "mjpegb", "ljpeg", "mpeg1video"})
TOP_LEFT_SITED_CODECS = frozenset({"dvvideo"})
LEFT, CENTER, TOP_LEFT = 1, 2, 3
"""`AVChromaLocation`. PyAV does not tell a film's own, so it follows from the codec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """Weights of a Y'CbCr matrix.

    kr, kg, kb : weights of R', G', B' in Y'; they sum to 1

    With them Cb = (B' - Y') / (2 - 2 kb) and Cr = (R' - Y') / (2 - 2 kr), both in [-0.5, 0.5].
    """

    kr: float
    kb: float

    @property
    def kg(self) -> float:
        """Weight of green in Y'."""
        return 1.0 - self.kr - self.kb

    @property
    def cb_scale(self) -> float:
        """B' - Y' = cb_scale × Cb."""
        return 2.0 - 2.0 * self.kb

    @property
    def cr_scale(self) -> float:
        """R' - Y' = cr_scale × Cr."""
        return 2.0 - 2.0 * self.kr


COEFFICIENTS: Mapping[Matrix, Coefficients] = {
    Matrix.BT601: Coefficients(kr=0.299, kb=0.114),
    Matrix.BT709: Coefficients(kr=0.2126, kb=0.0722),
    Matrix.BT2020: Coefficients(kr=0.2627, kb=0.0593),
    Matrix.FCC: Coefficients(kr=0.30, kb=0.11),
    Matrix.SMPTE240M: Coefficients(kr=0.212, kb=0.087),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedColor:
    """FFmpeg's own numbers as a stream or frame carries them.

    matrix, range, transfer, primaries : `AVColorSpace`, `AVColorRange`, `AVColorTransferCharacteristic`,
        `AVColorPrimaries`
    """

    matrix: int = FFMPEG_UNSPECIFIED
    range: int = 0
    transfer: int = FFMPEG_UNSPECIFIED
    primaries: int = FFMPEG_UNSPECIFIED


def coded_color(picture: av.VideoFrame) -> CodedColor:
    """Return the tags of a decoded picture."""
    return CodedColor(
        matrix=int(picture.colorspace),
        range=int(picture.color_range),
        transfer=int(picture.color_trc),
        primaries=int(picture.color_primaries),
    )


def film_color(picture: av.VideoFrame, codec: str) -> ColorSpace:
    """Decide what a decoded picture's numbers mean; see `color_space`."""
    _, layout = layout_or_stand_in(coded_format(picture))
    return color_space(
        coded_color(picture),
        family=layout.family,
        is_full_range=layout.is_full_range,
        height=picture.height,
        codec=codec,
    )


def color_space(coded: CodedColor, *, family: str, is_full_range: bool, height: int, codec: str) -> ColorSpace:
    """Decide what a film's numbers mean, by its tags where it has them and by the usual rules where not.

    Parameters
    ----------
    coded : the tags
    family : "yuv", "gray" or "rgb"
    is_full_range : whether the pixel format itself means full range (`yuvj420p`)
    height : rows of the coded picture
    codec : FFmpeg's name of the codec; chroma siting follows from it
    """
    if family == "rgb":
        matrix = Matrix.RGB
    else:
        matrix = MATRIX_OF_FFMPEG.get(coded.matrix, Matrix.RGB)
        matrix = unspecified_matrix(height) if matrix is Matrix.RGB else matrix
    usual = Range.LIMITED if family == "yuv" and not is_full_range else Range.FULL
    return ColorSpace(
        matrix=matrix,
        range=RANGE_OF_FFMPEG.get(coded.range, usual),
        primaries=coded.primaries,
        transfer=coded.transfer,
        chroma_location=_siting(family, codec),
    )


def output_color(color: ColorSpace, *, family: str, is_full_range: bool, height: int) -> ColorSpace:
    """Return how numbers of another pixel format mean the same colours.

    Y'CbCr and grey keep the film's matrix and range; from an R'G'B' film Y'CbCr becomes limited range, grey full range,
    in the matrix usual for its height. R'G'B' formats are always full range.
    """
    if family == "rgb":
        return replace(color, matrix=Matrix.RGB, range=Range.FULL, chroma_location=0)
    from_rgb = Range.FULL if family == "gray" else Range.LIMITED
    kept = from_rgb if color.matrix is Matrix.RGB else color.range
    return replace(color, matrix=luma_matrix(color, height), range=Range.FULL if is_full_range else kept)


def luma_matrix(color: ColorSpace, height: int) -> Matrix:
    """Return the matrix by which Y' is made: the film's own, or for an RGB film the one usual for its height."""
    return unspecified_matrix(height) if color.matrix is Matrix.RGB else color.matrix


def unspecified_matrix(height: int) -> Matrix:
    """Return the matrix of a film that names none."""
    return Matrix.BT601 if height < SD_HEIGHT_LIMIT else Matrix.BT709


def _siting(family: str, codec: str) -> int:
    if family != "yuv":
        return 0
    if codec in CENTER_SITED_CODECS:
        return CENTER
    return TOP_LEFT if codec in TOP_LEFT_SITED_CODECS else LEFT
