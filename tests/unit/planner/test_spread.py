from __future__ import annotations

from collections import Counter, deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.placement.spread import UNLIMITED, Atoms, admitted_per_unit, assign_units


def assign(domain: list[int], rows: list[int], caps: list[int], unit_rows: int) -> list[int]:
    atoms = Atoms(domain=np.array(domain, dtype=np.int64), rows=np.array(rows, dtype=np.int64))
    units: list[int] = assign_units(atoms, np.array(caps, dtype=np.int64), unit_rows).tolist()
    return units


def one_by_one(domain: list[int], rows: list[int], caps: list[int], unit_rows: int) -> list[int]:
    """The same rule, an atom at a time."""
    stream = deque(range(len(rows)))
    waiting: dict[int, deque[int]] = {}
    unit = [-1] * len(rows)
    number = 0
    while stream or waiting:
        used: Counter[int] = Counter()
        room = unit_rows
        for code in sorted(waiting, key=lambda code: (-len(waiting[code]), code)):
            while waiting[code] and used[code] < caps[code] and rows[waiting[code][0]] <= room:
                atom = waiting[code].popleft()
                unit[atom], room = number, room - rows[atom]
                used[code] += 1
        waiting = {code: atoms for code, atoms in waiting.items() if atoms}
        while stream and room > 0:
            code = domain[stream[0]]
            if used[code] >= caps[code] or code in waiting:
                waiting.setdefault(code, deque()).append(stream.popleft())
            elif rows[stream[0]] <= room:
                atom = stream.popleft()
                unit[atom], room = number, room - rows[atom]
                used[code] += 1
            else:
                break
        number += 1
    return unit


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    atoms=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=40),
    caps=st.lists(st.integers(1, 6), min_size=5, max_size=5),
    unit_rows=st.integers(3, 12),
)
def test_units_are_filled_as_one_by_one(
    atoms: list[tuple[int, int]], caps: list[int], unit_rows: int
) -> None:
    domain, rows = [code for code, _ in atoms], [count for _, count in atoms]
    units = assign(domain, rows, caps, unit_rows)
    assert units == one_by_one(domain, rows, caps, unit_rows)
    assert sorted(set(units)) == list(range(len(set(units))))
    for unit in set(units):
        members = [place for place, number in enumerate(units) if number == unit]
        assert sum(rows[place] for place in members) <= unit_rows
        assert all(count <= caps[code] for code, count in Counter(domain[place] for place in members).items())


def test_d11_a_large_domain_does_not_hold_up_the_others() -> None:
    """900 URLs of one domain among 10,000: the rest fills whole units, the domain waits its turn."""
    random = np.random.default_rng(3)
    domain = [0 if large else 1 + place % 500 for place, large in enumerate(random.random(10_000) < 0.09)]
    units = assign(domain, [1] * 10_000, [50] + [50] * 500, 1000)
    large = Counter(unit for unit, code in zip(units, domain, strict=True) if code == 0)
    others = Counter(unit for unit, code in zip(units, domain, strict=True) if code != 0)
    assert set(list(large.values())[:-1]) == {50}
    assert max(others) <= 10  # the others are through as soon as their number allows
    assert max(large) == -(-domain.count(0) // 50) - 1


@pytest.mark.parametrize(
    ("seconds", "delay", "parts", "admitted"),
    [(600, 0.5, 1, 1200), (600, 0.5, 4, 300), (1, 5.0, 1, 1), (600, 0.0, 1, UNLIMITED)],
)
def test_a_rate_admits(seconds: float, delay: float, parts: int, admitted: int) -> None:
    assert admitted_per_unit(seconds, delay, parts) == admitted
