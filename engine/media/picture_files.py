"""The kinds of picture files that can be written: a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """One kind of picture file.

    encoder : FFmpeg's name
    pix_fmts : pixel format by (is grey, has more than 8 bits)
    coded : format that the encoder wants instead of another of the same content (it stores big-endian words)
    options : for the encoder
    """

    encoder: str
    pix_fmts: Mapping[tuple[bool, bool], str]
    coded: Mapping[str, str] = field(default_factory=dict[str, str])
    options: Mapping[str, str] = field(default_factory=dict[str, str])


_RGB_OR_GRAY = {
    (False, False): "rgb24",
    (True, False): "gray",
    (False, True): "rgb48le",
    (True, True): "gray16le",
}
_PNG = PictureFormat(
    encoder="png",
    pix_fmts=_RGB_OR_GRAY,
    coded={"rgb48le": "rgb48be", "gray16le": "gray16be"},
    options={"pred": "mixed"},
)
_TIFF = PictureFormat(encoder="tiff", pix_fmts=_RGB_OR_GRAY, options={"compression_algo": "deflate"})
_DPX = PictureFormat(encoder="dpx", pix_fmts=_RGB_OR_GRAY)
_JPEG = PictureFormat(
    encoder="mjpeg",
    pix_fmts={(grey, deep): "yuvj420p" for grey in (False, True) for deep in (False, True)},
    options={"qmin": "1", "qmax": "2"},
)
PICTURE_FORMATS = {".png": _PNG, ".tif": _TIFF, ".tiff": _TIFF, ".dpx": _DPX, ".jpg": _JPEG, ".jpeg": _JPEG}
