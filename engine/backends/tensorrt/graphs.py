"""Recorded runs of one session, by the addresses that they work on."""

from collections import OrderedDict

from engine.device.base import Graph

MOST = 16
"""Sets of addresses that a session remembers: two for states that change places, times the frames' buffers."""

Addresses = tuple[int, ...]


class Graphs:
    """A small map of addresses to graphs; the least recently used goes.

    A set of addresses is worth recording when it comes again. One that is new is only remembered: where more sets take
    turns than the map holds, none is ever found again, so that nothing is recorded in vain.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[Addresses, Graph | None] = OrderedDict()

    def __len__(self) -> int:
        return sum(graph is not None for graph in self._known.values())

    def find(self, addresses: Addresses) -> Graph | None:
        """Return the graph of these addresses, if there is one."""
        graph = self._known.get(addresses)
        if graph is not None:
            self._known.move_to_end(addresses)
        return graph

    def meet(self, addresses: Addresses) -> bool:
        """Remember these addresses, and return whether they were known already."""
        if addresses in self._known:
            self._known.move_to_end(addresses)
            return True
        self._known[addresses] = None
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return False

    def keep(self, addresses: Addresses, graph: Graph) -> None:
        """Keep a graph of addresses that were met."""
        self._known[addresses] = graph

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
