"""Pictures into files."""

from pathlib import Path

import cv2

from engine.demo.brush import Picture
from engine.errors import EncodeError

_OPTIONS = {".png": [cv2.IMWRITE_PNG_COMPRESSION, 9], ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 85]}


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture, .png or .jpg.

    Raises
    ------
    EncodeError
        The file cannot be written.
    """
    try:
        coded = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _OPTIONS[path.suffix])[1]
        path.write_bytes(coded.tobytes())
    except OSError as error:
        raise EncodeError(f"{path}: cannot be written ({error.strerror}); choose another --output") from error
