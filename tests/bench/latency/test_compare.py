import json
from pathlib import Path

import numpy as np
import pytest

from bench.latency.compare import compare
from bench.latency.student import upper_quantile, welch
from engine.cli.main import main
from engine.errors import ConfigError
from tests.bench.latency.result_files import made_result


def slower(before: int, after: int, factor: float) -> list[str]:
    changes = compare(made_result(before), made_result(after, slower=factor))
    return [change.what for change in changes if change.verdict == "slower"]


def test_identical_builds_stay_silent_in_twenty_runs() -> None:
    assert [slower(seed, 1000 + seed, 1.0) for seed in range(20)] == [[]] * 20


def test_a_planted_slow_down_of_five_percent_is_found_in_twenty_runs() -> None:
    for seed in range(20):
        found = slower(seed, 1000 + seed, 1.05)
        assert {"ms a frame", "timed mean"} <= set(found), seed
        assert not {"decode mean", "encode mean"} & set(found), "only the stage that became slower"


def test_a_gain_is_no_regression() -> None:
    changes = compare(made_result(1, slower=1.1), made_result(2))
    verdicts = {change.what: change.verdict for change in changes}
    assert verdicts["timed mean"] == "faster"
    assert "slower" not in verdicts.values()


def test_what_is_told_of_a_change() -> None:
    changes = {change.what: change for change in compare(made_result(1), made_result(2, slower=1.2))}
    change = changes["timed mean"]
    assert change.before == pytest.approx(10, rel=0.03)
    assert change.after == pytest.approx(12, rel=0.03)
    assert change.low < 0.2 < change.high
    assert change.case == "640x480 fp32 onnxruntime"


def test_a_small_slow_down_is_not_told_however_sure() -> None:
    before, after = made_result(1, runs=40), made_result(2, runs=40, slower=1.015)
    assert not [change for change in compare(before, after) if change.verdict == "slower"]
    found = compare(before, after, smallest=0.005)
    assert [change.what for change in found if change.verdict == "slower"]


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ConfigError, match="single run"):
        compare(made_result(1, runs=1), made_result(2))
    other = made_result(2)
    other["cases"][0]["case"]["width"] = 320
    with pytest.raises(ConfigError, match="share no case"):
        compare(made_result(1), other)
    with pytest.raises(ConfigError, match="two of a kind"):
        compare(made_result(1), made_result(2) | {"kind": "chain"})


def test_the_exit_code_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed, factor in (("a", 1, 1.0), ("b", 2, 1.0), ("c", 3, 1.05)):
        (tmp_path / f"{name}.json").write_text(json.dumps(made_result(seed, slower=factor)))
    a, b, c = (str(tmp_path / f"{name}.json") for name in "abc")
    assert main(["bench", "compare", a, b]) == 0
    assert "nothing was shown to be slower" in capsys.readouterr().out
    assert main(["bench", "compare", a, c]) == 1
    assert "timed mean" in capsys.readouterr().out.splitlines()[-1]
    assert main(["bench", "compare", a, c, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["slower"] >= 2
    (tmp_path / "d.json").write_text('{"schema": "other"}')
    assert main(["bench", "compare", a, str(tmp_path / "d.json")]) == 2
    assert "d.json: the file lacks 'kind'; wanted farshore.bench.latency/2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tail", "freedom", "value"),
    [(0.05, 1, 6.3138), (0.025, 5, 2.5706), (0.005, 10, 3.1693), (0.0005, 10, 4.5869), (0.025, 200, 1.9719)],
)
def test_quantiles_of_student_are_those_of_the_tables(tail: float, freedom: float, value: float) -> None:
    assert upper_quantile(tail, freedom) == pytest.approx(value, rel=1e-3)


def test_welchs_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(600):
        first, second = rng.normal(0, 1, 4), rng.normal(0.5, 3, 7)
        _, low, high = welch(list(first), list(second), 0.05)
        missed += not low < 0.5 < high
    assert missed / 600 == pytest.approx(0.1, abs=0.04)
