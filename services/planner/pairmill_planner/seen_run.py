"""One run of the seen index: sorted `url_id`s with a filter, read in pieces and checked (U8).

Layout, little endian but for the ids:

    header   magic `PMSEEN01`, count u64, ids per block u32, filter bytes per block u32,
             BLAKE2b-128 of the header so far and the fences
    fences   per block: first id (16 bytes), CRC-32 of the filter u32, CRC-32 of the ids u32
    filters  per block: a Bloom filter of its ids
    ids      16 bytes each, ascending

A lookup reads header and fences, the filters of the blocks that could hold a wanted id, and of the
blocks whose filter says "maybe" the ids; neighbouring blocks come with one request. Memory is bounded
by the size of a request and by the fences (24 bytes for 4,096 ids), however long the run is.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import Flags, Positions, Words, bytes_of, find, words_of_bytes
from pairmill.ids import ID_BYTES

ReadRange = Callable[[int, int], bytes]
"""Returns `length` bytes from `start` of a stored run."""

BLOCK_IDS: Final = 4096
FILTER_BITS_PER_ID: Final = 10
FILTER_PROBES: Final = 5
REQUEST_BYTES: Final = 8 * 2**20

_MAGIC: Final = b"PMSEEN01"
_HEAD: Final = struct.Struct("<8sQII")
_DIGEST_BYTES: Final = 16
_HEADER_BYTES: Final = _HEAD.size + _DIGEST_BYTES
_FENCE_BYTES: Final = ID_BYTES + 8
_FILTER_BYTES: Final = BLOCK_IDS * FILTER_BITS_PER_ID // 8


def write_run(path: Path, chunks: Iterable[Words], count: int) -> None:
    """Writes a run of `count` ids that come ascending and each once, in chunks of any size."""
    blocks = -(-count // BLOCK_IDS)
    filters_at = _HEADER_BYTES + blocks * _FENCE_BYTES
    ids_at = filters_at + blocks * _FILTER_BYTES
    fences, written = [], 0
    with path.open("wb") as file:
        for number, block in enumerate(_blocks(chunks)):
            ids, bits = bytes_of(block), make_filter(block, _FILTER_BYTES)
            _write_at(file, filters_at + number * _FILTER_BYTES, bits)
            _write_at(file, ids_at + written * ID_BYTES, ids)
            fences.append(ids[:ID_BYTES] + struct.pack("<II", zlib.crc32(bits), zlib.crc32(ids)))
            written += len(block)
        if written != count:
            raise ValueError(f"a run of {count} ids was announced, {written} came")
        head, fence = _HEAD.pack(_MAGIC, count, BLOCK_IDS, _FILTER_BYTES), b"".join(fences)
        _write_at(file, 0, head + _digest(head, fence) + fence)


class SeenRun:
    """A stored run. Every byte that is used is checked; raises CorruptObjectError where it differs."""

    def __init__(self, read: ReadRange, name: str) -> None:
        self._read = read
        self._name = name
        header = read(0, _HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
            raise CorruptObjectError(f"{name}: no run of the seen index")
        unpacked: tuple[bytes, int, int, int] = _HEAD.unpack_from(header)
        _, self.count, self._block_ids, self._filter_bytes = unpacked
        blocks = -(-self.count // self._block_ids)
        fences = read(_HEADER_BYTES, blocks * _FENCE_BYTES)
        if _digest(header[: _HEAD.size], fences) != header[_HEAD.size :]:
            raise CorruptObjectError(f"{name}: header and fences do not have their checksum")
        table = np.frombuffer(fences, dtype=[("id", ">u8", 2), ("filter", "<u4"), ("ids", "<u4")])
        self._first_ids: Words = table["id"].astype(np.uint64)
        self._filter_sums = table["filter"]
        self._id_sums = table["ids"]
        self._filters_at = _HEADER_BYTES + blocks * _FENCE_BYTES
        self._ids_at = self._filters_at + blocks * self._filter_bytes

    def contains(self, wanted: Words) -> Flags:
        """Returns which of the ids, given ascending and each once, are in the run."""
        found = np.zeros(len(wanted), dtype=np.bool_)
        block = _last_not_above(self._first_ids, wanted)
        maybe = np.flatnonzero(block >= 0)
        maybe = maybe[self._may_contain(wanted[maybe], block[maybe])]
        for first, end in _requests(block[maybe], self._block_ids * ID_BYTES):
            here = maybe[(block[maybe] >= first) & (block[maybe] < end)]
            found[here] = find(self._ids(first, end), wanted[here]) >= 0
        return found

    def chunks(self) -> Iterator[Words]:
        """Yields all ids, ascending."""
        blocks = np.arange(len(self._first_ids))
        for first, end in _requests(blocks, self._block_ids * ID_BYTES):
            yield self._ids(first, end)

    def _may_contain(self, wanted: Words, block: Positions) -> Flags:
        maybe = np.zeros(len(wanted), dtype=np.bool_)
        for first, end in _requests(block, self._filter_bytes):
            data = self._pieces(self._filters_at, self._filter_bytes, first, end, self._filter_sums)
            here = slice(*np.searchsorted(block, [first, end]).tolist())
            maybe[here] = is_in_filter(data, self._filter_bytes, wanted[here], block[here] - first)
        return maybe

    def _ids(self, first: int, end: int) -> Words:
        data = self._pieces(self._ids_at, self._block_ids * ID_BYTES, first, end, self._id_sums)
        return words_of_bytes(data, ID_BYTES)

    def _pieces(self, at: int, size: int, first: int, end: int, sums: npt.NDArray[np.uint32]) -> bytes:
        """Reads the pieces of blocks [first, end) and checks each."""
        data = self._read(at + first * size, self._length(at, size, first, end))
        for number in range(first, end):
            piece = data[(number - first) * size : (number - first + 1) * size]
            if zlib.crc32(piece) != sums[number]:
                raise CorruptObjectError(f"{self._name}: block {number} does not have its checksum")
        return data

    def _length(self, at: int, size: int, first: int, end: int) -> int:
        if at == self._ids_at:
            return min(end * self._block_ids, self.count) * ID_BYTES - first * size
        return (end - first) * size


def make_filter(ids: Words, size: int) -> bytes:
    """Returns a Bloom filter of `size` bytes."""
    bits = np.zeros(size * 8, dtype=np.uint8)
    bits[_probes(ids, size).ravel()] = 1
    return np.packbits(bits, bitorder="little").tobytes()


def is_in_filter(filters: bytes, size: int, ids: Words, number: Positions) -> Flags:
    """Returns whether each id may be in its filter, which is number `number[i]` of those given."""
    data = np.frombuffer(filters, dtype=np.uint8)
    probes = _probes(ids, size)
    taken = data[number[:, None] * size + (probes >> np.uint64(3)).astype(np.int64)]
    bits = (taken >> (probes & np.uint64(7)).astype(np.uint8)) & np.uint8(1)
    return np.asarray(bits.all(axis=1), dtype=np.bool_)


def _probes(ids: Words, size: int) -> Words:
    """Bit positions of each id, `(n, FILTER_PROBES)`: ids are hashes, so their words serve as such."""
    steps = np.arange(FILTER_PROBES, dtype=np.uint64)
    low = ids[:, 1]
    return ((low >> np.uint64(32))[:, None] + steps * (low & np.uint64(0xFFFFFFFF))[:, None]) % np.uint64(
        size * 8
    )


def _last_not_above(first_ids: Words, wanted: Words) -> Positions:
    """Returns the last block whose first id is not above each wanted one, -1 if there is none."""
    keys = np.concatenate([first_ids, wanted])
    is_wanted = np.repeat([0, 1], [len(first_ids), len(wanted)])
    order = np.lexsort((is_wanted, keys[:, 1], keys[:, 0]))
    before = np.cumsum(is_wanted[order] == 0) - 1
    result = np.empty(len(wanted), dtype=np.int64)
    places = order[is_wanted[order] == 1] - len(first_ids)
    result[places] = before[is_wanted[order] == 1]
    return result


def _requests(blocks: Positions, size: int) -> Iterator[tuple[int, int]]:
    """Yields runs [first, end) of neighbouring blocks, given ascending, that fit into one request."""
    most = max(1, REQUEST_BYTES // size)
    first = end = -1
    for block in np.unique(blocks).tolist():
        if first >= 0 and block == end and end - first < most:
            end += 1
            continue
        if first >= 0:
            yield first, end
        first, end = block, block + 1
    if first >= 0:
        yield first, end


def _blocks(chunks: Iterable[Words]) -> Iterator[Words]:
    """Cuts a stream of ids into blocks."""
    rest = np.empty((0, 2), dtype=np.uint64)
    for chunk in chunks:
        rest = np.concatenate([rest, chunk])
        full = len(rest) - len(rest) % BLOCK_IDS
        for start in range(0, full, BLOCK_IDS):
            yield rest[start : start + BLOCK_IDS]
        rest = rest[full:]
    if len(rest):
        yield rest


def _digest(head: bytes, fences: bytes) -> bytes:
    return hashlib.blake2b(head + fences, digest_size=_DIGEST_BYTES).digest()


def _write_at(file: BinaryIO, position: int, data: bytes) -> None:
    file.seek(position)
    file.write(data)
