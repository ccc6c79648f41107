"""Few out of many in bounded memory: the same few whatever the order in which the many come."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


@dataclass(slots=True)
class SmallestByHash(Generic[Item]):
    """Keeps the `most` items with the smallest keys; keys are hashes, so the choice is a fair one."""

    most: int
    _heap: list[tuple[int, int, Item]] = field(default_factory=list)
    _order: int = 0

    def wants(self, key: int) -> bool:
        """Returns whether an item with this key would be kept."""
        return len(self._heap) < self.most or key < -self._heap[0][0]

    def add(self, key: int, item: Item) -> None:
        """Takes an item."""
        if self.wants(key):
            self._order += 1
            entry = (-key, -self._order, item)
            if len(self._heap) < self.most:
                heapq.heappush(self._heap, entry)
            else:
                heapq.heapreplace(self._heap, entry)

    def items(self) -> Iterator[Item]:
        """Yields the items kept, smallest key first."""
        for _, _, item in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1])):
            yield item


class HeavyCounter:
    """Counts names; where there are very many, the rare ones are forgotten now and then.

    A name's count is exact if it was never among the rarest half when room was made, else too low.
    """

    def __init__(self, room: int = 200_000) -> None:
        self._room = room
        self.counts: Counter[str] = Counter()
        self.forgotten = 0

    def update(self, names: Counter[str]) -> None:
        """Adds counts of names."""
        self.counts.update(names)
        if len(self.counts) > self._room:
            before = len(self.counts)
            self.counts = Counter(dict(self.counts.most_common(self._room // 2)))
            self.forgotten += before - len(self.counts)

    def __getitem__(self, name: str) -> int:
        """Returns the count of a name."""
        return self.counts[name]


def value_counts(column: Any) -> Counter[str]:
    """Returns how often each text occurs in a column; null counts as empty."""
    pairs = column.value_counts()
    names, counts = pairs.field("values").to_pylist(), pairs.field("counts").to_pylist()
    found: Counter[str] = Counter()
    for name, count in zip(names, counts, strict=True):
        found[name or ""] += count
    return found
