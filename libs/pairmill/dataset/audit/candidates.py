"""Candidates counted from the data, and the funnel compared with them (promise 1)."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset import roles
from pairmill.dataset.audit.ledger import LedgerAudit
from pairmill.dataset.audit.work import Work, batches, told
from pairmill.dataset.dead_letters import DEAD_LETTERS
from pairmill.dataset.funnel import DATASET, IN, Counts, final_counts, funnel_rows, stage_counts
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.recount import Fact, Judged, Promises
from pairmill.idarrays import words_of, words_of_hex
from pairmill.ids import ID_BYTES
from pairmill_protos.job.v1.job_pb2 import ImagePolicy

_PLANNED: Final = pa.schema({"sample_id": pa.binary(ID_BYTES)})


def count_rest(work: Work) -> None:
    """Takes the candidates that stand neither in shards nor in `data/`: dead letters, and plans."""
    for entry in work.dataset.files(roles.DEAD_LETTERS):
        _count_dead(entry, work)
    for entry in work.dataset.files(roles.PLAN):
        _count_planned(entry, work)


def check_candidates(found: LedgerAudit, work: Work) -> Judged:
    """Judges every id that the files named; each candidate has to end in exactly one way."""
    cancelled = work.dataset.manifest.state == "cancelled"
    judged = work.recount.judge(
        Promises(
            has_train=work.spec.image.policy != ImagePolicy.IMAGE_POLICY_NONE and not cancelled,
            is_planned=any(True for _ in work.dataset.files(roles.PLAN)),
            is_cancelled=cancelled,
        )
    )
    for problem, rows in judged.problems.items():
        for path, identifier in judged.examples[problem][:1]:
            more = f" (and {rows - 1:,} more samples)" if rows > 1 else ""
            work.findings.add("candidates", path, f"{identifier} {problem}{more}")
    totals = found.totals.get(work.dataset.manifest.job_id)
    if totals is not None and not cancelled and not work.spec.HasField("base"):
        planned = totals.passed("plan")
        if planned != judged.candidates:
            problem = f"{planned:,} candidates were planned, {judged.candidates:,} stand in the data"
            work.findings.add("candidates", "", problem)
    return judged


def check_funnel(judged: Judged, found: LedgerAudit, work: Work) -> None:
    """Compares the manifest's funnel with itself, with the ledger and with the data."""
    funnel = work.dataset.manifest.funnel
    for stage in dict.fromkeys(row.stage for row in funnel):
        counts = stage_counts(funnel, stage)
        given = sum(row.count for row in funnel if row.stage == stage and row.outcome == IN)
        if given != counts.total():
            problem = f"{stage}: {given:,} rows in, {counts.total():,} accounted for"
            work.findings.add("funnel", "", problem)
    totals = found.totals.get(work.dataset.manifest.job_id)
    if totals is None:
        return
    recounted = judged.final
    if work.dataset.manifest.state == "cancelled":
        recounted = final_counts(totals)
    wanted = funnel_rows(totals.stages, recounted)
    for stage in dict.fromkeys(row.stage for row in (*funnel, *wanted)):
        said, counted = stage_counts(funnel, stage), stage_counts(wanted, stage)
        if said != counted:
            source = "data has" if stage == DATASET else "ledger has"
            problem = f"{stage}: the manifest says {told(_only(said, counted))}, the {source} "
            work.findings.add("funnel", "", problem + told(_only(counted, said)))


def _only(counts: Counts, others: Counts) -> Counts:
    """Returns the counts that differ from the others."""
    differing: Counts = type(counts)()
    for end in counts.keys() | others.keys():
        if counts[end] != others[end]:
            differing[end] = counts[end]
    return differing


def _count_dead(entry: FileEntry, work: Work) -> None:
    number, rank = work.recount.file(entry.path), work.lineage.rank(entry)

    def inspect(file: pq.ParquetFile) -> None:
        for table in batches(file, ["sample_id", "outcome", "reason"]):
            outcomes, reasons = table.column("outcome").to_pylist(), table.column("reason").to_pylist()
            work.recount.add(
                words_of_hex(table.column("sample_id").combine_chunks(), ID_BYTES),
                Fact.DEAD,
                file=number,
                rank=rank,
                ends=[
                    work.recount.end(outcome or "", reason or "")
                    for outcome, reason in zip(outcomes, reasons, strict=True)
                ],
            )

    work.check_parquet(entry, DEAD_LETTERS, inspect)


def _count_planned(entry: FileEntry, work: Work) -> None:
    number = work.recount.file(entry.path)

    def inspect(file: pq.ParquetFile) -> None:
        for table in batches(file, ["sample_id"]):
            ids = words_of(table.column("sample_id").combine_chunks())
            work.recount.add(ids, Fact.PLANNED, file=number)

    work.check_parquet(entry, _PLANNED, inspect)
