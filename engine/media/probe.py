"""Say what is in a film file, decoding one picture of it."""

from engine.media.film_info import FilmInfo
from engine.media.opening import Source
from engine.media.reader import FilmReader

__all__ = ["FilmInfo", "probe"]


def probe(source: Source) -> FilmInfo:
    """Return what a film file, stream or image sequence says of itself; rotation and the like from its first picture.

    Raises
    ------
    DecodeError
        It cannot be opened as a film.
    """
    with FilmReader(source, threads=1) as reader:
        return reader.info
