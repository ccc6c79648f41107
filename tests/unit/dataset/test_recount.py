"""Counting candidates range by range gives the same whatever the number of ranges."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pairmill.dataset.recount import Fact, Judged, Promises, Recount
from pairmill.idarrays import Words

RULES = Promises(has_train=True, is_planned=True, is_cancelled=False)


def _ids(count: int, seed: int = 1) -> Words:
    return np.random.default_rng(seed).integers(0, 2**64, size=(count, 2), dtype=np.uint64)


def _count(folder: Path, partition_rows: int) -> Judged:
    """1,000 planned: 600 downloaded, of them 400 kept and 200 filtered; 300 failed, 100 dead."""
    ids = _ids(1000)
    recount = Recount(folder, 3000, partition_rows=partition_rows)
    index, data = recount.file("shards/a.parquet"), recount.file("data/en/a.parquet")
    for start in range(0, 1000, 100):
        recount.add(ids[start : start + 100], Fact.PLANNED, file=index)
    recount.add(ids[:600], Fact.PASSED, file=index, ends=[recount.end("passed", "")] * 600)
    recount.add(ids[:600], Fact.EMBEDDED, file=index)
    recount.add(ids[600:900], Fact.FAILED, file=index, ends=[recount.end("failed", "http_4xx")] * 300)
    recount.add(ids[900:], Fact.DEAD, file=index, ends=[recount.end("dead_letter", "unit_failed")] * 100)
    recount.add(ids[:400], Fact.KEPT, file=data, ends=[recount.end("kept", "")] * 400)
    recount.add(ids[:400], Fact.TRAINED, file=data)
    recount.add(ids[400:600], Fact.FILTERED, file=data, ends=[recount.end("filtered", "unsafe")] * 200)
    return recount.judge(RULES)


@pytest.mark.parametrize("partition_rows", [10, 1000, 10_000])
def test_every_candidate_ends_once(partition_rows: int, tmp_path: Path) -> None:
    judged = _count(tmp_path, partition_rows)
    assert judged.candidates == 1000
    assert not judged.problems
    assert judged.final == {
        ("kept", ""): 400,
        ("filtered", "unsafe"): 200,
        ("failed", "http_4xx"): 300,
        ("dead_letter", "unit_failed"): 100,
    }


def test_u16_a_chain_of_versions_may_be_long(tmp_path: Path) -> None:
    ids = _ids(10)
    recount = Recount(tmp_path, 20)
    for rank, reason in ((0, "http_4xx"), (300, "http_5xx")):
        ends = [recount.end("failed", reason)] * 10
        recount.add(ids, Fact.FAILED, file=recount.file(f"shards/{rank}"), rank=rank, ends=ends)
    judged = recount.judge(Promises(has_train=True, is_planned=False, is_cancelled=False))
    assert judged.final == {("failed", "http_5xx"): 10}
    assert not judged.problems


def test_u16_rows_of_a_repair_replace_those_of_its_base(tmp_path: Path) -> None:
    ids = _ids(10)
    recount = Recount(tmp_path, 40)
    base, repair, data = recount.file("base"), recount.file("repair"), recount.file("data")
    recount.add(ids, Fact.FAILED, file=base, rank=0, ends=[recount.end("failed", "http_5xx")] * 10)
    recount.add(ids[:6], Fact.PASSED, file=repair, rank=1, ends=[recount.end("passed", "")] * 6)
    recount.add(ids[6:8], Fact.FAILED, file=repair, rank=1, ends=[recount.end("failed", "http_4xx")] * 2)
    recount.add(ids[:6], Fact.EMBEDDED, file=repair, rank=1)
    recount.add(ids[:6], Fact.KEPT, file=data, rank=1, ends=[recount.end("kept", "")] * 6)
    recount.add(ids[:6], Fact.TRAINED, file=data)
    judged = recount.judge(Promises(has_train=True, is_planned=False, is_cancelled=False))
    assert not judged.problems
    assert judged.final == {("kept", ""): 6, ("failed", "http_4xx"): 2, ("failed", "http_5xx"): 2}


def test_what_has_no_end_was_open_when_the_job_was_cancelled(tmp_path: Path) -> None:
    ids = _ids(10)
    recount = Recount(tmp_path, 10)
    index = recount.file("index")
    recount.add(ids[:7], Fact.PASSED, file=index, ends=[recount.end("passed", "")] * 7)
    recount.add(ids[7:], Fact.FAILED, file=index, ends=[recount.end("failed", "reset")] * 3)
    judged = recount.judge(Promises(has_train=False, is_planned=False, is_cancelled=True))
    assert judged.final == {("failed", "reset"): 3, ("cancelled", "cancelled"): 7}


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ((Fact.PASSED, Fact.FAILED), "stands twice in the shard indexes"),
        ((Fact.KEPT, Fact.FILTERED), "stands twice in data/"),
        ((Fact.KEPT,), "stands in data/, but no shard index has it"),
        ((Fact.PASSED,), "was downloaded, but has no row in data/"),
        ((Fact.PASSED, Fact.KEPT, Fact.EMBEDDED), "is kept, but does not stand in train/"),
        ((Fact.TRAINED,), "stands in train/, but is not kept"),
        ((Fact.PASSED, Fact.KEPT), "has a verdict by scores, but no embeddings"),
        ((Fact.DEAD, Fact.FAILED), "failed to download and is a dead letter"),
        ((Fact.PLANNED,), "was planned, but never ended"),
        ((Fact.FAILED,), "came out, but was never planned"),
    ],
)
def test_each_broken_rule_is_named_with_an_example(
    facts: tuple[Fact, ...], problem: str, tmp_path: Path
) -> None:
    recount = Recount(tmp_path, 10)
    ids, file = _ids(1), recount.file("the/file")
    for fact in facts:
        recount.add(ids, fact, file=file, ends=[recount.end("some", "end")])
    judged = recount.judge(RULES)
    found = Counter({name: rows for name, rows in judged.problems.items() if name.startswith(problem)})
    assert found.total() == 1
    ((path, identifier),) = judged.examples[next(iter(found))]
    assert path == "the/file"
    assert int(identifier, 16) == (int(ids[0, 0]) << 64) | int(ids[0, 1])
