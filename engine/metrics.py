"""What a long run is doing, for Prometheus: text at an address of this machine, while it runs.

The figures are those of `engine/timing.py`; durations are counted into buckets as they come, so that nothing is lost
between two scrapes. The format is Prometheus' text format 0.0.4
(https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

import socket
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from types import TracebackType

from engine.errors import ConfigError
from engine.media.losses import Losses
from engine.pipeline import Pipeline
from engine.timing import StageClock

BUCKETS_MS = (1, 2, 4, 8, 16, 33, 66, 100, 250)
"""Upper ends of the histograms' buckets, milliseconds: frame times from 1000 down to 4 a second."""

DELAY_BUCKETS_MS = (33, 66, 100, 250, 500, 1000, 2000, 4000, 8000)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LOOPBACK = "127.0.0.1"
PATH = "/metrics"


class Histogram:
    """Durations counted in buckets; one thread adds, any thread reads."""

    def __init__(self, ends_ms: tuple[int, ...]) -> None:
        self.ends_ms = ends_ms
        self._ends_ns = [end * 1_000_000 for end in ends_ms]
        self._counts = [0] * (len(ends_ms) + 1)
        self._total_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count a duration."""
        self._counts[bisect_left(self._ends_ns, duration_ns)] += 1
        self._total_ns += duration_ns

    def lines(self, name: str, labels: Mapping[str, str]) -> Iterator[str]:
        """Yield the histogram's samples, in seconds."""
        counts = list(accumulate(self._counts))
        for end, count in zip(self.ends_ms, counts, strict=False):
            yield sample(f"{name}_bucket", {**labels, "le": f"{end / 1000:g}"}, count)
        yield sample(f"{name}_bucket", {**labels, "le": "+Inf"}, counts[-1])
        yield sample(f"{name}_sum", labels, self._total_ns / 1e9)
        yield sample(f"{name}_count", labels, counts[-1])


class CountingClock(StageClock):
    """A stage's clock that counts durations into a histogram too.

    Attributes
    ----------
    latest_ns : the last duration that was counted
    """

    def __init__(self, clock: StageClock, histogram: Histogram) -> None:
        super().__init__(clock.name)
        self.threads = clock.threads
        self.latest_ns = 0
        self._histogram = histogram

    def add(self, duration_ns: int) -> None:
        """Count one frame put out after `duration_ns` of work."""
        super().add(duration_ns)
        self.latest_ns = duration_ns
        self._histogram.add(duration_ns)


@dataclass(slots=True)
class _Counts:
    """Counters; they never run backwards, over all films of a batch."""

    frames_in: int = 0
    frames_out: int = 0
    dropped: int = 0
    failed: dict[str, int] = field(default_factory=dict[str, int])

    def plus(self, other: "_Counts") -> "_Counts":
        stages = {**self.failed, **other.failed}
        return _Counts(
            frames_in=self.frames_in + other.frames_in,
            frames_out=self.frames_out + other.frames_out,
            dropped=self.dropped + other.dropped,
            failed={name: self.failed.get(name, 0) + other.failed.get(name, 0) for name in stages},
        )


class Metrics:
    """The figures of the films that one process restores, one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = _Counts()
        self._films = 0
        self._pipeline: Pipeline | None = None
        self._losses = Losses()
        self._stages: dict[str, Histogram] = {}
        self._delays = Histogram(DELAY_BUCKETS_MS)
        self._delay: CountingClock | None = None

    def watch(self, pipeline: Pipeline, losses: Losses) -> None:
        """Show a film's pipeline from now on; call when it is open and before it runs."""
        with self._lock:
            self._done = self._done.plus(self._now())
            for name, clock in pipeline.clock.stages.items():
                histogram = self._stages.setdefault(name, Histogram(BUCKETS_MS))
                pipeline.clock.stages[name] = CountingClock(clock, histogram)
            pipeline.clock.delays = self._delay = CountingClock(pipeline.clock.delays, self._delays)
            self._pipeline, self._losses = pipeline, losses
            self._films += 1

    def text(self) -> str:
        """Return all figures in Prometheus' text format."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _now(self) -> _Counts:
        if self._pipeline is None:
            return _Counts()
        progress = self._pipeline.progress()
        return _Counts(
            frames_in=progress.frames_in,
            frames_out=progress.frames_out,
            dropped=self._losses.missing_frames + self._losses.undecodable_packets,
            failed={stage.name: stage.failures.total for stage in self._pipeline.stages},
        )

    def _lines(self) -> Iterator[str]:
        counts = self._done.plus(self._now())
        yield from head("farshore_films_total", "counter", "Films begun.")
        yield sample("farshore_films_total", {}, self._films)
        for name, text, value in (
            ("farshore_frames_in_total", "Frames read.", counts.frames_in),
            ("farshore_frames_out_total", "Frames written.", counts.frames_out),
            ("farshore_frames_dropped_total", "Frames that the film lacks or that could not be read.", counts.dropped),
        ):
            yield from head(name, "counter", text)
            yield sample(name, {}, value)
        yield from head("farshore_frames_failed_total", "counter", "Frames that a stage passed through unchanged.")
        for stage, value in counts.failed.items():
            yield sample("farshore_frames_failed_total", {"stage": stage}, value)
        name = "farshore_stage_duration_seconds"
        yield from head(name, "histogram", "Work of a stage on a frame that it put out, without waiting in queues.")
        for stage, histogram in self._stages.items():
            yield from histogram.lines(name, {"stage": stage})
        yield from head("farshore_frame_delay_seconds", "histogram", "From reading a frame to its being written.")
        yield from self._delays.lines("farshore_frame_delay_seconds", {})
        yield from self._gauges()

    def _gauges(self) -> Iterator[str]:
        pipeline, delay = self._pipeline, self._delay
        if pipeline is None or delay is None:
            return
        yield from head("farshore_queue_frames", "gauge", "Frames that wait in front of a stage.")
        for stage, depth in pipeline.queue_depths().items():
            yield sample("farshore_queue_frames", {"stage": stage}, depth)
        yield from head("farshore_delay_seconds", "gauge", "Delay of the latest frame written.")
        yield sample("farshore_delay_seconds", {}, delay.latest_ns / 1e9)
        yield from head("farshore_stage_threads", "gauge", "Threads of a stage's model.")
        for stage, clock in pipeline.clock.stages.items():
            yield sample("farshore_stage_threads", {"stage": stage}, clock.threads)
        yield from head("farshore_run_seconds", "gauge", "Since the film's run began.")
        yield sample("farshore_run_seconds", {}, pipeline.progress().seconds)


def head(name: str, kind: str, text: str) -> Iterator[str]:
    """Yield the lines that stand before a metric's samples."""
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def sample(name: str, labels: Mapping[str, str], value: float) -> str:
    """Return one line: a metric, its labels, its value."""
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value!r}" if labels else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


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
