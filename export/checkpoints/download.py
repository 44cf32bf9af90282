"""Downloads that go on where they broke off.

What has come so far lies in ``FILE.part``, and the server's mark of the version (its ETag) in ``FILE.part.etag``: a
file that changed in the meantime is begun anew, never pieced together. Proxies come from the environment, as everywhere
in Python (``https_proxy``, ``no_proxy``).
"""

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from engine.errors import ModelError

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have come and the bytes in all (None: unknown)."""

BLOCK = 1 << 20
NOT_A_FILE = {
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"version https://git-lfs": "a pointer of git-lfs",
}
"""What a server may send in the place of the file, by how it begins."""


def download(
    url: str,
    path: Path,
    *,
    progress: Progress | None = None,
    timeout_seconds: float = 30.0,
    attempts: int = 4,
) -> None:
    """Bring a file, from where an earlier try broke off.

    Parameters
    ----------
    url : http or https; redirects are followed
    path : where it is to lie; appears when it is whole
    progress : told how far it is
    timeout_seconds : of silence
    attempts : how often a broken connection is taken up again

    Raises
    ------
    ModelError
        The server refuses, cannot be reached, or sends something else; what came so far is kept.
    """
    if not url.startswith(("http://", "https://")):
        raise ModelError(f"address {url}: only http and https are fetched; bring the file yourself and import it")
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    cause: Exception | None = None
    for _ in range(attempts):
        try:
            if _continue(url, part, progress, timeout_seconds):
                break
        except urllib.error.HTTPError as error:
            error.close()
            raise ModelError(f"address {url}: the server answers {error.code} {error.reason}; try a mirror") from error
        except (OSError, http.client.HTTPException) as error:
            cause = error
    else:
        reason = getattr(cause, "reason", cause) or "the connection broke off"
        raise ModelError(f"address {url}: {reason}; what came is kept, run it again") from cause
    _refuse_what_is_no_file(url, part)
    os.replace(part, path)
    _etag_path(part).unlink(missing_ok=True)


def _continue(url: str, part: Path, progress: Progress | None, timeout_seconds: float) -> bool:
    """Fetch what is missing; whether the file is whole now."""
    have = part.stat().st_size if part.exists() else 0
    etag = _etag_path(part).read_text(encoding="utf-8") if have and _etag_path(part).exists() else ""
    headers = {"User-Agent": "farshore", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if etag:
            headers["If-Range"] = etag
    try:
        opener = urllib.request.build_opener()  # reads the proxies of today's environment
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=timeout_seconds)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        error.close()
        part.unlink()
        return False
    with response:
        continued = response.status == http.client.PARTIAL_CONTENT
        have = have if continued else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        _etag_path(part).write_text(response.headers.get("ETag") or "", encoding="utf-8")
        with part.open("ab" if continued else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                have += len(block)
                if progress is not None:
                    progress(have, total)
    return total is None or have >= total


def _refuse_what_is_no_file(url: str, part: Path) -> None:
    with part.open("rb") as file:
        start = file.read(64).lstrip().lower()
    for beginning, what in NOT_A_FILE.items():
        if start.startswith(beginning):
            part.unlink()
            raise ModelError(f"address {url}: leads to {what}, not to the file; open it in a browser, then import")


def _etag_path(part: Path) -> Path:
    return part.with_name(part.name + ".etag")
