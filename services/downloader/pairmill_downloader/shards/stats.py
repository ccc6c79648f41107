"""img2dataset's totals of a shard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any


def stats_json(rows: Iterable[Mapping[str, Any]], started_at: datetime, ended_at: datetime) -> bytes:
    """Returns the totals of rows with `status` and `reason`; times are Unix seconds."""
    statuses: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for row in rows:
        statuses[row["status"]] += 1
        reasons[row["reason"] or "success"] += 1
    start, end = started_at.timestamp(), ended_at.timestamp()
    totals = {
        "count": statuses.total(),
        "successes": statuses["success"],
        "failed_to_download": statuses["failed_to_download"],
        "failed_to_resize": statuses["failed_to_resize"],
        "duration": end - start,
        "start_time": start,
        "end_time": end,
        "status_dict": dict(sorted(reasons.items())),
    }
    return json.dumps(totals, indent=4).encode()
