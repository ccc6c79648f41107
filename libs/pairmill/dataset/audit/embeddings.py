"""Embeddings: three row-aligned files per shard, or none; unit vectors throughout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pairmill.dataset import roles
from pairmill.dataset.arrays import mapped_halves
from pairmill.dataset.audit.work import Work, batches
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import number_of
from pairmill.dataset.recount import Fact
from pairmill.errors import InvalidRecordError
from pairmill.idarrays import words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.schemas import EMBEDDING_METADATA

MAX_NORM_ERROR: Final = 2e-3
"""Rounding a unit vector to float16 moves its norm by less."""

EMBEDDING_ROLES: Final = (roles.IMAGE_EMBEDDINGS, roles.TEXT_EMBEDDINGS, roles.EMBEDDING_METADATA)
_BLOCK: Final = 8_192


def check_embeddings(work: Work) -> None:
    """Checks all embedding files shard by shard."""
    for number, entries in _threes(work):
        for role in EMBEDDING_ROLES:
            if role not in entries:
                there = next(iter(entries.values())).path
                work.findings.add("embeddings", there, f"its {role.replace('_', ' ')} file is not listed")
        rows = {role: entry.rows for role, entry in entries.items()}
        if len(set(rows.values())) > 1:
            told = ", ".join(f"{role} {count:,}" for role, count in sorted(rows.items()))
            work.findings.add("embeddings", number, f"the files of one shard are not aligned: {told}")
        for role, entry in entries.items():
            if role == roles.EMBEDDING_METADATA:
                _check_metadata(entry, work)
            else:
                _check_vectors(entry, work)


def _threes(work: Work) -> Iterator[tuple[str, dict[str, FileEntry]]]:
    """Yields the files of each shard by role: a merge of three listings in the same order."""
    listings = {role: work.dataset.files(role) for role in EMBEDDING_ROLES}
    heads: dict[str, FileEntry | None] = {role: next(files, None) for role, files in listings.items()}
    while numbers := [number_of(entry) for entry in heads.values() if entry is not None]:
        number = min(numbers)
        found = {
            role: entry for role, entry in heads.items() if entry is not None and number_of(entry) == number
        }
        yield number, found
        for role in found:
            heads[role] = next(listings[role], None)


def _check_metadata(entry: FileEntry, work: Work) -> None:
    number, rank = work.recount.file(entry.path), work.lineage.rank(entry)

    def inspect(file: pq.ParquetFile) -> None:
        for table in batches(file, ["sample_id"]):
            ids = words_of_hex(table.column("sample_id").combine_chunks(), ID_BYTES)
            work.recount.add(ids, Fact.EMBEDDED, file=number, rank=rank)

    work.check_parquet(entry, EMBEDDING_METADATA, inspect)


def _check_vectors(entry: FileEntry, work: Work) -> None:
    def inspect(path: Path) -> None:
        try:
            vectors = mapped_halves(path)
        except InvalidRecordError as error:
            work.findings.add("embeddings", entry.path, str(error))
            return
        work.compare_rows(entry, len(vectors))
        wanted = work.spec.bundle.dimensions
        if vectors.shape[1] != wanted:
            problem = f"its vectors have {vectors.shape[1]} dimensions, the bundle's {wanted}"
            work.findings.add("embeddings", entry.path, problem)
        bad = [str(row) for row in not_normalised(vectors)]
        if bad:
            problem = "rows are not finite unit vectors"
            work.findings.add_rows("embeddings", entry.path, problem, bad, len(bad))

    work.check(entry, inspect)


def not_normalised(vectors: npt.NDArray[Any]) -> Iterator[int]:
    """Yields the rows that are not finite or not of unit length."""
    for start in range(0, len(vectors), _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK], dtype=np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", block, block))
        for row in np.flatnonzero(~(np.abs(norms - 1) <= MAX_NORM_ERROR)):
            yield start + int(row)
