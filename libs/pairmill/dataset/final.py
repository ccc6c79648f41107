"""How the candidates of a version ended, where it starts from a base: counted from its files (U16)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pairmill.dataset import roles
from pairmill.dataset.funnel import DEAD_LETTER, FAILED, FILTERED, KEPT, PASSED, Counts
from pairmill.dataset.ledger_file import read_ledger
from pairmill.dataset.lineage import Lineage, lineage_of, verified_load
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import Dataset
from pairmill.dataset.recount import Fact, Promises, Recount
from pairmill.dataset.superseded import superseded_files
from pairmill.idarrays import words_of_hex
from pairmill.ids import ID_BYTES

_OUTCOMES = {
    roles.SHARD_INDEX: "outcome",
    roles.DEAD_LETTERS: "outcome",
    roles.SAMPLES: "verdict",
}
_FACTS = {
    PASSED: Fact.PASSED,
    FAILED: Fact.FAILED,
    DEAD_LETTER: Fact.DEAD,
    KEPT: Fact.KEPT,
    FILTERED: Fact.FILTERED,
}


def final_counts_of(dataset: Dataset, scratch: Path) -> Counts:
    """Returns how the candidates ended, by (outcome, reason): later jobs replace rows of earlier ones.

    Memory does not grow with the rows; ids are sorted in `scratch`. The manifest may be a draft whose
    funnel is still empty.
    """
    lineage = lineage_of(dataset)
    rows = sum(entry.rows for entry in dataset.files(*_OUTCOMES))
    recount = Recount(scratch, rows)
    for entry in dataset.files(*_OUTCOMES):
        _take(dataset, entry, lineage, recount)
    cancelled = dataset.manifest.state == "cancelled"
    return recount.judge(Promises(has_train=False, is_planned=False, is_cancelled=cancelled)).final


def inherited_files(base: Dataset, *, is_repair: bool) -> Iterator[FileEntry]:
    """Yields the files of a base version that a repair or refilter takes over."""
    own = {*roles.OF_ONE_VERSION, roles.REPORT}
    gone = _superseded(base) if is_repair else frozenset()
    return (entry for entry in base.files() if entry.role not in own and entry.path not in gone)


def _superseded(base: Dataset) -> frozenset[str]:
    found: set[str] = set()
    for entry in base.files(roles.LEDGER):
        with base.source.local(entry.path) as path:
            found |= superseded_files(partial(read_ledger, path), verified_load(base.source))
    return frozenset(found)


def _take(dataset: Dataset, entry: FileEntry, lineage: Lineage, recount: Recount) -> None:
    column, number, rank = _OUTCOMES[entry.role], recount.file(entry.path), lineage.rank(entry)
    for batch in dataset.batches(entry, ["sample_id", column, "reason"]):
        outcomes, reasons = batch.column(column).to_pylist(), batch.column("reason").to_pylist()
        facts = [_fact(entry.role, outcome) for outcome in outcomes]
        recount.add(
            words_of_hex(batch.column("sample_id"), ID_BYTES),
            np.array(facts, dtype=np.int8),
            file=number,
            rank=rank,
            ends=[
                recount.end(outcome or "", reason or "")
                for outcome, reason in zip(outcomes, reasons, strict=True)
            ],
        )


def _fact(role: str, outcome: str | None) -> Fact:
    if role == roles.SAMPLES and outcome == FAILED:
        return Fact.UNUSABLE
    return _FACTS.get(outcome or "", Fact.FAILED)
