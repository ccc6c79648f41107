"""The plan of one wave and range, from candidates to a file of download units; speaks to no port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pairmill.idarrays import Words, starts_of_groups
from pairmill.placement.place import place
from pairmill.stage.port import Tally
from pairmill_planner.candidates import Candidates
from pairmill_planner.links import read_links
from pairmill_planner.plan_file import write_plan
from pairmill_planner.rules import Known, Selection, select
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a plan unit comes to."""

    links: int  # links read
    tally: Tally
    path: Path | None  # parquet with one row group per download unit, None without candidates
    rows: Sequence[int]  # of each download unit
    first_buckets: Sequence[int]  # of each download unit
    new_urls: Words  # URLs that became candidates, ascending, each once


def make_plan(
    candidates: Candidates, spec: JobSpec, range_index: int, *, seen: Known, excluded: Known, scratch: Path
) -> Plan:
    """Returns the plan of a range; a pure function of its arguments but for files in `scratch`."""
    links = read_links(candidates)
    selection = select(links, spec.plan, seen=seen, excluded=excluded)
    passed = selection.passed
    urls = links.url[passed]
    placement = place(links, passed, spec, range_index)
    path = scratch / "plan.parquet" if len(passed) else None
    rows = write_plan(path, candidates, len(links), passed, placement, scratch) if path is not None else []
    return Plan(
        links=len(links),
        tally=_tally(selection),
        path=path,
        rows=rows,
        first_buckets=placement.first_buckets,
        new_urls=urls[starts_of_groups(urls)],
    )


def _tally(selection: Selection) -> Tally:
    tally: Counter[tuple[Outcome.ValueType, Reason.ValueType]] = Counter()
    for reason, count in selection.counts().items():
        passed = reason == Reason.REASON_UNSPECIFIED
        tally[Outcome.OUTCOME_PASSED if passed else Outcome.OUTCOME_DROPPED, reason] = count
    return tally
