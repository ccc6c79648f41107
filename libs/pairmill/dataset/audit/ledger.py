"""The ledger: walked again, balanced unit by unit, and compared with what the manifest lists."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from pairmill.dataset import roles
from pairmill.dataset.audit.work import Work, told
from pairmill.dataset.contents import is_given_up
from pairmill.dataset.derived import RETRY_FAILED
from pairmill.dataset.funnel import HANDED_ON, PASSED, Counts, LedgerTotals, add_up, closing_rows
from pairmill.dataset.ledger_file import LedgerOutput, LedgerRow, read_ledger
from pairmill.dataset.lineage import verified_load
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.source import UNREADABLE
from pairmill.dataset.superseded import Rows, superseded_files
from pairmill.ledger.barriers import follow_ups
from pairmill.ledger.root import JobRoot, load_root
from pairmill.ledger.walk import Closing, Walk
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitTask

MAX_OPEN_SHOWN: Final = 10


class LedgerAudit:
    """What the ledgers of a dataset's jobs came to. Grows with the number of units, not of rows."""

    def __init__(self) -> None:
        self.units = 0
        self.totals: dict[str, LedgerTotals] = {}
        self.tallies: dict[str, Counts] = {}  # by index of a shard
        self.written: set[bytes] = set()  # fingerprints of all outputs that belong to a dataset


def check_ledgers(work: Work) -> LedgerAudit:
    """Checks the ledger of each job of the dataset, the base's first."""
    found = LedgerAudit()
    for job in work.lineage.jobs:
        entry = work.lineage.ledgers.get(job)
        if entry is None:
            work.findings.add("ledger", "", f"the manifest lists no ledger of job {job}")
        else:
            work.check(entry, partial(_check, job, entry, found, work))
    for entry in work.dataset.files(roles.SPEC, roles.LIST):
        work.check(entry)
    _compare_with_manifest(found, work)
    return found


def _check(job: str, entry: FileEntry, found: LedgerAudit, work: Work, path: Path) -> None:
    rows = partial(read_ledger, path)
    try:
        _check_rows(rows, job, entry, found, work)
        if job not in work.lineage.specs:
            work.findings.add("ledger", entry.path, f"the manifest lists no readable spec of job {job}")
            return
        _walk_again(
            rows, load_root(work.lineage.specs[job][1], verified_load(work.dataset.source)), entry, work
        )
        _check_flow(rows, entry, work)
    except (*UNREADABLE, DecodeError, ValueError, KeyError) as error:
        work.findings.add("ledger", entry.path, f"the ledger cannot be walked: {error}")


def _check_rows(rows: Rows, job: str, entry: FileEntry, found: LedgerAudit, work: Work) -> None:
    number, last = 0, -1
    for row in rows():
        number += 1
        if row.seq <= last:
            work.findings.add("ledger", entry.path, f"record {row.seq} does not follow in order")
        last = row.seq
        _check_row(row, entry, work)
        found.tallies.update(_tallies(row))
        found.written.update(
            fingerprint_of(output) for output in row.outputs if output.role in roles.FINAL_OUTPUTS
        )
    work.compare_rows(entry, number)
    found.units += sum(1 for _ in closing_rows(rows()))
    found.totals[job] = add_up(rows())


def _check_row(row: LedgerRow, entry: FileEntry, work: Work) -> None:
    """Each unit balances by itself (U2), and the columns say what the record says."""
    record = row.record
    if record.WhichOneof("record") != row.kind:
        work.findings.add("ledger", entry.path, f"record {row.seq} is no {row.kind}")
        return
    if row.kind != "done":
        return
    ended = sum(count.rows for count in row.counts)
    if ended != row.rows_in:
        problem = f"unit {row.unit_id} does not balance: {row.rows_in:,} rows in, {ended:,} accounted for"
        work.findings.add("ledger", entry.path, problem)
    recorded = sum(count.rows for count in record.done.counts)
    if (record.done.unit_id, record.done.rows_in, recorded) != (row.unit_id, row.rows_in, ended):
        work.findings.add(
            "ledger", entry.path, f"the columns of record {row.seq} are not those of the record"
        )


def _tallies(row: LedgerRow) -> dict[str, Counts]:
    """Returns how the rows of a download unit's index end."""
    counts: Counts = Counter()
    for count in row.counts:
        if count.outcome != HANDED_ON:
            counts[count.outcome, count.reason] += count.rows
    indexes = (output.key for output in row.outputs if output.role == roles.SHARD_INDEX)
    return dict.fromkeys(indexes, counts)


def _walk_again(rows: Rows, root: JobRoot, entry: FileEntry, work: Work) -> None:
    """Walks the ledger (U3): nothing expected may be open, and no record may stand in it for nothing."""
    walk = Walk(root, verified_load(work.dataset.source))
    for row in rows():
        walk.feed(row.seq, row.record)
        walk.take_expected()
        walk.take_failed()
    missing = sorted(task.unit_id for task in walk.open_units())
    for unit_id in missing[:MAX_OPEN_SHOWN]:
        work.findings.add("ledger", entry.path, f"unit {unit_id} is expected, but no record of it is here")
    if len(missing) > MAX_OPEN_SHOWN:
        more = f"{len(missing) - MAX_OPEN_SHOWN:,} more units are expected, but have no record here"
        work.findings.add("ledger", entry.path, more)
    stray = [row.unit_id for row in rows() if not _counts(walk, row)]
    if stray:
        problem = "records that no counted unit leads to"
        work.findings.add_rows("ledger", entry.path, problem, stray, len(stray))
    _compare_state(walk, entry, work)


def _counts(walk: Walk, row: LedgerRow) -> bool:
    if walk.is_counted(row.seq, row.record):
        return True
    found = walk.entry(row.unit_id)
    return row.kind == "failed" and found is not None and found.closing is Closing.FAILED


def _compare_state(walk: Walk, entry: FileEntry, work: Work) -> None:
    if walk.root.spec.job_id != work.dataset.manifest.job_id:
        return
    state = work.dataset.manifest.state
    if walk.cancelled != (state == "cancelled"):
        was = "was" if walk.cancelled else "was not"
        work.findings.add("manifest", "", f"the state is {state}, but the job {was} cancelled")
    if state == "complete" and any(closing is Closing.FAILED for _, closing in walk.closings):
        work.findings.add("manifest", "", "the state is complete, but units were given up")
    if state != "cancelled" and not walk.finished:
        work.findings.add("ledger", entry.path, "by these records the job has not come to its end")


def _check_flow(rows: Rows, entry: FileEntry, work: Work) -> None:
    """What a unit gives away has to arrive: rows of its follow-ups, and rows in of their records."""
    arrived = {(row.unit_id, row.input_digest): row.rows_in for row in rows() if row.kind == "done"}
    load = verified_load(work.dataset.source)
    for row in rows():
        if row.kind == "done":
            tasks = follow_ups(row.record.done, load)
            for problem in (*_given_away(row, tasks), *_lost_on_the_way(tasks, arrived)):
                work.findings.add("ledger", entry.path, problem)


def _given_away(row: LedgerRow, tasks: Iterable[UnitTask]) -> Iterator[str]:
    given: Counter[Stage.ValueType] = Counter()
    for task in tasks:
        given[task.stage] += task.rows
    counted: Counter[str] = Counter()
    for count in row.counts:
        counted[count.outcome] += count.rows
    follows = {
        "plan": (PASSED, Stage.STAGE_DOWNLOAD),
        "download": (HANDED_ON, Stage.STAGE_DOWNLOAD),
        "embed": (None, Stage.STAGE_SCORE),
    }
    if row.stage in follows:
        outcome, stage = follows[row.stage]
        wanted = counted[outcome] if outcome else row.rows_in
        if given[stage] != wanted:
            name = outcome or "taken"
            yield f"unit {row.unit_id}: {wanted:,} rows {name}, its follow-ups hold {given[stage]:,}"
    if row.stage == "download" and given[Stage.STAGE_EMBED] != counted[PASSED]:
        yield (
            f"unit {row.unit_id}: {counted[PASSED]:,} rows passed, its follow-ups hold "
            f"{given[Stage.STAGE_EMBED]:,}"
        )


def _lost_on_the_way(tasks: Iterable[UnitTask], arrived: dict[tuple[str, bytes], int]) -> Iterator[str]:
    for task in tasks:
        rows = arrived.get((task.unit_id, task.input_digest))
        if rows is not None and task.rows and rows != task.rows:
            yield f"unit {task.unit_id} was given {task.rows:,} rows, its record says {rows:,}"


def check_totals(found: LedgerAudit, work: Work) -> None:
    """What one stage let pass, the next was given: over the whole job (promise 1)."""
    for job, totals in found.totals.items():
        if totals.cancelled or (job in work.lineage.specs and work.lineage.specs[job][0].HasField("base")):
            continue
        given = {stage: sum(counts.values()) for stage, counts in totals.stages.items()}
        for before, after in (("crawl", "plan"), ("plan", "download")):
            if totals.passed(before) != given.get(after, 0):
                problem = (
                    f"job {job}: {before} let {totals.passed(before):,} rows pass, {after} accounts for "
                    f"{given.get(after, 0):,} ({told(totals.stages[after])})"
                )
                work.findings.add("ledger", "", problem)


def _compare_with_manifest(found: LedgerAudit, work: Work) -> None:
    """The manifest lists what counted units wrote, as the ledger has it, and nothing else (U12)."""
    listed: set[bytes] = set()
    for entry in work.dataset.files(*roles.FINAL_OUTPUTS):
        mark = fingerprint(entry.path, entry.role, entry.rows, entry.bytes, entry.sha256)
        if mark in found.written:
            listed.add(mark)
        elif found.written:
            work.findings.add("manifest", entry.path, "no counted unit wrote this file as it is listed")
    if work.dataset.manifest.state != "cancelled":  # a cancelled job keeps nothing (U4)
        _name_unlisted(listed, found, work)


def _name_unlisted(listed: set[bytes], found: LedgerAudit, work: Work) -> None:
    """Names outputs of counted units that the manifest leaves out without a rule that says so."""
    for job in found.totals:
        replaced = roles.OF_ONE_VERSION if job != work.dataset.manifest.job_id else frozenset()
        with work.dataset.source.local(work.lineage.ledgers[job].path) as path:
            gone = _superseded(job, partial(read_ledger, path), work)
            for output in (output for row in read_ledger(path) for output in row.outputs):
                is_due = output.role in roles.FINAL_OUTPUTS - replaced and output.key not in gone
                if not is_due or is_given_up(output.role, work.spec):
                    continue
                if fingerprint_of(output) not in listed:
                    problem = "a counted unit wrote this file, but it is not listed as written"
                    work.findings.add("manifest", output.key, problem)


def _superseded(job: str, rows: Rows, work: Work) -> frozenset[str]:
    """Returns the files of a job that a later repair has made superfluous (U16)."""
    jobs, specs = work.lineage.jobs, work.lineage.specs
    later = [name for name in jobs[jobs.index(job) + 1 :] if name in specs]
    if not any(specs[name][0].base.kind == RETRY_FAILED for name in later):
        return frozenset()
    try:
        return superseded_files(rows, verified_load(work.dataset.source))
    except (*UNREADABLE, DecodeError):
        return frozenset()  # that the ledger cannot be walked was found before


def fingerprint_of(output: LedgerOutput) -> bytes:
    """Returns the fingerprint of an output as the ledger has it."""
    return fingerprint(output.key, output.role, output.rows, output.bytes, output.sha256)


def fingerprint(path: str, role: str, rows: int, size: int, sha256: str) -> bytes:
    """Returns 16 bytes that stand for all that is known of a file."""
    text = "\0".join((path, role, str(rows), str(size), sha256))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
