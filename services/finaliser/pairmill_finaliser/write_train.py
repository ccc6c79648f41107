"""Phase 10: one file of `train/`: kept ranks [nK, (n+1)K) in order of `sample_id`.

The tar is a pure function of the walk, so its name holds no attempt and two writers write equal bytes
(U4). It holds only what U0 compares exactly: no score, no time, nothing of a shard's boundaries.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.sample_json import sample_json
from pairmill.dataset.tar_writer import TarWriter
from pairmill.ledger.phases import KEPT_ROLE
from pairmill.schemas import TRAIN_INDEX, versioned
from pairmill_finaliser.images import StoredImage, read_images
from pairmill_finaliser.step import Step
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

TRAIN_SHARD_ROLE: Final = "train_shard"
TRAIN_INDEX_ROLE: Final = "train_index"

_PLACE: Final = ("image_path", "tar_offset", "tar_size")
_NAMES: Final = {"key": "sample_id", "caption": "text"}


def write_train(step: Step, *, threads: int) -> tuple[int, list[ObjectRef]]:
    """Writes one file of `train/` with its index; returns the samples in it and the references."""
    rows = _rows(step).to_pylist()
    stored = (StoredImage(**{name: row[name] for name in StoredImage.__slots__}) for row in rows)
    images = read_images(step.context.store, stored, threads=threads, check=step.check)
    index: list[dict[str, Any]] = []
    with TarWriter(step.path("train.tar")) as tar:
        for row, image in zip(rows, images, strict=True):
            name = f"{row['sample_id']}.{image.extension}"
            described, place = description(row), tar.add(name, image.data)
            tar.add(f"{row['sample_id']}.txt", row["text"].encode())
            tar.add(f"{row['sample_id']}.json", sample_json(described, TRAIN_INDEX))
            index.append(described | {"image_path": name, "tar_offset": place.offset, "tar_size": place.size})
            step.advance(1)
    return len(rows), list(_stored(step, pa.Table.from_pylist(index, versioned(TRAIN_INDEX))))


def description(row: dict[str, Any]) -> dict[str, Any]:
    """Returns what is said of a sample beside its image, by the names of the index."""
    return {name: row[_NAMES.get(name, name)] for name in TRAIN_INDEX.names if name not in _PLACE}


def _rows(step: Step) -> pa.Table:
    """The kept rows of this file's ranks."""
    size = step.spec.finalise.train_shard_samples
    table = pa.concat_tables(step.read(KEPT_ROLE))
    return table.slice(step.unit.partition * size - step.unit.first_rank, size)


def _stored(step: Step, index: pa.Table) -> Iterator[ObjectRef]:
    name = f"train/{step.context.task.job_id}/{step.unit.partition:05d}"
    pq.write_table(index, step.path("train.parquet"), compression="zstd")
    files = ((".tar", TRAIN_SHARD_ROLE), (".parquet", TRAIN_INDEX_ROLE))
    for suffix, role in files:
        yield step.context.put_file(
            f"{name}{suffix}", step.path(f"train{suffix}"), role=role, rows=len(index)
        )
