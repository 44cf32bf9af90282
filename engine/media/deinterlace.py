"""Make progressive pictures of interlaced ones, with FFmpeg's bwdif."""

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.filter import Graph

from engine.media.exact import exact
from engine.settings import InputSettings

_NONE_READY = (av.error.BlockingIOError, av.error.EOFError)


class Deinterlacer:
    """Passes pictures on, the interlaced ones deinterlaced; the order of fields comes from the pictures' own flags.

    With `auto` nothing is touched until a picture is flagged interlaced; from there on flagged pictures are
    deinterlaced and the others passed as they are, so films that mix both come out right. Times keep their meaning:
    pictures carry the time base that fits them (halved where the filter has run).

    A film comes out at field rate where that is asked and its first picture is interlaced; its progressive pictures are
    then shown twice, so that the rate stays even. A film that begins progressive keeps its rate throughout.

    Parameters
    ----------
    settings : `deinterlace`, `field_rate`
    first : the film's first picture

    Attributes
    ----------
    doubles_rate : whether the film comes out at field rate
    """

    def __init__(self, settings: InputSettings, first: av.VideoFrame) -> None:
        self._wanted = settings.deinterlace
        self.doubles_rate = settings.field_rate and self.applies(first)
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._progressive: set[int] = set()

    def push(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Take a picture; yield those that are ready. Each is to be used before the next is asked for."""
        shape = picture.width, picture.height, picture.format.name
        if self._graph is None:
            if not self.applies(picture):
                yield picture
                return
            self._open(picture, shape)
        elif shape != self._shape:
            yield from self.flush()
            yield from self.push(picture)
            return
        if self.doubles_rate and not self.applies(picture) and picture.pts is not None:
            self._progressive.add(2 * picture.pts)
        yield from self._through(picture)

    def takes(self, picture: av.VideoFrame) -> bool:
        """Return whether a picture will go through the filter, rather than be passed on as it is."""
        return self._graph is not None or self.applies(picture)

    def flush(self) -> Iterator[av.VideoFrame]:
        """Yield what is held back; the next picture begins anew."""
        if self._graph is not None:
            yield from self._through(None)
            self._graph = None

    def applies(self, picture: av.VideoFrame) -> bool:
        """Return whether a picture is to be deinterlaced."""
        return self._wanted == "always" or (self._wanted == "auto" and picture.interlaced_frame)

    def _open(self, picture: av.VideoFrame, shape: tuple[int, int, str]) -> None:
        graph = Graph()
        graph.threads = 1
        base = exact(picture.time_base) or Fraction(1, 25)
        source = graph.add(
            "buffer",
            f"video_size={shape[0]}x{shape[1]}:pix_fmt={shape[2]}:time_base={base}:pixel_aspect=1/1"
            f":colorspace={picture.colorspace}:range={picture.color_range}",
        )
        mode = "send_field" if self.doubles_rate else "send_frame"
        which = "all" if self._wanted == "always" else "interlaced"
        graph.link_nodes(source, graph.add("bwdif", f"mode={mode}:deint={which}"), graph.add("buffersink"))
        graph.configure()
        self._graph, self._shape = graph, shape

    def _through(self, picture: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        assert self._graph is not None
        self._graph.vpush(picture)
        while True:
            try:
                ready = self._graph.vpull()
            except _NONE_READY:
                return
            yield ready
            if ready.pts in self._progressive:
                self._progressive.discard(ready.pts)
                yield from _second_half(ready)


def _second_half(picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
    """Yield a picture again, at the middle of its duration."""
    if picture.pts is not None and picture.duration > 1:
        picture.duration //= 2
        picture.pts += picture.duration
        yield picture
