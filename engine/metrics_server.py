"""Serves what a run is doing at an address of this machine, while it runs; `engine/metrics.py` says what."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from engine.errors import ConfigError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LOOPBACK = "127.0.0.1"

PATH = "/metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where metrics are served; port 0 is any that is free."""

    host: str = LOOPBACK
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `PORT` or `HOST:PORT`; an IPv6 host stands in brackets. Without a host: this machine alone.

        Raises
        ------
        ConfigError
            It is neither.
        """
        host, _, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            port = ""
        if not (port.isascii() and port.isdigit() and int(port) <= 65535) or (not host and ":" in text):
            raise ConfigError(f"--metrics: got {text!r}; wanted PORT or HOST:PORT, such as 9464 or 0.0.0.0:9464")
        return cls(host=host or LOOPBACK, port=int(port))

    @property
    def url(self) -> str:
        """For a browser or Prometheus."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{PATH}"


class MetricsServer:
    """Serves metrics from a thread of its own, from when it is made until it is closed.

    Parameters
    ----------
    address : where; loopback unless somebody asked for more
    text : gives what is served, called from the server's threads

    Attributes
    ----------
    address : with the port that was taken

    Raises
    ------
    ConfigError
        The address cannot be taken.
    """

    def __init__(self, address: Address, text: Callable[[], str]) -> None:
        handler = type("_Handler", (_Handler,), {"text": staticmethod(text)})
        server = _ServerOfSix if ":" in address.host else _Server
        try:
            self._server = server((address.host, address.port), handler)
        except OSError as error:
            raise ConfigError(
                f"--metrics {address.host}:{address.port}: cannot be served there ({error.strerror or error}); "
                "choose another port, or leave it out"
            ) from error
        self.address = Address(host=address.host, port=self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "MetricsServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True  # of ports that nobody listens on any more; one in use stays refused
    daemon_threads = True
    block_on_close = False


class _ServerOfSix(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of the one path that there is."""

    protocol_version = "HTTP/1.0"
    timeout = 5
    text: Callable[[], str]

    def do_GET(self) -> None:
        """Answer with the figures."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without the figures."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        is_known = self.path.partition("?")[0] in (PATH, "/")
        body = (self.text() if is_known else f"metrics are at {PATH}\n").encode()
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Type", CONTENT_TYPE if is_known else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep stderr for the run's own lines."""
