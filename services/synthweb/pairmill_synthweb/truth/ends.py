"""The end of every candidate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pairmill.ids import sample_id, to_hex
from pairmill_synthweb.rules import Rules
from pairmill_synthweb.truth.clusters import Seen, cluster_ids
from pairmill_synthweb.truth.thresholds import Limits, TrueScores
from pairmill_synthweb.world import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found out about a candidate whose picture arrives."""

    content_sha256: str
    phash: int
    width: int
    height: int
    scores: TrueScores


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a candidate must end."""

    sample_id: str  # hex
    url: str
    text: str
    kind: str
    stage: str  # download, score or finalise
    outcome: str  # kept, filtered or failed
    reason: str
    cluster_id: str = ""  # hex; empty for what failed
    evidence: Evidence | None = None


def ends_of(candidates: Sequence[Candidate], evidence: Sequence[Evidence | None], rules: Rules) -> list[End]:
    """Returns the end of each candidate: of the structure, else of the scores, else of the choices."""
    ends = ends_before_urls(candidates, evidence, rules)
    return _chosen(ends, _best_of_urls(ends), "duplicate_url") if rules.choose_by_url else ends


def ends_before_urls(
    candidates: Sequence[Candidate], evidence: Sequence[Evidence | None], rules: Rules
) -> list[End]:
    """Returns the ends as they are before one text per URL is chosen."""
    limits = Limits.of(rules.score)
    ends = [_by_scores(one, found, limits) for one, found in zip(candidates, evidence, strict=True)]
    clusters = cluster_ids([_seen(end) for end in ends if end.evidence], rules.max_hash_distance)
    ends = [replace(end, cluster_id=clusters.get(end.sample_id, "")) for end in ends]
    return _chosen(ends, _first_of_clusters(ends), "duplicate_cluster") if rules.choose_by_cluster else ends


def rivals_by_url(ends: Sequence[End]) -> Mapping[str, list[End]]:
    """Returns the kept of each URL that has several, most similar first."""
    groups: defaultdict[str, list[End]] = defaultdict(list)
    for end in ends:
        if end.outcome == "kept":
            groups[end.url].append(end)
    return {url: sorted(group, key=_by_similarity) for url, group in groups.items() if len(group) > 1}


def _by_scores(candidate: Candidate, evidence: Evidence | None, limits: Limits) -> End:
    end = End(
        sample_id=to_hex(sample_id(candidate.url, candidate.text)),
        url=candidate.url,
        text=candidate.text,
        kind=candidate.kind,
        stage=candidate.stage or "finalise",
        outcome=candidate.outcome or "kept",
        reason=candidate.reason,
        evidence=evidence,
    )
    reason = limits.broken_rule(evidence.scores) if evidence else ""
    return replace(end, stage="score", outcome="filtered", reason=reason) if reason else end


def _seen(end: End) -> Seen:
    assert end.evidence is not None
    return Seen(sample=end.sample_id, content=end.evidence.content_sha256, phash=end.evidence.phash)


def _chosen(ends: Sequence[End], losers: set[str], reason: str) -> list[End]:
    return [
        replace(end, stage="finalise", outcome="filtered", reason=reason) if end.sample_id in losers else end
        for end in ends
    ]


def _first_of_clusters(ends: Sequence[End]) -> set[str]:
    """The kept samples that are not the smallest of their cluster."""
    first: dict[str, str] = {}
    kept = [end for end in ends if end.outcome == "kept"]
    for end in kept:
        first[end.cluster_id] = min(end.sample_id, first.get(end.cluster_id, end.sample_id))
    return {end.sample_id for end in kept if first[end.cluster_id] != end.sample_id}


def _best_of_urls(ends: Sequence[End]) -> set[str]:
    """The kept samples that fit their URL's picture less well than another."""
    return {end.sample_id for group in rivals_by_url(ends).values() for end in group[1:]}


def _by_similarity(end: End) -> tuple[float, str]:
    assert end.evidence is not None
    return -end.evidence.scores.similarity, end.sample_id
