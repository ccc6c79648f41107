"""Phase 2: one representative per content, by bands of its perceptual hash.

With d + 1 bands, two hashes that differ in at most d bits agree in at least one band (pigeonhole), so
every pair within the distance meets in some bucket of (band, value).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Flags, Words, array_of, first_per_key, words_of
from pairmill.ledger.phases import BANDS_ROLE, CONTENTS_ROLE
from pairmill.verdict import one_array
from pairmill_finaliser.keys import by_band, content_heads
from pairmill_finaliser.step import Step
from pairmill_finaliser.steps import SCHEMAS

HASH_BITS: Final = 64

_ENOUGH: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Samples with their contents, row-aligned."""

    content: Words  # (n, 4)
    sample: Words  # (n, 2)
    phash: npt.NDArray[np.uint64]  # (n,), 0 where there is none
    has_phash: Flags  # (n,)

    def __len__(self) -> int:
        return len(self.content)

    def take(self, rows: Flags) -> Contents:
        """Returns the chosen rows."""
        return Contents(
            content=self.content[rows],
            sample=self.sample[rows],
            phash=self.phash[rows],
            has_phash=self.has_phash[rows],
        )


def find_bands(step: Step) -> int:
    """Writes the representatives of a content prefix by band; returns the copies read."""
    chosen = representatives_of(contents_from(table) for table in step.read(CONTENTS_ROLE))
    bands = bands_of(chosen, step.spec.finalise.max_hash_distance)
    numbers = by_band(_numbers(bands, "band"), _numbers(bands, "value"), step.partitions)
    step.sink(BANDS_ROLE).add(bands, numbers)
    return step.context.task.rows


def representatives_of(pieces: Iterable[Contents]) -> Contents:
    """Returns one sample per content, in memory for the different contents, not for the copies."""
    chosen, waiting = no_contents(), list[Contents]()
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) >= max(len(chosen), _ENOUGH):
            chosen, waiting = representatives(joined(chosen, *waiting)), []
    return representatives(joined(chosen, *waiting))


def representatives(contents: Contents) -> Contents:
    """Returns one sample per content: the one with the smallest id."""
    return contents.take(first_per_key(contents.content, contents.sample))


def bands_of(contents: Contents, distance: int) -> pa.Table:
    """Returns the contents that have a perceptual hash, once for each band."""
    known = contents.take(contents.has_phash)
    heads, samples = pa.array(content_heads(known.content)), array_of(known.sample)
    tables = [
        pa.table(
            [
                pa.array(np.full(len(known), band, dtype=np.uint64)),
                pa.array(values),
                pa.array(known.phash),
                samples,
                heads,
            ],
            schema=SCHEMAS[BANDS_ROLE],
        )
        for band, values in enumerate(band_values(known.phash, distance))
    ]
    return pa.concat_tables(tables)


def band_values(hashes: npt.NDArray[np.uint64], distance: int) -> list[npt.NDArray[np.uint64]]:
    """Returns the bits of each of the `distance + 1` bands, which are as even as 64 bits allow."""
    count = distance + 1
    edges = [HASH_BITS * band // count for band in range(count + 1)]
    values = []
    for low, high in itertools.pairwise(edges):
        mask = np.uint64((1 << (high - low)) - 1)
        values.append((hashes >> np.uint64(low)) & mask)
    return values


def contents_from(table: pa.Table) -> Contents:
    """Returns the contents that a scattered table holds."""
    phash = one_array(table, "phash")
    return Contents(
        content=words_of(one_array(table, "content")),
        sample=words_of(one_array(table, "sample_id")),
        phash=np.asarray(phash.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.uint64),
        has_phash=np.asarray(phash.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_),
    )


def no_contents() -> Contents:
    """Returns no rows."""
    return Contents(
        content=np.empty((0, 4), dtype=np.uint64),
        sample=np.empty((0, 2), dtype=np.uint64),
        phash=np.empty(0, dtype=np.uint64),
        has_phash=np.empty(0, dtype=np.bool_),
    )


def joined(*pieces: Contents) -> Contents:
    """Returns the rows of all."""
    return Contents(
        content=np.concatenate([piece.content for piece in pieces]),
        sample=np.concatenate([piece.sample for piece in pieces]),
        phash=np.concatenate([piece.phash for piece in pieces]),
        has_phash=np.concatenate([piece.has_phash for piece in pieces]),
    )


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.uint64]:
    return np.asarray(table.column(name).to_numpy(), dtype=np.uint64)
