"""Columns of ids and digests as numpy arrays, for sorting, grouping and joining whole sets.

A column of values of 8w bytes is an array of *words*, `(n, w) uint64`: the bytes read as big-endian
numbers, so that the order of the words is the order of the bytes and of the hex digits.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Words: TypeAlias = npt.NDArray[np.uint64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Positions: TypeAlias = npt.NDArray[np.int64]

_WORD_BYTES = 8
_NO_DIGIT = 255
_NIBBLES = np.full(256, _NO_DIGIT, dtype=np.uint8)  # the value of each hex digit, by its byte
_NIBBLES[list(b"0123456789abcdef")] = np.arange(16)
_NIBBLES[list(b"ABCDEF")] = np.arange(10, 16)


def words_of(array: pa.Array[Any]) -> Words:
    """Returns the words of a fixed-size binary array whose width is a multiple of 8 bytes.

    A null has undefined words.
    """
    width = array.type.byte_width
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.empty((0, width // _WORD_BYTES), dtype=np.uint64)
    count = len(array) * width // _WORD_BYTES
    raw = np.frombuffer(memoryview(data), dtype=">u8", count=count, offset=array.offset * width)
    return _decoded(raw, width)


def words_of_bytes(data: bytes, width: int) -> Words:
    """Returns the words of values of `width` bytes that lie one behind the other."""
    return _decoded(np.frombuffer(data, dtype=">u8"), width)


def array_of(words: Words) -> pa.Array[Any]:
    """Returns words as a fixed-size binary array."""
    kind = pa.binary(words.shape[1] * _WORD_BYTES)
    return pa.Array.from_buffers(kind, len(words), [None, pa.py_buffer(bytes_of(words))])


def bytes_of(words: Words) -> bytes:
    """Returns the values' bytes one behind the other."""
    return words.astype(">u8").tobytes()


def words_of_hex(array: pa.Array[Any], width: int) -> Words:
    """Returns the words of hex strings of `2 * width` digits; raises ValueError for anything else."""
    if not len(array):
        return np.empty((0, width // _WORD_BYTES), dtype=np.uint64)
    digits, texts = 2 * width, array.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(memoryview(offsets or b""), dtype=np.int64)[
        texts.offset : texts.offset + len(texts) + 1
    ]
    if array.null_count or (np.diff(ends) != digits).any():
        raise ValueError(f"a value is not {digits} hex digits long")
    values = _NIBBLES[np.frombuffer(memoryview(data or b""), dtype=np.uint8)[ends[0] : ends[-1]]]
    if (values == _NO_DIGIT).any():
        raise ValueError("a value holds something else than hex digits")
    return words_of_bytes(((values[0::2] << 4) | values[1::2]).tobytes(), width)


def hex_of(words: Words) -> pa.Array[Any]:
    """Returns words as strings of lower-case hex digits."""
    digits = words.shape[1] * _WORD_BYTES * 2
    offsets = np.arange(len(words) + 1, dtype=np.int64) * digits
    data = pa.py_buffer(bytes_of(words).hex().encode())
    large = pa.Array.from_buffers(pa.large_string(), len(words), [None, pa.py_buffer(offsets), data])
    return large.cast(pa.string())


def ascending(*keys: npt.NDArray[Any]) -> Positions:
    """Returns the stable order by several keys, the most significant first; words count as one key."""
    columns = [column for key in keys for column in _columns(key)]
    return np.lexsort(tuple(reversed(columns)))


def starts_of_groups(ordered: Words) -> Flags:
    """Returns, for rows ordered by their words, whether each is the first of its value."""
    starts = np.ones(len(ordered), dtype=np.bool_)
    if len(ordered):
        starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return starts


def ranks_in_groups(starts: Flags) -> Positions:
    """Returns the position of each row within its group, from 0."""
    places = np.arange(len(starts), dtype=np.int64)
    return places - np.maximum.accumulate(np.where(starts, places, 0))


def first_per_key(key: Words, *order: npt.NDArray[Any], limit: int = 1) -> Flags:
    """Returns which rows are among the first `limit` of their key in the given order."""
    positions = ascending(key, *order)
    chosen = np.empty(len(key), dtype=np.bool_)
    chosen[positions] = ranks_in_groups(starts_of_groups(key[positions])) < limit
    return chosen


def find(ordered: Words, wanted: Words) -> Positions:
    """Returns, for each wanted value, a position in the ordered values, or -1 where it is not there."""
    places = np.searchsorted(ordered[:, 0], wanted[:, 0]).astype(np.int64)
    if not len(ordered):
        return np.full(len(wanted), -1, dtype=np.int64)
    # Values that share their first word are few: step through them.
    behind = np.flatnonzero(_less(ordered, places, wanted))
    while len(behind):
        places[behind] += 1
        behind = behind[_less(ordered, places[behind], wanted[behind])]
    clipped = np.minimum(places, len(ordered) - 1)
    same = (ordered[clipped] == wanted).all(axis=1) & (places < len(ordered))
    return np.where(same, places, -1)


def partition_of(words: Words, partitions: int, word: int = 0) -> npt.NDArray[np.int32]:
    """Returns which of equally wide ranges of a word each value lies in, `(n,) int32`.

    With the first word the ranges are ranges of the values, in ascending order.
    """
    head = words[:, word] >> np.uint64(32)
    return ((head * np.uint64(partitions)) >> np.uint64(32)).astype(np.int32)


def _columns(key: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    return [key] if key.ndim == 1 else [key[:, index] for index in range(key.shape[1])]


def _less(ordered: Words, places: Positions, wanted: Words) -> Flags:
    """Whether the ordered value at each place has the wanted first word and is smaller."""
    clipped = np.minimum(places, len(ordered) - 1)
    less = np.zeros(len(wanted), dtype=np.bool_)
    for index in range(wanted.shape[1] - 1, 0, -1):
        here, there = ordered[clipped, index], wanted[:, index]
        less = (here < there) | ((here == there) & less)
    inside: Flags = (ordered[clipped, 0] == wanted[:, 0]) & (places < len(ordered))
    return less & inside


def _decoded(raw: npt.NDArray[Any], width: int) -> Words:
    return raw.reshape(-1, width // _WORD_BYTES).astype(np.uint64)
