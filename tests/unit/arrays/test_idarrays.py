from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.idarrays import (
    array_of,
    ascending,
    bytes_of,
    find,
    first_per_key,
    hex_of,
    partition_of,
    words_of,
    words_of_bytes,
    words_of_hex,
)

PROPERTY = settings(deadline=None, derandomize=True)

# Few different first words, so that values that share one are common.
value = st.builds(
    lambda head, tail: bytes([head]) * 8 + bytes([tail]) * 8,
    st.sampled_from([0, 127, 255]),
    st.integers(0, 9),
)
values = st.lists(st.one_of(value, st.binary(min_size=16, max_size=16)), max_size=30)


def words(data: list[bytes]) -> np.ndarray:
    return words_of(pa.array(data, pa.binary(16)))


@PROPERTY
@given(values)
def test_words_keep_bytes_and_order(data: list[bytes]) -> None:
    found = words(data)
    assert array_of(found).to_pylist() == data
    assert hex_of(found).to_pylist() == [item.hex() for item in data]
    assert words_of_hex(hex_of(found), 16).tolist() == found.tolist()
    assert words_of_bytes(b"".join(data), 16).tolist() == found.tolist()
    assert bytes_of(found) == b"".join(data)
    assert [data[place] for place in ascending(found)] == sorted(data)


def test_words_of_a_slice_are_those_of_its_rows() -> None:
    array = pa.array([bytes([number]) * 16 for number in range(5)], pa.binary(16)).slice(2, 2)
    assert array_of(words_of(array)).to_pylist() == [b"\x02" * 16, b"\x03" * 16]


def test_slices_and_capital_digits_are_read() -> None:
    digits = [f"{number:032X}" for number in (3, 2**64, 2**128 - 1)]
    words = words_of_hex(pa.array(["00" * 16, *digits, "ff" * 16]).slice(1, 3), 16)
    assert words.tolist() == [[0, 3], [1, 0], [2**64 - 1, 2**64 - 1]]
    assert words_of_hex(pa.array([], pa.string()), 16).shape == (0, 2)


@pytest.mark.parametrize("text", ["", "00", "zz" * 16, None])
def test_what_is_no_hex_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError):
        words_of_hex(pa.array([text], pa.string()), 16)


@PROPERTY
@given(values, values)
def test_find_finds_what_is_there(data: list[bytes], wanted: list[bytes]) -> None:
    ordered = sorted(set(data))
    places = find(words(ordered), words(wanted))
    assert places.tolist() == [ordered.index(item) if item in ordered else -1 for item in wanted]


@PROPERTY
@given(st.lists(st.tuples(value, value), max_size=30), st.integers(1, 3))
def test_first_per_key_takes_the_smallest(rows: list[tuple[bytes, bytes]], limit: int) -> None:
    chosen = first_per_key(words([key for key, _ in rows]), words([rank for _, rank in rows]), limit=limit)
    expected = set()
    for key in {key for key, _ in rows}:
        mine = sorted((rank, place) for place, (other, rank) in enumerate(rows) if other == key)
        expected |= {place for _, place in mine[:limit]}
    assert set(np.flatnonzero(chosen).tolist()) == expected


@PROPERTY
@given(values, st.integers(1, 50))
def test_partitions_are_ranges_in_order(data: list[bytes], partitions: int) -> None:
    numbers = partition_of(words(sorted(data)), partitions).tolist()
    assert numbers == sorted(numbers)
    assert all(0 <= number < partitions for number in numbers)
    expected = [int.from_bytes(item[:4], "big") * partitions >> 32 for item in sorted(data)]
    assert numbers == expected
