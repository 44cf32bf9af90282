"""What a model file says of itself, read without loading its weights: for lists of models, which may fill gigabytes.

An ONNX file is one protobuf message, `ModelProto`: fields, each a key (number and wire type) and a value. Metadata are
field 14, `metadata_props`, messages of key (field 1) and value (field 2); the graph with its weights is one field that
is skipped here. https://protobuf.dev/programming-guides/encoding/, and onnx.proto of the ONNX specification.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from engine.errors import UnsupportedModelError, WeightsError
from engine.model import PREFIX, ModelCard, _card_from_properties

_METADATA_PROPS = 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def read_card(path: Path) -> ModelCard:
    """Read what a model says of itself.

    Raises
    ------
    WeightsError
        The file cannot be read, is cut off, or is no ONNX file.
    UnsupportedModelError
        It says nothing of itself, or not what it must.
    """
    try:
        with path.open("rb") as file:
            properties = dict(_entry(field) for field in _fields(file, path.stat().st_size))
    except OSError as error:
        raise WeightsError(f"model {path}: cannot be read ({error.strerror}); check the path") from error
    except ValueError as error:
        raise WeightsError(f"model {path}: not a readable ONNX file ({error}); fetch or export it again") from error
    if not any(key.startswith(PREFIX) for key in properties):
        raise UnsupportedModelError(f"model {path}: says nothing of itself; it can be used by naming its role")
    return _card_from_properties(path, properties)


def _fields(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the metadata of a message of `size` bytes; ValueError where it is no message."""
    if size == 0:
        raise ValueError("empty")
    while (position := file.tell()) < size:
        number, kind = divmod(_varint(file), 8)
        if kind == _VARINT:
            _varint(file)
            continue
        if kind not in (_FIXED64, _BYTES, _FIXED32):
            raise ValueError(f"no field at byte {position}")
        length = _varint(file) if kind == _BYTES else {_FIXED64: 8, _FIXED32: 4}[kind]
        if file.tell() + length > size:
            raise ValueError(f"cut off within the field at byte {position}")
        if number == _METADATA_PROPS and kind == _BYTES:
            yield file.read(length)
        else:
            file.seek(length, 1)


def _entry(message: bytes) -> tuple[str, str]:
    """Return key and value of one of the metadata."""
    parts: dict[int, str] = {}
    file = io.BytesIO(message)
    while file.tell() < len(message):
        number = _varint(file) >> 3
        parts[number] = file.read(_varint(file)).decode()
    return parts.get(1, ""), parts.get(2, "")


def _varint(file: BinaryIO) -> int:
    """Read an integer of seven bits a byte, least significant first."""
    value = 0
    for index in range(_LONGEST_VARINT):
        byte = file.read(1)
        if not byte:
            raise ValueError("cut off within a number")
        value |= (byte[0] & 0x7F) << (7 * index)
        if byte[0] < 0x80:
            return value
    raise ValueError("no number where one must be")
