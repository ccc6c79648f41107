"""Bands, neighbours and clusters, against comparing every pair."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill_finaliser.bands import smallest_neighbours
from pairmill_finaliser.contents import band_values
from pairmill_finaliser.keys import by_band, by_content, by_content_head, content_heads

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
hashes = st.integers(0, 2**64 - 1)


@PROPERTY
@given(hashes, st.lists(st.integers(0, 63), max_size=6, unique=True))
def test_two_hashes_within_the_distance_share_a_band(value: int, flipped: list[int]) -> None:
    other = value
    for bit in flipped:
        other ^= 1 << bit
    pair = np.array([value, other], dtype=np.uint64)
    bands = band_values(pair, len(flipped))
    assert any(band[0] == band[1] for band in bands)


@pytest.mark.parametrize("distance", [0, 1, 4, 6, 16])
def test_bands_cut_a_hash_into_all_its_bits(distance: int) -> None:
    value = np.array([0xFEDCBA9876543210, 2**64 - 1], dtype=np.uint64)
    bands = band_values(value, distance)
    assert len(bands) == distance + 1
    assert sum(int(band[1]).bit_length() for band in bands) == 64
    assert sum(int(band[0]).bit_count() for band in bands) == int(value[0]).bit_count()


@PROPERTY
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 255)), max_size=40),
    st.integers(0, 4),
    st.integers(1, 8),
    st.randoms(use_true_random=False),
)
def test_neighbours_equal_those_found_one_by_one(
    rows: list[tuple[int, int]], distance: int, cap: int, source: random.Random
) -> None:
    ids = list(range(len(rows)))
    source.shuffle(ids)
    buckets = np.array([[bucket, 0] for bucket, _ in rows], dtype=np.uint64).reshape(-1, 2)
    samples = np.array([[0, name] for name in ids], dtype=np.uint64).reshape(-1, 2)
    values = np.array([value for _, value in rows], dtype=np.uint64)
    found = smallest_neighbours(buckets, samples, values, distance, cap)
    groups: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for place, (bucket, _) in enumerate(rows):
        groups[bucket].append((ids[place], place))
    for place, (bucket, value) in enumerate(rows):
        smallest = sorted(groups[bucket])[:cap]
        near = [
            other
            for name, other in smallest
            if name < ids[place] and (value ^ rows[other][1]).bit_count() <= distance
        ]
        assert found[place] == (near[0] if near else -1)


def test_a_large_bucket_is_compared_with_its_smallest_ids_only() -> None:
    count = 3000
    samples = np.stack([np.zeros(count, dtype=np.uint64), np.arange(count, dtype=np.uint64)], axis=1)
    buckets = np.zeros((count, 2), dtype=np.uint64)
    values = np.full(count, 2**40 - 1, dtype=np.uint64)
    values[5] = values[2000] = values[2500] = 0
    found = smallest_neighbours(buckets, samples, values, 0, 10)
    assert found[2500] == found[2000] == 5
    values[5] = 2**40 - 1
    assert smallest_neighbours(buckets, samples, values, 0, 10)[2500] == -1  # 2000 is not among the 10


def test_partitions_of_a_content_agree_and_finer_bands_nest() -> None:
    source = np.random.default_rng(2)
    contents = source.integers(0, 2**64, (500, 4), dtype=np.uint64)
    assert by_content(contents, 13).tolist() == by_content_head(content_heads(contents), 13).tolist()
    bands, values = (
        source.integers(0, 7, 500, dtype=np.uint64),
        source.integers(0, 2**13, 500, dtype=np.uint64),
    )
    coarse, fine = by_band(bands, values, 9), by_band(bands, values, 9 * 4)
    assert (fine // 4).tolist() == coarse.tolist()
    assert len(set(coarse.tolist())) == 9
