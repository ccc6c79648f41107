"""`data/`: does each row say what its scores, its address and its place say?"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset import roles
from pairmill.dataset.audit.identity import ID_CHECKS, check_ids
from pairmill.dataset.audit.work import Work, batches, spread
from pairmill.dataset.funnel import FAILED, FILTERED, KEPT
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.recount import Fact
from pairmill.dataset.source import UNREADABLE
from pairmill.dataset.tars import BLOCK, BadTarError, parse_header
from pairmill.dataset.verdicts import CHOICE_REASONS, verdicts_by_scores
from pairmill.idarrays import words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.languages import language_bucket
from pairmill.schemas import SAMPLES

IMAGE_CHECKS: Final = 64
_FACTS: Final = {KEPT: Fact.KEPT, FILTERED: Fact.FILTERED, FAILED: Fact.UNUSABLE}


def check_samples(work: Work) -> None:
    """Checks all files of `data/`."""
    for entry in work.dataset.files(roles.SAMPLES):
        _check_file(entry, work)


def _check_file(entry: FileEntry, work: Work) -> None:
    tally: Counter[tuple[str, str]] = Counter()
    number, rank = work.recount.file(entry.path), len(work.lineage.jobs) - 1
    places = spread(entry.rows, ID_CHECKS)

    def inspect(file: pq.ParquetFile) -> None:
        first = 0
        for table in batches(file, SAMPLES.names):
            _check_bucket(entry, table, work)
            _check_verdicts(entry, table, work)
            here = [place - first for place in places if first <= place < first + len(table)]
            check_ids(entry, table.take(here), "URL", "TEXT", work)
            _check_images(entry, table, work, every=max(1, -(-len(places) // IMAGE_CHECKS)), places=here)
            tally.update(_count(table, number, rank, work))
            first += len(table)
        work.compare_tally(entry, tally)

    work.check_parquet(entry, SAMPLES, inspect)


def _count(table: pa.Table, number: int, rank: int, work: Work) -> list[tuple[str, str]]:
    verdicts, reasons = table.column("verdict").to_pylist(), table.column("reason").to_pylist()
    ends = [(verdict or "", reason or "") for verdict, reason in zip(verdicts, reasons, strict=True)]
    facts = [_FACTS.get(verdict, Fact.UNUSABLE) for verdict, _ in ends]
    ids = words_of_hex(table.column("sample_id").combine_chunks(), ID_BYTES)
    work.recount.add(
        ids,
        np.array(facts, dtype=np.int8),
        file=number,
        rank=rank,
        ends=[work.recount.end(*end) for end in ends],
    )
    given_up = np.array([shard is None for shard in table.column("shard").to_pylist()], dtype=np.bool_)
    work.recount.add(ids[given_up], Fact.IMAGELESS, file=number, rank=rank)
    return ends


def _check_bucket(entry: FileEntry, table: pa.Table, work: Work) -> None:
    found = {language_bucket(language) for language in table.column("LANGUAGE").unique().to_pylist()}
    for bucket in sorted(found):
        if f"/{bucket}/" not in f"/{entry.path}":
            work.findings.add("samples", entry.path, f"it holds rows that belong into data/{bucket}/")


def _check_verdicts(entry: FileEntry, table: pa.Table, work: Work) -> None:
    """Verdicts have to follow from the stored scores; only choices over the set come on top (U11)."""
    wrong = []
    rows = table.select(["sample_id", "verdict", "reason"]).to_pylist()
    for row, by_scores in zip(rows, verdicts_by_scores(table, work.spec.score), strict=True):
        verdict, why = row["verdict"], row["reason"] or ""
        if verdict == FAILED:
            fits = by_scores[0] == FAILED
        elif why in CHOICE_REASONS:
            fits = verdict == FILTERED and by_scores[0] == KEPT
        else:
            fits = (verdict, why) == by_scores
        if not fits:
            wrong.append(f"{row['sample_id']} is {verdict} {why}".rstrip())
    if wrong:
        work.findings.add_rows(
            "verdict", entry.path, "verdicts do not follow from the scores", wrong, len(wrong)
        )


def _check_images(entry: FileEntry, table: pa.Table, work: Work, *, every: int, places: list[int]) -> None:
    """Looks up some images where the rows say they are, by the tar header before their bytes."""
    columns = ["sample_id", "shard", "tar_offset", "tar_size"]
    for row in table.select(columns).take(places[::every]).to_pylist():
        if row["shard"] is None or row["tar_offset"] is None:
            continue
        try:
            start = row["tar_offset"] - BLOCK
            header = work.dataset.source.read_range(row["shard"], start, BLOCK) if start >= 0 else b""
            member = parse_header(header, start)
        except (*UNREADABLE, BadTarError, OSError) as error:
            work.findings.add("samples", entry.path, f"image of {row['sample_id']}: {row['shard']}: {error}")
            continue
        if (member.key, member.offset, member.size) != (row["sample_id"], row["tar_offset"], row["tar_size"]):
            problem = f"shard, tar_offset and tar_size of {row['sample_id']} point at {member.name}"
            work.findings.add("samples", entry.path, problem)
