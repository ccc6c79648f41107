"""Near-duplicates: what is left out does not depend on how many rows are looked at."""

from __future__ import annotations

import numpy as np
import pytest

from pairmill_explorer.search.collapse import Alike, Collapser, Looks

RULES = {
    "by-hash": Alike(phash_distance=12),
    "by-vector": Alike(cosine=0.9),
    "by-both": Alike(phash_distance=8, cosine=0.95),
}


def some_looks(count: int = 700) -> Looks:
    draw = np.random.default_rng(3)
    centres = draw.normal(size=(40, 8))
    vectors = centres[draw.integers(0, 40, count)] + 0.2 * draw.normal(size=(count, 8))
    hashes = draw.integers(0, 2**63, 50, dtype=np.uint64)[draw.integers(0, 50, count)]
    flips = np.uint64(1) << draw.integers(0, 64, count, dtype=np.uint64)
    return Looks(
        hashes=hashes ^ flips,
        known=draw.random(count) < 0.8,
        vectors=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
    )


def part_of(looks: Looks, which: slice) -> Looks:
    return Looks(hashes=looks.hashes[which], known=looks.known[which], vectors=looks.vectors[which])


def one_by_one(looks: Looks, rule: Alike) -> list[bool]:
    """Returns the same as it is defined: a row stays unless one that stays before it is alike."""
    stays: list[int] = []
    for row in range(len(looks.hashes)):
        alike = False
        for other in stays:
            if rule.phash_distance is not None and looks.known[row] and looks.known[other]:
                bits = int(looks.hashes[row] ^ looks.hashes[other]).bit_count()
                alike |= bits <= rule.phash_distance
            if rule.cosine is not None:
                alike |= bool(looks.vectors[row] @ looks.vectors[other] >= rule.cosine)
        if not alike:
            stays.append(row)
    return [row in set(stays) for row in range(len(looks.hashes))]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_of_those_alike_the_first_stays(rule: Alike) -> None:
    looks = some_looks()
    found = Collapser(rule).feed(looks).tolist()
    assert found == one_by_one(looks, rule)
    assert 0 < sum(found) < len(found)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_rows_fed_in_parts_end_as_rows_fed_at_once(rule: Alike) -> None:
    looks, collapser = some_looks(), Collapser(rule)
    parts = [collapser.feed(part_of(looks, slice(start, start + 123))) for start in range(0, 700, 123)]
    assert np.concatenate(parts).tolist() == Collapser(rule).feed(looks).tolist()


def test_rows_without_a_hash_are_like_nobody() -> None:
    looks = Looks(
        hashes=np.zeros(4, dtype=np.uint64),
        known=np.array([True, False, False, True]),
        vectors=np.empty((4, 0), dtype=np.float32),
    )
    assert Collapser(Alike(phash_distance=16)).feed(looks).tolist() == [True, True, True, False]
