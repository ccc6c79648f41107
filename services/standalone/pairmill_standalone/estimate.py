"""What a run is expected to need, said before it starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pairmill_protos.job.v1.job_pb2 import ImagePolicy, JobSpec

LINKS_PER_WAT_BYTE = 1 / 380
"""Image links with alt text per compressed WAT byte: about 900,000 in Common Crawl's 340 MB files."""

CANDIDATE_SHARE = 0.6
"""Share of those links that are new (URL, text) pairs; the rest are repetitions within a wave."""

STORED_BYTES_PER_SAMPLE = 42_000
"""A stored image at the default size with its texts, embeddings and rows."""

DOWNLOAD_SUCCESS = 0.7
CANDIDATES_PER_SECOND = 40.0
"""Through the slowest stage, embedding on two cores; more workers and a GPU change it."""

_TYPICAL_WAT_BYTES = 340_000_000


def estimate_run(wats: Sequence[str], spec: JobSpec, out: Path) -> str:
    """Returns one sentence with candidates, bytes and hours that the run is expected to take."""
    total = sum(_wat_bytes(wat) for wat in wats)
    candidates = total * LINKS_PER_WAT_BYTE * CANDIDATE_SHARE
    if spec.plan.HasField("sample_rate"):
        candidates *= spec.plan.sample_rate
    if spec.plan.HasField("limit_per_range"):
        waves = -(-len(wats) // spec.wave_size)
        candidates = min(candidates, spec.plan.limit_per_range * spec.plan.ranges * waves)
    stored = candidates * DOWNLOAD_SUCCESS * STORED_BYTES_PER_SAMPLE
    if spec.image.policy == ImagePolicy.IMAGE_POLICY_NONE:
        stored /= 10
    hours = candidates / CANDIDATES_PER_SECOND / 3600
    free = shutil.disk_usage(out).free
    warning = "" if stored < free else f" - more than the {_bytes(free)} that are free in {out}"
    return (
        f"{len(wats):,} WAT file(s), about {candidates:,.0f} candidates, {_bytes(stored)} on disk"
        f"{warning}, {_hours(hours)} on two cores"
    )


def _wat_bytes(wat: str) -> int:
    if "://" in wat:
        return _TYPICAL_WAT_BYTES
    path = Path(wat)
    return path.stat().st_size if path.exists() else 0


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _hours(hours: float) -> str:
    minutes = hours * 60
    if minutes < 1:
        return "under a minute"
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{hours:.1f} hours"
