"""`train/`: the kept samples in the order of their ids, in equal counts, each file like its index."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import pyarrow.parquet as pq

from pairmill.dataset import roles
from pairmill.dataset.audit.shards import Indexed, check_tar, images_of, unit_name
from pairmill.dataset.audit.work import Work, batches
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.recount import Fact
from pairmill.idarrays import words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.schemas import TRAIN_INDEX

TRAIN_ROLES: Final = (roles.TRAIN_SHARD, roles.TRAIN_INDEX)
_COLUMNS: Final = ["key", "tar_offset", "tar_size", "caption"]


def check_train(work: Work) -> None:
    """Checks all files of `train/` in their order (U12)."""
    last, previous = "", None
    for _, group in groupby(work.dataset.files(*TRAIN_ROLES), key=lambda entry: unit_name(entry.path)):
        entries = {entry.role: entry for entry in group}
        shard, index = entries.get(roles.TRAIN_SHARD), entries.get(roles.TRAIN_INDEX)
        if shard is None or index is None:
            there = (shard or index or next(iter(entries.values()))).path
            work.findings.add("train", there, "a train file needs a tar and an index of the same name")
        indexed = Indexed()
        if index is not None:
            last = _check_index(index, last, indexed, work)
        if shard is not None:
            check_tar(shard, indexed, work)
            if previous is not None and previous.rows != work.spec.finalise.train_shard_samples:
                problem = (
                    f"it has {previous.rows:,} samples and is not the last file; the job asks for "
                    f"{work.spec.finalise.train_shard_samples:,} per file"
                )
                work.findings.add("train", previous.path, problem)
            previous = shard


def _check_index(entry: FileEntry, last: str, indexed: Indexed, work: Work) -> str:
    """Returns the last key of the index; keys have to ascend over all files."""
    number, end = work.recount.file(entry.path), last
    order: list[str] = []

    def inspect(file: pq.ParquetFile) -> None:
        nonlocal end
        for table in batches(file, _COLUMNS):
            keys = [key or "" for key in table.column("key").to_pylist()]
            for key in keys:
                if key <= end:
                    work.findings.add("train", entry.path, f"{key} does not follow in order of sample_id")
                    break
                end = key
            end = max([end, *keys])
            order.extend(keys)
            indexed.images |= images_of(table)
            ids = words_of_hex(table.column("key").combine_chunks(), ID_BYTES)
            work.recount.add(ids, Fact.TRAINED, file=number)
        indexed.order, indexed.is_read = order, True

    work.check_parquet(entry, TRAIN_INDEX, inspect)
    return end
