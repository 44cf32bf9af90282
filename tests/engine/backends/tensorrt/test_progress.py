from engine.backends.tensorrt.progress import PhaseTree


def test_nested_phases_are_one_share_that_never_falls() -> None:
    told: list[tuple[float, str]] = []
    tree = PhaseTree(lambda share, phase: told.append((round(share, 3), phase)))
    tree.start("whole", None, 4)
    tree.step("whole", 0)
    tree.start("part", "whole", 2)
    tree.step("part", 0)
    tree.step("part", 1)
    tree.finish("part")
    tree.step("whole", 1)
    tree.start("part", "whole", 5)
    tree.step("whole", 3)
    assert told == [
        (0.0, "whole"),
        (0.25, "whole"),
        (0.25, "part"),
        (0.375, "part"),
        (0.5, "part"),
        (0.5, "whole"),
        (0.5, "part"),
        (1.0, "whole"),
    ]


def test_odd_reports_do_no_harm() -> None:
    told: list[float] = []
    tree = PhaseTree(lambda share, phase: told.append(share))
    tree.step("unheard of", 3)
    tree.finish("unheard of")
    tree.start("empty", None, 0)
    tree.step("empty", 7)
    tree.start("itself", "itself", 2)
    assert told == [0.0, 1.0, 1.0]
