"""Which encoder writes a film: the device's, or in the open the processor's."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import av.error
from av.error import FFmpegError

from engine.errors import ConfigError, EncodeError
from engine.media.codec_table import DEVICE_CODECS, VideoCodec
from engine.media.codecs import Encoding, encoding_for
from engine.media.device.border import Border
from engine.media.device.pictures import DevicePictures
from engine.media.layout import bit_depth_of
from engine.settings import OutputSettings
from engine.types import FrameSpec

CURE = "leave --encoder out, or give --encoder software"

_REASONS: Mapping[type[Exception], str] = {
    av.error.MemoryError: "its encoding sessions are all in use, or its memory is; end other programs that encode",
    av.error.NotImplementedError: "this GPU does not code such pictures, or its driver is too old for FFmpeg",
    av.error.ArgumentError: "this GPU does not code such pictures",
    av.error.PermissionError: "the driver cannot be loaded, or allows no encoding; check it with nvidia-smi",
    av.error.BlockingIOError: "it is busy; end other programs that encode",
    av.error.FileNotFoundError: "this GPU has none",
}
"""What NVENC's refusals mean, as FFmpeg passes them on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderChoice:
    """Where a film is to be coded.

    border : FFmpeg on the device, where that is to encode
    codec : the device's; None where the processor's encodes all the same
    notice : why it is not the device although there is one; None: nothing to be said
    """

    border: Border | None = None
    codec: VideoCodec | None = None
    notice: str | None = None


def choose_encoder(settings: OutputSettings, border: Border | None, codec: str | None) -> EncoderChoice:
    """Decide before a film's frames are known.

    Parameters
    ----------
    settings : `encoder`
    border : FFmpeg on the device that the chain runs on; None where it runs on the processor
    codec : name of the codec; None for what is no film file

    Raises
    ------
    ConfigError
        The device's encoder is asked for and there is no device, or none for this codec.
    EncodeError
        It is asked for and FFmpeg lacks it.
    """
    is_forced = settings.encoder == "device"
    if settings.encoder == "software" or (border is None and not is_forced):
        return EncoderChoice()
    if border is None:
        raise ConfigError(
            f"encoder: got device, but the chain runs on the processor; give --backend tensorrt or cuda, or {CURE}"
        )
    found = None if codec is None else DEVICE_CODECS.get(codec)
    if found is None:
        if is_forced:
            what = "pictures" if codec is None else codec
            raise ConfigError(f"encoder: got device for {what}; NVENC codes {', '.join(DEVICE_CODECS)}; {CURE}")
        return EncoderChoice()
    why = border.why_no_encoder(found.encoder)
    if why is None:
        return EncoderChoice(border=border, codec=found)
    if is_forced:
        raise EncodeError(f"encoder: got device, but {why}; {CURE}")
    return EncoderChoice(notice=_notice(why))


def open_device_encoder(
    choice: EncoderChoice, settings: OutputSettings, spec: FrameSpec, target: Path
) -> tuple[Encoding, DevicePictures] | str:
    """Try the device's encoder on what it will be given; return how it codes and its pictures, or why it does not.

    How many sessions a GPU allows, and which of depth, size and B-frames it has, only an encoder that is opened shows.
    Where B-frames are refused, it goes without.

    Raises
    ------
    EncodeError
        It refuses, and it was asked for.
    """
    assert choice.border is not None
    assert choice.codec is not None
    encoding = encoding_for(choice.codec, settings, spec)
    pictures = DevicePictures(choice.border, encoding.picture, spec)
    refusal: FFmpegError | None = None
    for tried in (encoding, replace(encoding, options={**encoding.options, "bf": "0"})):
        try:
            tried.try_encoder(pictures.blank())
        except (av.error.NotImplementedError, av.error.ArgumentError) as error:
            refusal = error
        except FFmpegError as error:
            refusal = error
            break
        else:
            return tried, pictures
    assert refusal is not None
    coded = encoding.picture
    size = f"{coded.width}x{coded.height} at {bit_depth_of(coded.pix_fmt)} bits"
    said = refusal.strerror or type(refusal).__name__
    why = f"NVENC refuses {choice.codec.name} of {size} ({said}): {_REASONS.get(type(refusal), 'see nvidia-smi')}"
    if settings.encoder == "device":
        raise EncodeError(f"{target}: cannot be coded on the GPU: {why}; or {CURE}") from refusal
    return _notice(why)


def _notice(why: str) -> str:
    return f"encoder: the processor codes this film, since {why}"
