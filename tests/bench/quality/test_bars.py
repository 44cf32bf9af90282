import pytest

from bench.quality.bars import Bar, bars
from bench.quality.result import Row, Section


def by_name(section: Section) -> dict[str, Bar]:
    return {bar.what: bar for bar in bars(section)}


def restored(damage: str, given: float, classical: float, ours: float, int8: float, *, warping: float = 5) -> Row:
    return Row(
        case={"kind": "clip", "name": "x", "damage": damage},
        scores={
            "input": {"psnr": given, "warping": 10.0},
            "classical": {"psnr": classical},
            "us": {"psnr": ours, "warping": warping, "ms": 50.0},
            "us-int8": {"psnr": int8, "ms": 20.0},
        },
    )


def test_means_and_worst_cases_are_judged_as_the_bar_says() -> None:
    rows = [
        restored("medium", 30, 32, 36, 36),
        restored("medium", 30, 31, 34.5, 34.4),
        restored("light", 40, 39, 45, 45),
        restored("light", 40, 39, 39.9, 39.9, warping=11),
        restored("clean", 100, 0, 37, 50),
    ]
    found = by_name(Section(name="restore", models=["us", "us-int8"], rows=rows))
    gained = found["medium: PSNR over the input"]
    assert (gained.mean, gained.worst, gained.is_cleared) == (5.25, 4.5, True)
    assert found["medium: PSNR over the best chain"].mean == 3.75
    light = found["light: PSNR over the input"]
    assert (light.worst, light.is_cleared) == (pytest.approx(-0.1), False)
    steady = found["warping error ÷ input's"]
    assert (steady.worst, steady.is_cleared) == (1.1, False)
    assert found["clean film: PSNR"].is_cleared is False
    assert found["heavy: PSNR over the input"].is_cleared is None
    assert found["us-int8: PSNR − us's"].is_cleared is True
    assert found["us-int8: PSNR − us's"].mean == pytest.approx(-0.025)
    assert found["us-int8: speed ÷ us's"].mean == 2.5


def moment(name: str, t: float, blend: float, dis: float, aware: float, ours: float) -> Row:
    scores = {"blend": blend, "dis": dis, "dis_occlusion": aware, "minterpolate": blend, "us": ours}
    return Row(
        case={"name": name, "gap": 4, "t": t},
        scores={label: {"psnr_moving": value, "psnr_still": None, "psnr": value} for label, value in scores.items()},
    )


def test_the_better_of_the_flow_opponents_counts_clip_by_clip() -> None:
    rows = [moment("a", 0.25, 20, 30, 25, 31), moment("a", 0.5, 20, 30, 25, 31), moment("b", 0.75, 20, 25, 30, 29)]
    found = by_name(Section(name="interpolate", models=["us"], rows=rows))
    over_dis = found["where things move: PSNR over DIS warping, the better of two"]
    assert (over_dis.mean, over_dis.worst, over_dis.is_cleared) == (0, -1, False)
    assert found["where things move: PSNR over blending"].is_cleared is True
    assert found["where they hardly move: PSNR over blending"].is_cleared is None
    assert found["t = 0.25 and 0.75: PSNR over t = 0.5's"].mean == -1


def coloured(kind: str, ours: float, dis: float, cdc: float, **case: int) -> Row:
    return Row(
        case={"kind": kind, "name": "x", **case},
        scores={
            "grey": {"ciede2000": 10.0, "chroma_psnr": 25.0},
            "dis": {"ciede2000": dis, "last_ciede2000": dis},
            "unmoved": {"ciede2000": 4.0},
            "truth": {"cdc": 0.01},
            "us": {
                "ciede2000": ours,
                "last_ciede2000": ours,
                "cdc": cdc,
                "chroma_psnr": 26.5,
                "colourfulness": 14.0,
            },
        },
    )


def test_only_moving_clips_are_held_against_propagation() -> None:
    rows = [
        coloured("clip", 2, 3, 0.0112, is_moving=1),
        coloured("clip", 5, 1, 0.009, is_moving=0),
        coloured("photo", 7, 1, 1),
    ]
    found = by_name(Section(name="colorize", models=["us"], rows=rows))
    assert found["one reference, moving: CIEDE2000 ÷ DIS propagation's"].is_cleared is True
    assert found["one reference: CIEDE2000 ÷ unmoved chroma's"].worst == 1.25
    assert found["one reference: CDC ÷ the truth's"].is_cleared is True
    assert found["automatic: CIEDE2000 ÷ grey's"].mean == 0.7
    assert found["automatic: chroma PSNR over grey"].mean == 1.5
    assert found["automatic: colourfulness"].is_cleared is False


def test_nothing_measured_is_nothing_judged() -> None:
    assert bars(Section(name="restore", models=["us"])) == []
