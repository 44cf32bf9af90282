from collections.abc import Iterator

from engine.doctor.finding import Finding, Verdict, good
from engine.doctor.run import examine


def test_a_check_that_fails_is_a_finding_and_the_others_go_on() -> None:
    def breaks() -> Iterator[Finding]:
        yield good("first", "fine")
        raise RuntimeError("broke\nhere")

    def works() -> Iterator[Finding]:
        yield good("second", "fine")

    found = [finding for _, finding in examine({"group": (breaks, works)})]
    assert [finding.subject for finding in found] == ["first", "breaks", "second"]
    assert found[1].verdict is Verdict.BAD
    assert "RuntimeError: broke here" in found[1].detail
