"""Small waves of candidate files, and the plan of them made one link at a time."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.ids import bucket_of, sample_id, url_id
from pairmill.schemas import CANDIDATES, versioned
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.units import new_task, range_of_bucket, reference_list
from pairmill_planner.config import PlannerConfig
from pairmill_planner.handler import PlanHandler
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, PlanInput, UnitInput
from tests.unit.arrays.memory_store import MemoryStore, new_context

Row = dict[str, Any]


def link(domain: str, path: int, text: str, wat: int, offset: int, number: int = 0) -> Row:
    """Returns a candidate row."""
    url = f"https://img.{domain}/{path}.jpg"
    return dict.fromkeys(CANDIDATES.names) | {
        "sample_id": sample_id(url, text),
        "url_id": url_id(url),
        "url": url,
        "text": text,
        "host": f"img.{domain}",
        "domain": domain,
        "bucket": bucket_of(domain),
        "wat_index": wat,
        "wat_offset": offset,
        "link_index": number,
        "page_url": f"https://{domain}/",
    }


def candidate_file(rows: list[Row], ranges: int, path: Path | None = None) -> bytes:
    """Returns a candidate file: sorted, with row groups cut at ranges."""
    ordered = sorted(rows, key=lambda row: (row["bucket"], row["url_id"], row["sample_id"]))
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, versioned(CANDIDATES), write_page_checksum=True) as writer:
        for index in range(ranges):
            group = [row for row in ordered if range_of_bucket(row["bucket"], ranges) == index]
            if group:
                writer.write_table(pa.Table.from_pylist(group, CANDIDATES))
    return sink.getvalue()


@dataclass
class Planner:
    """Runs plan units over a store, and keeps the references between waves."""

    spec: JobSpec
    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    config: PlannerConfig = field(default_factory=PlannerConfig)
    seen: dict[int, list[ObjectRef]] = field(default_factory=dict)

    def put_wave(self, wave: int, files: list[list[Row]]) -> list[ObjectRef]:
        """Stores a wave's candidate files."""
        refs = []
        for index, rows in enumerate(files):
            key = f"steps/crawl/w{wave:04d}-{index}.parquet"
            self.store.put(key, candidate_file(rows, self.spec.plan.ranges))
            refs.append(self.store.refer(key, rows=len(rows), role="candidates"))
        return refs

    def context(self, wave: int, range_index: int, refs: list[ObjectRef]) -> UnitContext:
        """Returns the context of an attempt at a plan unit."""
        inputs, listed = reference_list(refs, "j1")
        seen, more = reference_list(self.seen.get(range_index, []), "j1")
        for key, data in (listed | more).items():
            self.store.put(key, data)
        task = new_task(
            spec=ObjectRef(key="spec"),
            job_id="j1",
            unit_id=f"j1/w{wave:04d}/r{range_index:04d}",
            unit_input=UnitInput(plan=PlanInput(wave=wave, range=range_index, candidates=inputs, seen=seen)),
        )
        return new_context(task, self.spec, self.store, self.folder)

    def plan(self, wave: int, range_index: int, refs: list[ObjectRef]) -> UnitResult:
        """Runs a plan unit and keeps its seen index for the next wave."""
        result = PlanHandler(self.config).handle(self.context(wave, range_index, refs))
        self.seen[range_index] = [ref for ref in result.outputs if ref.role == "seen"]
        return result

    def units(self, result: UnitResult) -> list[list[Row]]:
        """Returns the rows of each download unit."""
        found = []
        for task in result.follow_ups:
            download = task.input.download
            file = pq.ParquetFile(io.BytesIO(self.store.get(download.rows.key, sha256=download.rows.sha256)))
            found.append(file.read_row_group(download.row_group).to_pylist())
        return found


def naive_plan(
    rows: list[Row], spec: JobSpec, seen: set[bytes], excluded: set[bytes]
) -> tuple[list[Row], Counter[tuple[int, int]]]:
    """Returns the candidates of one range in order of URL and sample, and the tally."""
    plan, tally = spec.plan, Counter[tuple[int, int]]()
    best: dict[bytes, Row] = {}
    for row in rows:
        other = best.get(row["sample_id"])
        if other is not None:
            tally[Outcome.OUTCOME_DROPPED, Reason.REASON_DUPLICATE_SAMPLE] += 1
        if other is None or _provenance(row) < _provenance(other):
            best[row["sample_id"]] = row
    texts: Counter[bytes] = Counter()
    passed: list[Row] = []
    for row in sorted(best.values(), key=lambda row: (row["url_id"], row["sample_id"])):
        url = row["url_id"]
        if url in seen:
            reason = Reason.REASON_SEEN_BEFORE
        elif url in excluded:
            reason = Reason.REASON_EXCLUDED_URL
        elif texts[url] >= plan.captions_per_url:
            reason = Reason.REASON_TOO_MANY_CAPTIONS
        else:
            texts[url] += 1
            tail = int.from_bytes(row["sample_id"][8:], "big")
            if not plan.HasField("sample_rate") or tail < int(plan.sample_rate * 2**64):
                passed.append(row)
                continue
            reason = Reason.REASON_NOT_SAMPLED
        tally[Outcome.OUTCOME_DROPPED, reason] += 1
    limit = plan.limit_per_range if plan.HasField("limit_per_range") else len(passed)
    taken = {row["sample_id"] for row in sorted(passed, key=lambda row: bytes(row["sample_id"]))[:limit]}
    tally[Outcome.OUTCOME_DROPPED, Reason.REASON_OVER_LIMIT] = len(passed) - len(taken)
    tally[Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED] = len(taken)
    return [row for row in passed if row["sample_id"] in taken], +tally


def _provenance(row: Row) -> tuple[int, int, int]:
    return row["wat_index"], row["wat_offset"], row["link_index"]
