import copy
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from bench.latency import run
from bench.latency.case import Case, cases, parse_size
from bench.latency.film import write_film
from bench.latency.html import report
from bench.latency.schema import SCHEMA, faults, read_result
from bench.latency.worker import peak_memory
from engine.cli.main import main
from engine.errors import ConfigError
from tests.bench.latency.result_files import made_result
from tests.support.chrome_trace import check_trace

SIZE = "96x64"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `farshore bench chain` wrote of two cases, run twice, and `stages` of one."""
    folder = tmp_path_factory.mktemp("bench")
    quick = ["--seconds", "0.5", "--warm-up", "0.1", "--quiet", "--threads", "1"]
    out = ["--json", str(folder / "chain.json"), "--html", str(folder / "chain.html")]
    grid = ["--backend", "null", "--size", SIZE, "--size", "64x64", "--repeat", "2"]
    assert main(["bench", "chain", *grid, *quick, *out, "--trace", str(folder / "trace.json")]) == 0
    single = ["--backend", "onnxruntime", "--size", SIZE, "--repeat", "1", "--rate", "24000/1001"]
    assert main(["bench", "stages", *single, *quick, "--json", str(folder / "stages.json")]) == 0
    return folder


def test_the_json_is_as_the_schema_says(measured: Path) -> None:
    found = read_result(measured / "chain.json")
    assert not list(faults(found))
    assert [len(case["runs"]) for case in found["cases"]] == [2, 2]
    assert [case["case"]["width"] for case in found["cases"]] == [96, 64]
    assert all(len(case["models"]) == 3 for case in found["cases"])
    first = found["cases"][0]["runs"][0]
    assert [stage["stage"] for stage in first["stages"]] == [
        "decode", "inspect", "enhance", "interpolate", "colorize", "encode",
    ]  # fmt: skip
    assert first["peak_memory_bytes"] > 50 * 2**20
    assert 0 < first["efficiency"] <= 1
    assert first["rate_out"] == 48
    assert first["fps_in"] == pytest.approx(first["fps_out"] / 2)
    budgets = [stage["budget_ms"] for stage in first["stages"]]
    assert budgets == pytest.approx([1000 / 24] * 3 + [1000 / 48] * 3)


def test_work_and_waiting_fill_the_time_of_every_stage(measured: Path) -> None:
    for case in read_result(measured / "chain.json")["cases"]:
        for stage in (stage for each in case["runs"] for stage in each["stages"]):
            shares = [stage[share] or 0 for share in ("busy", "starved", "blocked")]
            assert sum(shares) == pytest.approx(1, abs=0.05), stage


def test_stages_by_themselves_tell_models_and_their_work(measured: Path) -> None:
    found = read_result(measured / "stages.json")
    (case,) = found["cases"]
    assert case["runs"][0]["efficiency"] is None
    assert {cost["stage"] for cost in case["costs"]} == {"enhance", "interpolate", "colorize"}
    assert all(cost["gflop"] > 0.01 for cost in case["costs"])
    assert case["runs"][0]["rate_in"] == pytest.approx(24000 / 1001)
    assert {item["kind"] for item in case["timeline"]} == {"work", "model"}
    assert found["head"]["roofs"][0]["gflops"] > 1


def test_the_trace_of_a_bench_is_consistent(measured: Path) -> None:
    seen = check_trace(json.loads((measured / "trace.json").read_text()))
    assert seen.lanes[0] == "decode"
    assert set(seen.models) == {"enhance", "interpolate", "colorize"}
    assert min(seen.arrows.values()) > 5


def test_the_report_needs_nothing_from_outside(measured: Path) -> None:
    page = (measured / "chain.html").read_text()
    assert page.count("<svg") == 6
    assert page.count("<h2>") == 2
    assert not [word for word in ("http", "src=", "@import", "url(", "<script", "<link") if word in page]
    assert "prefers-color-scheme: dark" in page
    stages = report(read_result(measured / "stages.json"))
    assert stages.count("<svg") == 3
    assert "film-restore" in stages


def test_figures_are_shown_to_people(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bench.latency.commands import _print

    _print(read_result(measured / "stages.json"))
    text = capsys.readouterr().out
    assert "commit" in text
    assert "sha256" in text
    assert "budget ms" in text
    assert "GFLOP/s" in text


def test_runs_are_added_to_those_of_the_same_build() -> None:
    earlier, later = made_result(1, runs=2), made_result(2, runs=3)
    assert len(run.append(earlier, later)["cases"][0]["runs"]) == 5
    assert len(earlier["cases"][0]["runs"]) == 2
    later["head"]["commit"] = "0" * 40
    with pytest.raises(ConfigError, match="another build"):
        run.append(earlier, later)


def test_the_schema_finds_what_is_wrong() -> None:
    good = made_result(1, runs=2)
    assert not list(faults(good))
    for place, value, said in (
        (("schema",), "other", "schema is 'other'"),
        (("cases",), [], "cases has 0 items"),
        (("cases", 0, "runs", 0, "fps_out"), "fast", "fps_out is a str"),
        (("cases", 0, "runs", 1, "stages", 0, "median_ms"), -1, "median_ms is -1"),
        (("head", "machine", "cores"), None, "cores is a NoneType"),
    ):
        bad = copy.deepcopy(good)
        inner = bad
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        assert any(said in fault for fault in faults(bad)), said
    assert SCHEMA["title"] == "farshore.bench.latency/2"


def test_a_film_is_drawn_at_any_size_and_length(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", width=80, height=64, rate=Fraction(25), frames=100)
    with av.open(str(tmp_path / "film.mp4")) as container:
        stream = container.streams.video[0]
        times = [picture.time for picture in container.decode(stream)]
        assert (stream.width, stream.height, stream.average_rate) == (80, 64, 25)
    assert len(times) == 152
    assert times == pytest.approx([number / 25 for number in range(152)])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["film.mp4"]


def test_cases_are_every_combination() -> None:
    made = cases(
        "chain", sizes=["640x480", "64×64"], precisions=["fp32"], backends=["null", "onnxruntime"], seconds=1.0
    )
    assert [case.label for case in made] == [
        "640x480 fp32 null", "640x480 fp32 onnxruntime", "64x64 fp32 null", "64x64 fp32 onnxruntime",
    ]  # fmt: skip
    assert Case.from_json(made[0].to_json()) == made[0]
    assert made[0].film_rate == 24
    assert Case(kind="chain", rate="23.976").film_rate == Fraction(24000, 1001)
    assert parse_size("1280X720") == (1280, 720)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--size", "big"], "wanted WIDTHxHEIGHT"),
        (["--size", "63x64"], "wanted even numbers"),
        (["--precision", "fp64"], "wanted one of fp32, fp16, int8"),
        (["--backend", "abacus"], "backend: got 'abacus'"),
        (["--models", "no-such-model"], "not built in"),
        (["--seconds", "0"], "wanted 0.1 to 3600"),
        (["--repeat", "0"], "wanted 1 or more"),
        (["--rate", "fast"], "wanted a rate"),
        (["--json", "none/x.json"], "no such folder"),
        (["--append"], "wanted --json FILE"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "chain", *options]) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("farshore: ")
    assert error.count("\n") == 1


def test_a_run_that_fails_says_why(tmp_path: Path) -> None:
    order = {"case": Case(kind="chain").to_json(), "film": str(tmp_path / "none.mp4"), "details": True, "trace": None}
    with pytest.raises(Exception, match="640x480 fp32 onnxruntime: .*none.mp4"):
        run._carry_out(order)


def test_the_peak_is_of_this_process_alone() -> None:
    program = "from bench.latency.worker import peak_memory; print(peak_memory())"
    big = bytearray(300 * 2**20)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert peak_memory() > len(big)
    assert int(done.stdout) < 250 * 2**20
