import re
import threading
from collections.abc import Iterator

from engine.frame import Frame
from engine.media.losses import Losses
from engine.metrics import BUCKETS_MS, Histogram, Metrics, sample
from engine.metrics_server import CONTENT_TYPE, Address, MetricsServer
from engine.pipeline import Pipeline
from tests.engine.test_metrics_server import fetch
from tests.support.frames import Collector, Delay, ListReader

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"

LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')

SAMPLE = re.compile(rf"({NAME})(?:\{{([^}}]*)\}})? (-?[0-9.]+(?:e-?[0-9]+)?|\+Inf)")


def parse(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Read Prometheus' text format 0.0.4, strictly; metric → labels → value."""
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    current = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in helped, f"{current} stands in two places"
            helped.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            assert kind in ("counter", "gauge", "histogram")
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match is not None, line
            name, inside, value = match[1], match[2] or "", float(match[3])
            base = re.sub(r"_(bucket|sum|count)$", "", name) if kinds.get(current) == "histogram" else name
            assert base == current, f"{name} stands under {current}"
            labels = tuple(LABEL.findall(inside))
            assert "".join(f'{key}="{text}",' for key, text in labels).rstrip(",") == inside
            assert labels not in found.setdefault(name, {}), line
            found[name][labels] = value
    for name, kind in kinds.items():
        if kind == "histogram":
            check_histogram(name, found)
        if kind == "counter":
            assert name.endswith("_total")
    return found


def check_histogram(name: str, found: dict[str, dict[tuple[tuple[str, str], ...], float]]) -> None:
    """Check that buckets rise to the count, by labels."""
    by_labels: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for labels, value in found.get(f"{name}_bucket", {}).items():
        end = dict(labels)["le"]
        by_labels.setdefault(tuple(pair for pair in labels if pair[0] != "le"), []).append((float(end), value))
    for labels, buckets in by_labels.items():
        assert buckets == sorted(buckets)
        assert [value for _, value in buckets] == sorted(value for _, value in buckets)
        assert buckets[-1] == (float("inf"), found[f"{name}_count"][labels])
        assert labels in found[f"{name}_sum"]


class Waits(Delay):
    """A stage that holds the chain at one frame until a test has looked."""

    def __init__(self, at: int) -> None:
        super().__init__("enhance")
        self.at, self.reached, self.may_go = at, threading.Event(), threading.Event()

    def push(self, frame: Frame) -> Iterator[Frame]:
        if frame.index == self.at:
            self.reached.set()
            assert self.may_go.wait(10)
        yield from super().push(frame)


def test_a_run_is_scraped_while_it_lasts_and_the_text_is_strictly_right() -> None:
    stage, metrics = Waits(at=20), Metrics()
    pipeline = Pipeline(ListReader(50), [stage], Collector(), queue_frames=3)
    pipeline.open()
    metrics.watch(pipeline, Losses(missing_frames=2, undecodable_packets=1))
    runner = threading.Thread(target=lambda: pipeline.run(interval=0.01))
    with MetricsServer(Address(), metrics.text) as server:
        runner.start()
        assert stage.reached.wait(10)
        while pipeline.queue_depths()["enhance"] < 3:
            pass
        text, kind = fetch(server.address.url)
        during = parse(text)
        stage.may_go.set()
        runner.join()
        after = parse(fetch(server.address.url)[0])
    assert kind == CONTENT_TYPE
    assert 21 <= during["farshore_frames_in_total"][()] <= 25
    assert during["farshore_frames_out_total"][()] <= 20
    assert during["farshore_queue_frames"][("stage", "enhance"),] == 3
    assert during["farshore_frames_dropped_total"][()] == 3
    assert (after["farshore_frames_in_total"][()], after["farshore_frames_out_total"][()]) == (50, 50)
    assert after["farshore_queue_frames"] == {(("stage", "enhance"),): 0, (("stage", "encode"),): 0}
    counts = after["farshore_stage_duration_seconds_count"]
    assert counts == {(("stage", name),): 50 for name in ("decode", "enhance", "encode")}
    ends = {dict(labels)["le"] for labels in after["farshore_stage_duration_seconds_bucket"]}
    assert ends == {"+Inf", *(f"{end / 1000:g}" for end in BUCKETS_MS)}


def test_the_latency_table_is_as_without_metrics() -> None:
    pipeline = Pipeline(ListReader(40), [Delay("enhance")], Collector())
    pipeline.open()
    Metrics().watch(pipeline, Losses())
    report = pipeline.run(interval=0.01)
    assert [row.frames for row in report.latency.stages] == [40, 40, 40]
    assert report.latency.delay_ms > 0 or report.latency.stages[0].total_seconds >= 0


def test_counters_go_on_over_several_films() -> None:
    metrics = Metrics()
    for count in (10, 15):
        pipeline = Pipeline(ListReader(count), [Delay("enhance")], Collector())
        pipeline.open()
        metrics.watch(pipeline, Losses(missing_frames=1))
        pipeline.run(interval=0.01)
    found = parse(metrics.text())
    assert found["farshore_films_total"][()] == 2
    assert found["farshore_frames_out_total"][()] == 25
    assert found["farshore_frames_dropped_total"][()] == 2
    assert found["farshore_stage_duration_seconds_count"][("stage", "enhance"),] == 25


def test_before_the_first_film_everything_is_zero() -> None:
    assert parse(Metrics().text())["farshore_frames_in_total"][()] == 0


def test_a_bucket_holds_what_is_as_long_as_its_end_or_shorter() -> None:
    histogram = Histogram((1, 4))
    for nanoseconds in (0, 1_000_000, 1_000_001, 4_000_000, 9_000_000):
        histogram.add(nanoseconds)
    assert list(histogram.lines("x", {})) == [
        'x_bucket{le="0.001"} 2',
        'x_bucket{le="0.004"} 4',
        'x_bucket{le="+Inf"} 5',
        "x_sum 0.015000001",
        "x_count 5",
    ]


def test_labels_are_escaped() -> None:
    assert sample("x", {"stage": 'a"b\\c\nd'}, 1) == 'x{stage="a\\"b\\\\c\\nd"} 1'
