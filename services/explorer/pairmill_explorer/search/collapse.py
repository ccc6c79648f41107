"""Near-duplicates among results: of those alike the first stays.

Greedy in the results' order: a row stays unless one that stays before it is alike. So what becomes of a row
does not depend on those behind it, and pages can be cut from a growing list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill_explorer.errors import BadRequestError
from pairmill_explorer.search.found import Found
from pairmill_explorer.search.table import Flags, take
from pairmill_explorer.search.table import known as known_values
from pairmill_index.manifest import Modality
from pairmill_index.opened import OpenIndex
from pairmill_protos.explorer.v1.search_pb2 import Collapse

MAX_PHASH_DISTANCE: Final = 16
_ZERO: Final = pa.scalar(0, pa.uint64())
_BLOCK: Final = 256

Hashes = npt.NDArray[np.uint64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """When two rows count as near-duplicates; None does not compare."""

    phash_distance: int | None = None
    cosine: float | None = None

    @property
    def compares(self) -> bool:
        """Whether anything is compared."""
        return self.phash_distance is not None or self.cosine is not None


def alike_of(collapse: Collapse, field: str = "collapse") -> Alike:
    """Returns the rule that a request asks for; raises BadRequestError naming a field."""
    distance = collapse.phash_distance if collapse.HasField("phash_distance") else None
    cosine = collapse.cosine if collapse.HasField("cosine") else None
    if distance is not None and not 0 <= distance <= MAX_PHASH_DISTANCE:
        raise BadRequestError(
            f"{field}.phash_distance", f"is {distance}; 0 to {MAX_PHASH_DISTANCE} is wanted"
        )
    if cosine is not None and not (math.isfinite(cosine) and -1 <= cosine <= 1):
        raise BadRequestError(f"{field}.cosine", f"is {cosine:g}; −1 to 1 is wanted")
    return Alike(phash_distance=distance, cosine=cosine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What rows are compared by, row-aligned."""

    hashes: Hashes
    known: Flags  # which hashes there are
    vectors: Vectors  # unit length; no columns where they are not compared


def looks_of(index: OpenIndex, found: Found, modality: Modality, rule: Alike) -> Looks:
    """Reads what a rule compares."""
    count, wide = len(found), rule.cosine is not None
    hashes, known = np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=np.bool_)
    vectors = np.empty((count, index.manifest.dimensions if wide else 0), dtype=np.float32)
    for place in np.unique(found.segments):
        here = np.flatnonzero(found.segments == place)
        segment, rows = index.segments[place], found.rows[here]
        column = take(segment.table.select(["phash"]), rows).column("phash")
        known[here] = known_values(column)
        hashes[here] = column.fill_null(_ZERO).to_numpy()
        if wide:
            vectors[here] = segment.vectors(modality)[rows]
    return Looks(hashes=hashes, known=known, vectors=vectors)


class Collapser:
    """Decides row by row who stays; fed in the results' order."""

    def __init__(self, rule: Alike) -> None:
        self._rule = rule
        self._hashes = np.empty(0, dtype=np.uint64)
        self._vectors: Vectors | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of what is compared with."""
        return self._hashes.nbytes + (0 if self._vectors is None else self._vectors.nbytes)

    def feed(self, looks: Looks) -> Flags:
        """Returns which of the next rows stay, `(n,)`."""
        stays = np.zeros(len(looks.hashes), dtype=np.bool_)
        for start in range(0, len(stays), _BLOCK):
            block = slice(start, start + _BLOCK)
            part = Looks(hashes=looks.hashes[block], known=looks.known[block], vectors=looks.vectors[block])
            stays[block] = self._block(part)
        return stays

    def _block(self, looks: Looks) -> Flags:
        stays = ~self._like_earlier(looks)
        alike = self._pairs(looks)
        for place in range(len(stays)):
            if stays[place]:
                stays[place + 1 :] &= ~alike[place, place + 1 :]
        self._remember(looks, stays)
        return stays

    def _like_earlier(self, looks: Looks) -> Flags:
        """Returns which rows are like one that stays already."""
        found = np.zeros(len(looks.hashes), dtype=np.bool_)
        if self._rule.phash_distance is not None and len(self._hashes):
            near = _distances(looks.hashes, self._hashes) <= self._rule.phash_distance
            found |= near.any(axis=1) & looks.known
        if self._rule.cosine is not None and self._vectors is not None:
            found |= (looks.vectors @ self._vectors.T >= self._rule.cosine).any(axis=1)
        return found

    def _pairs(self, looks: Looks) -> Flags:
        count = len(looks.hashes)
        alike = np.zeros((count, count), dtype=np.bool_)
        if self._rule.phash_distance is not None:
            near = _distances(looks.hashes, looks.hashes) <= self._rule.phash_distance
            alike |= near & looks.known[:, None] & looks.known
        if self._rule.cosine is not None:
            alike |= looks.vectors @ looks.vectors.T >= self._rule.cosine
        return alike

    def _remember(self, looks: Looks, stays: Flags) -> None:
        self._hashes = np.concatenate([self._hashes, looks.hashes[stays & looks.known]])
        if self._rule.cosine is not None:
            kept = looks.vectors[stays]
            self._vectors = kept if self._vectors is None else np.concatenate([self._vectors, kept])


def _distances(left: Hashes, right: Hashes) -> npt.NDArray[np.uint8]:
    bits: npt.NDArray[np.uint8] = np.bitwise_count(left[:, None] ^ right)
    return bits
