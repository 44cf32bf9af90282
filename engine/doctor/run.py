"""All checks, group by group."""

from collections.abc import Iterator, Mapping, Sequence

from engine.doctor import board, folders, gpu, installation, kernels, media, models, processor
from engine.doctor.finding import Check, Finding, bad

GROUPS: Mapping[str, Sequence[Check]] = {
    "installation": installation.CHECKS,
    "models": models.CHECKS,
    "GPU": (*gpu.CHECKS, *kernels.CHECKS),
    "film": media.CHECKS,
    "room": folders.CHECKS,
    "processor": processor.CHECKS,
    "board and clocks": board.CHECKS,
}


def examine(groups: Mapping[str, Sequence[Check]] = GROUPS) -> Iterator[tuple[str, Finding]]:
    """Yield the group and each finding; a check that fails is a finding too, and the others go on."""
    for group, checks in groups.items():
        for check in checks:
            try:
                for finding in check():
                    yield group, finding
            except Exception as error:  # a doctor that falls ill must still tell of all the rest
                text = f"the check itself failed: {type(error).__name__}: {error}"
                yield group, bad(check.__name__, " ".join(text.split()), "please report it, with this line")
