"""Where PyAV's pictures and a device's memory meet: all that depends on how FFmpeg uses the device."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import av
import av.codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.video.frame import CudaContext

from engine.device.base import Device, Event
from engine.device.cuda import CudaDevice
from engine.device.cuda_foreign import LEGACY_DEFAULT_STREAM
from engine.errors import InternalError
from engine.media.device.lending import DlpackDevice, LentPlane
from engine.media.layout import coded_format

READABLE = frozenset({"nv12", "p010le", "p016le"})
"""What NVDEC writes 4:2:0 film as, at 8, 10 and 12 bits; other subsamplings are left to the software decoders."""

_CUDA = "cuda"
_DLPACK_CUDA = 2
_ANY_DECODER = "h264"
_LARGEST_OFFSET = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Where a decoded picture lies on a device.

    address : of the first plane
    planes : of each, bytes from there to its first sample, and from row to row
    nbytes : from the first plane to the end of the last
    """

    address: int
    planes: tuple[tuple[int, int], ...]
    nbytes: int


class Border(ABC):
    """FFmpeg on one device.

    Attributes
    ----------
    device : it
    dlpack_device : how DLPack calls it
    """

    device: Device
    dlpack_device: DlpackDevice

    @abstractmethod
    def accelerator(self) -> HWAccel | None:
        """Return what a container is to be opened with, so that its decoders work on the device."""

    @abstractmethod
    def why_no_decoder(self) -> str | None:
        """Return why nothing at all can be decoded on the device; None: it can."""

    @abstractmethod
    def holds(self, picture: av.VideoFrame) -> bool:
        """Return whether a decoded picture lies on the device."""

    @abstractmethod
    def mark_decoded(self, event: Event) -> None:
        """Let `event` be the moment when all that FFmpeg has given the device so far is done."""

    @abstractmethod
    def encoder_picture(self, planes: Sequence[LentPlane], pix_fmt: str) -> av.VideoFrame:
        """Return a picture over luma and chroma on the device; they are lent until the last holder lets go."""

    def why_no_encoder(self, encoder: str) -> str | None:
        """Return why an encoder cannot be had whatever the film; None: opening it will show."""
        if encoder in av.codec.codecs_available:
            return None
        return f"this PyAV ({av.__version__}) has no encoder {encoder}"

    def surface(self, picture: av.VideoFrame) -> Surface:
        """Return where a picture of the device lies; it does so for as long as the picture is held."""
        luma, chroma = picture.planes[:2]
        if luma.__dlpack_device__() != self.dlpack_device:
            raise InternalError(f"a picture of device {luma.__dlpack_device__()} came to {self.dlpack_device}")
        offset = chroma.buffer_ptr - luma.buffer_ptr
        if not 0 < offset < _LARGEST_OFFSET:
            raise InternalError(f"a decoded picture's chroma lies {offset} bytes behind its luma")
        return Surface(
            address=luma.buffer_ptr,
            planes=((0, luma.line_size), (offset, chroma.line_size)),
            nbytes=offset + chroma.line_size * chroma.height,
        )

    def to_host(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Return a picture in the host's memory, everything else of it kept; the host waits for the copy."""
        if not self.holds(picture):
            return picture
        return picture.reformat(format=coded_format(picture))


class CudaBorder(Border):
    """FFmpeg with NVDEC and NVENC, in the primary context of a GPU.

    FFmpeg is told to take the context that is current, which is the primary one, made current by `CudaDevice` in every
    thread that gives it work. Asked for the primary context by that name, it refuses one that is active already with
    other scheduling flags than its own.

    Parameters
    ----------
    device : the GPU
    """

    def __init__(self, device: CudaDevice) -> None:
        self.device = device
        self.dlpack_device = (_DLPACK_CUDA, device.ordinal)
        # in which FFmpeg's CUDA context works unless it was given another
        self._ffmpegs_stream = device.adopt_stream(LEGACY_DEFAULT_STREAM)
        self._context = CudaContext(device_id=device.ordinal, primary_ctx=False, current_ctx=True)

    def accelerator(self) -> HWAccel:
        """Return NVDEC, with pictures left on the device; what it does not take, FFmpeg decodes itself."""
        self.device.enter()  # makes the context current in this thread, which opens the film next
        return HWAccel(
            _CUDA,
            device=str(self.device.ordinal),
            allow_software_fallback=True,
            options={"primary_ctx": "0", "current_ctx": "1"},
            is_hw_owned=True,
        )

    def why_no_decoder(self) -> str | None:
        """Make a decoder: a driver that is missing shows only there, and not as a fallback."""
        if _CUDA not in hwdevices_available():
            return f"this PyAV ({av.__version__}) is built without NVDEC, as its wheels for Arm are"
        try:
            av.CodecContext.create(_ANY_DECODER, "r", hwaccel=self.accelerator())
        except FFmpegError as error:
            return f"FFmpeg cannot open the GPU ({error.strerror})"
        return None

    def holds(self, picture: av.VideoFrame) -> bool:
        """Ask the picture's format."""
        return picture.format.name == _CUDA

    def mark_decoded(self, event: Event) -> None:
        """Record the event in FFmpeg's stream, from which ours, being non-blocking, are otherwise free.

        That stream is whatever context's is current, and FFmpeg leaves none behind.
        """
        self.device.enter()
        self._ffmpegs_stream.record(event)

    def encoder_picture(self, planes: Sequence[LentPlane], pix_fmt: str) -> av.VideoFrame:
        """Import by DLPack; NVENC reads the memory itself."""
        return av.VideoFrame.from_dlpack(tuple(planes), format=pix_fmt, cuda_context=self._context)


def border_of(device: Device | None) -> Border | None:
    """Return FFmpeg on a device; None where there is no device, or none that FFmpeg works on."""
    return CudaBorder(device) if isinstance(device, CudaDevice) else None
