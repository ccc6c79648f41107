"""What a repair makes superfluous of its base: shards that only hold rows which ran again (U16).

A repair runs all dead letters again. The images of a unit that was given up after its download, and
its embeddings where it came that far, are then replaced to the last row, by rows of the repair. The
version that the repair makes does without those files, which may be what the unit was given up for:
one with a flipped bit (G4) would be found damaged in every version to come. The base's own manifest
goes on naming them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from pairmill.dataset import roles
from pairmill.dataset.funnel import closing_rows
from pairmill.dataset.ledger_file import LedgerRow
from pairmill.ledger.barriers import follow_ups
from pairmill.ledger.root import Load
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitTask

Rows: TypeAlias = Callable[[], Iterator[LedgerRow]]
"""Reads a ledger file anew, so that it never has to be in memory."""

_EMBEDDINGS: Final = (roles.IMAGE_EMBEDDINGS, roles.TEXT_EMBEDDINGS, roles.EMBEDDING_METADATA)
_HOLDING_SHARDS: Final = ("embed", "score")


def superseded_files(ledger: Rows, load: Load) -> frozenset[str]:
    """Returns the files of a job that are superseded once a repair has run its dead letters again.

    Decided by the ledger alone. The index of a shard stays where it has rows of other ends.
    """
    dead = {
        (row.unit_id, row.input_digest)
        for row in closing_rows(ledger())
        if row.kind == "failed" and row.stage in _HOLDING_SHARDS
    }
    return frozenset(_files(ledger, dead, load)) if dead else frozenset()


def _files(ledger: Rows, dead: set[tuple[str, bytes]], load: Load) -> Iterator[str]:
    for row in ledger():
        if row.kind == "done":
            for task in follow_ups(row.record.done, load):
                if (task.unit_id, task.input_digest) in dead:
                    yield from _files_of(task, row)


def _files_of(task: UnitTask, parent: LedgerRow) -> Iterator[str]:
    """Yields what a unit that was given up worked on; `parent` is the record that it follows from."""
    is_embed = task.stage == Stage.STAGE_EMBED
    given = task.input.embed if is_embed else task.input.score
    yield given.shard.key
    if given.shard_index.rows == task.rows:
        yield given.shard_index.key
        yield given.shard_index.key.removesuffix(".parquet") + "_stats.json"
    if not is_embed:
        yield from (output.key for output in parent.outputs if output.role in _EMBEDDINGS)
