"""Which decoder reads a film: the device's, a Jetson's, or in the open the processor's."""

from dataclasses import dataclass

import av

from engine.errors import ConfigError, DecodeError
from engine.media.device.border import READABLE, Border
from engine.media.device.jetson import why_no_jetson
from engine.media.layout import coded_format
from engine.settings import InputSettings

CURE = "leave --decoder out, or give --decoder software"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderChoice:
    """Where a film is to be decoded.

    border : FFmpeg on the device; None: on the processor
    by_jetson : by a Jetson's decoder, whose pictures lie on the host
    notice : why it is not the device although there is one; None: nothing to be said
    """

    border: Border | None = None
    by_jetson: bool = False
    notice: str | None = None


def choose_decoder(settings: InputSettings, border: Border | None, name: str, *, is_sequence: bool) -> DecoderChoice:
    """Decide before a film is opened.

    Parameters
    ----------
    settings : `decoder`
    border : FFmpeg on the device that the chain runs on; None where it runs on the processor
    name : of the film, for messages
    is_sequence : whether it is pictures

    Raises
    ------
    ConfigError
        The device's decoder is asked for and there is no device, or only pictures.
    DecodeError
        It is asked for and cannot be had on this machine.
    """
    is_forced = settings.decoder == "device"
    if settings.decoder == "software" or (border is None and not is_forced):
        return DecoderChoice()
    if border is None:
        raise ConfigError(
            f"decoder: got device, but the chain runs on the processor; give --backend tensorrt or cuda, or {CURE}"
        )
    if is_sequence:
        if is_forced:
            raise ConfigError(f"decoder: got device for pictures; it decodes films; {CURE}")
        return DecoderChoice()
    why = border.why_no_decoder()
    if why is None:
        return DecoderChoice(border=border)
    why_no_other = why_no_jetson()
    if why_no_other is None:
        return DecoderChoice(by_jetson=True)
    if is_forced:
        raise DecodeError(
            f"{name}: cannot be decoded on the GPU: {why}, and {why_no_other}; check it with nvidia-smi, or {CURE}"
        )
    return DecoderChoice(notice=_notice(why))


def why_not_there(first: av.VideoFrame, codec: str, border: Border) -> str | None:
    """Return why a film whose first picture is this one is not decoded on the device, None where it is."""
    if not av.Codec(codec, "r").hardware_configs:
        return f"FFmpeg's decoder {codec} does not work on GPUs"
    if not border.holds(first):
        return f"NVDEC takes no {codec} of {first.format.name}, {first.width}x{first.height}, on this GPU"
    if coded_format(first) not in READABLE:
        return f"its pictures are {coded_format(first)}; the GPU's are read as 4:2:0"
    return None


def software_instead(settings: InputSettings, why: str, name: str) -> str:
    """Return the notice that the processor decodes.

    Raises
    ------
    DecodeError
        The device's decoder was asked for.
    """
    if settings.decoder == "device":
        raise DecodeError(f"{name}: cannot be decoded on the GPU: {why}; {CURE}")
    return _notice(why)


def _notice(why: str) -> str:
    return f"decoder: the processor decodes this film, since {why}"
