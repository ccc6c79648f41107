"""Verdicts of a synthetic dataset: the real rules for scores, a few plain lines for the choices."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa

from pairmill.dataset.verdicts import verdicts_by_scores
from pairmill.schemas import SAMPLES
from pairmill_protos.job.v1.job_pb2 import JobSpec
from tests.fakes import dataset_files as files
from tests.fakes.dataset_world import Candidate

Ends = dict[str, tuple[str, str, str]]
"""(verdict, reason, cluster) by key."""


def ends_by_scores(held: Iterable[Candidate], spec: JobSpec) -> list[tuple[str, str]]:
    """Returns (outcome, reason) by thresholds alone."""
    rows = [files.sample_row(one, "", "", "", (None, None, None)) for one in held]
    filled = [dict.fromkeys(SAMPLES.names) | row for row in rows]
    return verdicts_by_scores(pa.Table.from_pylist(filled, schema=SAMPLES), spec.score)


def final_ends(scored: Sequence[Candidate], spec: JobSpec) -> Ends:
    """Returns verdicts by scores, then one per cluster, then one per URL, then the cap per domain."""
    clusters: defaultdict[int, list[str]] = defaultdict(list)
    for one in scored:
        clusters[one.content].append(one.key)
    ends: Ends = {}
    passing = []
    for one, (verdict, reason) in zip(scored, ends_by_scores(scored, spec), strict=True):
        ends[one.key] = (verdict, reason, min(clusters[one.content]))
        if verdict == "kept":
            passing.append(one)
    rules = spec.finalise
    passing.sort(key=lambda one: one.key)
    if rules.choose_by_cluster:
        passing = _choose(ends, passing, lambda one: str(one.content), 1, "duplicate_cluster")
    if rules.choose_by_url:
        passing.sort(key=lambda one: (-(one.scores.similarity or 0), one.key))
        passing = _choose(ends, passing, lambda one: one.url, 1, "duplicate_url")
    if rules.HasField("max_per_domain"):
        passing.sort(key=lambda one: one.key)
        _choose(ends, passing, lambda one: one.domain, rules.max_per_domain, "over_cap")
    return ends


def _choose(
    ends: Ends, ordered: list[Candidate], group: Callable[[Candidate], str], most: int, reason: str
) -> list[Candidate]:
    taken: Counter[str] = Counter()
    stay = []
    for one in ordered:
        taken[group(one)] += 1
        if taken[group(one)] <= most:
            stay.append(one)
        else:
            ends[one.key] = ("filtered", reason, ends[one.key][2])
    return stay
