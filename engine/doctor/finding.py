"""What a check finds."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a finding is to be taken."""

    GOOD = "good"
    BAD = "bad"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's.

    subject : what was looked at
    detail : what was found, or why it does not apply
    cure : what to do; given where, and only where, the verdict is bad
    """

    subject: str
    verdict: Verdict
    detail: str
    cure: str = ""

    def to_json(self) -> dict[str, str | None]:
        """Return plain values."""
        return {**asdict(self), "cure": self.cure or None}


Check = Callable[[], Iterable[Finding]]
"""Looks at one thing; what it finds is all it tells, an exception is its own fault."""


def good(subject: str, detail: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(subject=subject, verdict=Verdict.GOOD, detail=detail)


def bad(subject: str, detail: str, cure: str) -> Finding:
    """Return a finding that needs a cure."""
    return Finding(subject=subject, verdict=Verdict.BAD, detail=detail, cure=cure)


def not_applicable(subject: str, reason: str) -> Finding:
    """Return a finding about what is not there and need not be."""
    return Finding(subject=subject, verdict=Verdict.NOT_APPLICABLE, detail=reason)
