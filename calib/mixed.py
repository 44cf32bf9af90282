"""Ranges tensor by tensor: where another method than the model's loses less, it is taken for that tensor alone.

Of a network that sees dust some tensors need the rare large value that another does better without. One method for
all of film-restore loses 0.028 dB (min-max) or more; some of its 33 ranges by other methods leave 0.010 dB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from calib.graph import Range
from calib.ranges import Method

MIXED: tuple[Method, ...] = ("minmax", "percentile", "mse")
"""Methods that are tried for single tensors. Entropy is not: what it clamps need not occur in the pictures that are
looked at, and does in others. The interpolator took it for 30 tensors, and lost twice as much on the films' ends."""

LEAST_GAIN = 0.02
"""Share of the loss by which it must fall for a change to be taken: small gains on some pictures are none on others."""

MethodRanges = Mapping[Method, Mapping[str, Range]]
"""Method → tensor → range."""


def mix(
    base: Method,
    ranges: MethodRanges,
    groups: Sequence[Sequence[str]],
    loss_of: Callable[[Mapping[str, Range]], float],
    on_group: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Method]:
    """Return the method of every tensor.

    Each group is tried with each other method while all others stay as found so far; one pass, in order.

    Parameters
    ----------
    base : the best method for all tensors alike
    ranges : of every tensor by every method that may be taken
    groups : of tensors that share one scale, in the order in which they are made
    loss_of : measures the model with given ranges
    on_group : told how many groups of how many are done
    """
    methods: dict[str, Method] = dict.fromkeys(ranges[base], base)
    found, least = dict(ranges[base]), loss_of(ranges[base])
    for done, names in enumerate(groups, start=1):
        for method, other in ranges.items():
            changed = {name: other[name] for name in names}
            if all(found[name] == chosen for name, chosen in changed.items()):
                continue
            loss = loss_of({**found, **changed})
            if loss < least * (1 - LEAST_GAIN):
                least = loss
                found.update(changed)
                methods.update(dict.fromkeys(names, method))
        on_group(done, len(groups))
    return methods
