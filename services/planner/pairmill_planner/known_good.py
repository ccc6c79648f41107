"""A small wave whose plan is known: what the planner tests itself with (U14)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import Flags, Words
from pairmill.ids import BUCKETS, sample_id, url_id
from pairmill.schemas import CANDIDATES
from pairmill_planner.candidates import Candidates, local_file
from pairmill_planner.plan import make_plan
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules, JobSpec, PlanRules

_LINKS = (("a.test", 1, "one"), ("a.test", 1, "two"), ("a.test", 2, "one"), ("b.test", 1, "one"))


def check_known_good(folder: Path) -> None:
    """Plans five links, one of them twice, with one URL per domain and unit; raises if that goes wrong."""
    path = folder / "candidates.parquet"
    rows = [_link(*link, offset) for offset, link in enumerate((*_LINKS, _LINKS[0]))]
    pq.write_table(pa.Table.from_pylist(rows, CANDIDATES), path)
    spec = JobSpec(
        plan=PlanRules(ranges=1, captions_per_url=8, unit_rows=10, unit_seconds=1),
        download=DownloadRules(host_delay_seconds=1.0),
    )
    candidates = Candidates(openers=[local_file(path)], first_bucket=0, end_bucket=BUCKETS)
    plan = make_plan(candidates, spec, 0, seen=_nothing, excluded=_nothing, scratch=folder)
    expected = {
        (Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED): 4,
        (Outcome.OUTCOME_DROPPED, Reason.REASON_DUPLICATE_SAMPLE): 1,
    }
    if dict(plan.tally) != expected or sum(plan.rows) != len(_LINKS) or len(plan.rows) != 2:
        raise RuntimeError(f"the plan of a known wave is wrong: {dict(plan.tally)}, rows {list(plan.rows)}")


def _link(domain: str, page: int, text: str, offset: int) -> dict[str, Any]:
    url = f"https://{domain}/{page}.jpg"
    return {
        "sample_id": sample_id(url, text),
        "url_id": url_id(url),
        "url": url,
        "text": text,
        "host": domain,
        "domain": domain,
        "bucket": 0,
        "wat_index": 0,
        "wat_offset": offset,
        "link_index": 0,
    }


def _nothing(urls: Words) -> Flags:
    return np.zeros(len(urls), dtype=np.bool_)
