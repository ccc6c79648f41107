"""Spreading candidates over download units so that no unit holds more of a domain than its rate admits.

An *atom* is what stays together: the texts of one URL, which is fetched once. Atoms come in order of
URL. Units are filled one after the other: first from the domains that wait, the longest queue first,
then with the next atoms; an atom whose domain is used up in this unit waits for the next (U8).
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Flags, Positions

Numbers = npt.NDArray[np.int64]
UNLIMITED: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Atoms:
    """What is to be spread, in order of URL."""

    domain: Numbers  # (n,) number of the domain, from 0
    rows: Numbers  # (n,) rows of the atom, at least 1


def assign_units(atoms: Atoms, caps: Numbers, unit_rows: int) -> Numbers:
    """Returns the unit of each atom, `(n,)`, numbered from 0 without gaps.

    `caps[d]` is the most atoms of domain d in a unit, at least 1; no atom has more than `unit_rows`
    rows. Within a domain, atoms keep their order over the units.
    """
    filling = _Filling(atoms, caps)
    while filling.fill_unit(unit_rows):
        pass
    return filling.unit


def admitted_per_unit(unit_seconds: float, delay_seconds: float, parts: int = 1) -> int:
    """Returns how many requests a domain admits in a unit's time, at least 1; `parts` share its rate."""
    if delay_seconds <= 0:
        return UNLIMITED
    return max(1, int(unit_seconds / (delay_seconds * parts)))


class _Filling:
    """The state between two units."""

    def __init__(self, atoms: Atoms, caps: Numbers) -> None:
        self.unit = np.full(len(atoms.rows), -1, dtype=np.int64)
        self._atoms = atoms
        self._caps = caps
        self._next = 0
        self._number = 0
        self._waiting: dict[int, deque[int]] = {}
        self._queue: list[tuple[int, int]] = []  # (-waiting atoms, domain), a heap
        self._is_waiting = np.zeros(len(caps), dtype=np.bool_)
        self._used = np.zeros(len(caps), dtype=np.int64)

    def fill_unit(self, unit_rows: int) -> bool:
        """Fills the next unit; returns False when nothing was left for it."""
        room = self._take_waiting(unit_rows)
        fits = True
        while fits and room > 0 and self._next < len(self.unit):
            room, fits = self._take_stream(room)
        if room == unit_rows:
            return False
        self._used[:] = 0
        self._number += 1
        self._requeue()
        return True

    def _take_waiting(self, room: int) -> int:
        """Takes from the waiting domains, the longest queue first; returns the room that is left."""
        while self._queue and room > 0:
            _, domain = heapq.heappop(self._queue)
            room = self._take_of(domain, self._waiting[domain], room)
        return room

    def _take_of(self, domain: int, atoms: deque[int], room: int) -> int:
        while atoms and self._used[domain] < self._caps[domain]:
            rows = int(self._atoms.rows[atoms[0]])
            if rows > room:
                break
            self.unit[atoms.popleft()] = self._number
            self._used[domain] += 1
            room -= rows
        if not atoms:
            del self._waiting[domain]
            self._is_waiting[domain] = False
        return room

    def _take_stream(self, room: int) -> tuple[int, bool]:
        """Takes the next atoms; returns the room that is left, and whether the next one may have some."""
        stop = min(len(self.unit), self._next + max(room, 1))
        domains, rows = self._atoms.domain[self._next : stop], self._atoms.rows[self._next : stop]
        rank = self._used[domains] + _rank_of_equals(domains)
        accepted = (rank < self._caps[domains]) & ~self._is_waiting[domains]
        total = np.cumsum(np.where(accepted, rows, 0))
        end = int(np.searchsorted(total, room, side="right"))
        places = np.arange(self._next, self._next + end)
        self.unit[places[accepted[:end]]] = self._number
        np.add.at(self._used, domains[:end][accepted[:end]], 1)
        self._defer(places[~accepted[:end]])
        self._next += end
        return room - (int(total[end - 1]) if end else 0), end == len(domains)

    def _defer(self, places: Positions) -> None:
        for place in places.tolist():
            domain = int(self._atoms.domain[place])
            self._waiting.setdefault(domain, deque()).append(place)
            self._is_waiting[domain] = True

    def _requeue(self) -> None:
        """Makes the queue anew. Its length is the number of domains that wait, which are few and large."""
        self._queue = [(-len(atoms), domain) for domain, atoms in self._waiting.items()]
        heapq.heapify(self._queue)


def _rank_of_equals(values: Numbers) -> Numbers:
    """Returns, for each value, how many equal ones stand before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts: Flags = np.ones(len(values), dtype=np.bool_)
    starts[1:] = ordered[1:] != ordered[:-1]
    places = np.arange(len(values))
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = places - np.maximum.accumulate(np.where(starts, places, 0))
    return rank
