"""The truth about single pairs, clusters and choices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pairmill.ids import sample_id, to_hex
from pairmill.reasons import reason_name
from pairmill.verdict import ScoreColumns, decide
from pairmill_protos.job.v1.job_pb2 import ScoreRules
from pairmill_synthweb.rules import Rules
from pairmill_synthweb.truth.clusters import Seen, cluster_ids, near_pairs
from pairmill_synthweb.truth.counts import counts_of
from pairmill_synthweb.truth.ends import Evidence, ends_of
from pairmill_synthweb.truth.thresholds import MARGIN, Limits, TrueScores, threshold_settings
from pairmill_synthweb.world import Candidate
from tests.unit.synthweb.worlds import SMALL, rules, world

GOOD = TrueScores(similarity=0.9, unsafe=0.1, watermark=0.1, toxicity=0.1, aesthetic=7.0)
LIMITS = Limits(similarities=(0.3,), unsafe=0.5, watermark=0.5, toxicity=0.5, aesthetic=5.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"similarity": 0.2}, "low_similarity"),
        ({"unsafe": 0.6}, "unsafe"),
        ({"watermark": 0.6}, "watermark"),
        ({"toxicity": 0.6}, "toxic"),
        ({"aesthetic": 4.0}, "low_aesthetic"),
        ({"unsafe": None}, "unsafe"),
        ({"aesthetic": None}, "low_aesthetic"),
        ({"similarity": 0.2, "unsafe": 0.6}, "low_similarity"),
        ({"unsafe": 0.6, "watermark": 0.6, "toxicity": 0.6}, "unsafe"),
        ({"toxicity": 0.6, "aesthetic": 4.0}, "toxic"),
    ],
)
def test_the_first_rule_that_a_pair_breaks_names_the_reason(
    change: dict[str, float | None], reason: str
) -> None:
    assert LIMITS.broken_rule(replace(GOOD, **change)) == reason  # type: ignore[arg-type] # names of fields


@pytest.mark.parametrize("name", ["similarity", "unsafe", "watermark", "toxicity"])
@pytest.mark.parametrize(("offset", "is_clear"), [(0.0, False), (MARGIN / 2, False), (2 * MARGIN, True)])
def test_a_score_near_its_threshold_is_not_clear(name: str, offset: float, is_clear: bool) -> None:
    limit = 0.3 if name == "similarity" else 0.5
    for sign in (-1, 1):
        scores = replace(GOOD, **{name: limit + sign * offset})
        assert (LIMITS.image_is_clear(scores) and LIMITS.text_is_clear(scores)) is is_clear


def test_a_pair_has_to_be_clear_in_every_language() -> None:
    limits = Limits(similarities=(0.26, 0.30))
    assert not limits.image_is_clear(TrueScores(similarity=0.28))
    assert limits.image_is_clear(TrueScores(similarity=0.24))
    assert limits.image_is_clear(TrueScores(similarity=0.32))


def test_without_thresholds_everything_passes_and_is_clear() -> None:
    limits = Limits.of(ScoreRules())
    assert limits.broken_rule(TrueScores(similarity=-1.0)) == ""
    assert limits.image_is_clear(TrueScores(similarity=0.0))


def test_thresholds_can_be_written_as_settings() -> None:
    score = ScoreRules(min_similarity={"*": 0.28, "en": 0.3}, max_unsafe_score=0.5)
    assert threshold_settings(score) == {
        "score.min_similarity.*": "0.28",
        "score.min_similarity.en": "0.3",
        "score.max_unsafe_score": "0.5",
    }
    assert Limits.of(score).similarities == pytest.approx((0.28, 0.3))


def seen(sample: str, content: str, phash: int) -> Seen:
    return Seen(sample=sample, content=content, phash=phash)


def test_e14_copies_are_one_cluster_named_by_the_smallest_id() -> None:
    found = cluster_ids([seen("c", "x", 0), seen("a", "x", 0), seen("b", "y", 0xFFFF)], 6)
    assert found == {"a": "a", "b": "b", "c": "a"}


def test_e14_near_duplicates_are_one_cluster_up_to_the_distance() -> None:
    assert cluster_ids([seen("b", "x", 0), seen("a", "y", 0b111111)], 6) == {"a": "a", "b": "a"}
    assert cluster_ids([seen("b", "x", 0), seen("a", "y", 0b1111111)], 6) == {"a": "a", "b": "b"}
    assert cluster_ids([seen("b", "x", 0), seen("a", "y", 0)], -1) == {"a": "a", "b": "b"}


def test_e14_a_bridge_does_not_join_two_pictures() -> None:
    found = cluster_ids([seen("a", "x", 0), seen("b", "y", 0b1111), seen("c", "z", 0b11111111)], 4)
    assert found == {"a": "a", "b": "a", "c": "b"}


def test_near_pairs_are_found_across_blocks() -> None:
    hashes = [(number * 0x9E3779B97F4A7C15) & (2**64 - 1) for number in range(1200)]
    hashes[1100] = hashes[3] ^ 0b11
    assert list(near_pairs(hashes, 2)) == [(3, 1100)]


def candidate(url: str, text: str, **fields: str) -> Candidate:
    return Candidate(url=url, text=text, raw_text=text, language="en", kind="test", **fields)  # type: ignore[arg-type] # names of texts


def evidence(content: str, similarity: float, phash: int = 0) -> Evidence:
    scores = replace(GOOD, similarity=similarity)
    return Evidence(content_sha256=content, phash=phash, width=1, height=1, scores=scores)


def with_limits(**changes: bool) -> Rules:
    score = ScoreRules(min_similarity={"*": 0.3}, max_unsafe_score=0.5)
    return replace(rules(), score=score, **changes)


def test_the_structure_decides_before_the_scores_and_these_before_the_choices() -> None:
    failed = candidate("http://a/1", "one", outcome="failed", reason="http_4xx", stage="download")
    low, kept, copy = (candidate(f"http://a/{number}", "text") for number in (2, 3, 4))
    found = [None, evidence("x", 0.1), evidence("x", 0.9), evidence("x", 0.8)]
    ends = ends_of([failed, low, kept, copy], found, with_limits())
    assert [(end.stage, end.outcome, end.reason) for end in ends[:2]] == [
        ("download", "failed", "http_4xx"),
        ("score", "filtered", "low_similarity"),
    ]
    smaller = min(ends[2:], key=lambda end: end.sample_id)
    assert (smaller.outcome, smaller.reason) == ("kept", "")
    (other,) = (end for end in ends[2:] if end is not smaller)
    assert (other.stage, other.reason) == ("finalise", "duplicate_cluster")
    # What is filtered still belongs to the cluster, whose name may be its id.
    assert {end.cluster_id for end in ends[1:]} == {min(end.sample_id for end in ends[1:])}
    assert ends[0].cluster_id == ""


def test_of_the_texts_of_a_url_the_most_similar_stays() -> None:
    pair = [candidate("http://a/1", text) for text in ("one", "two", "three")]
    found = [evidence("x", 0.5), evidence("x", 0.9), evidence("x", 0.7)]
    ends = ends_of(pair, found, with_limits(choose_by_cluster=False))
    assert [end.reason for end in ends] == ["duplicate_url", "", "duplicate_url"]
    assert ends[0].sample_id == to_hex(sample_id("http://a/1", "one"))


def test_no_choice_that_the_job_does_not_ask_for() -> None:
    pair = [candidate("http://a/1", text) for text in ("one", "two")]
    found = [evidence("x", 0.5), evidence("x", 0.9)]
    ends = ends_of(pair, found, with_limits(choose_by_cluster=False, choose_by_url=False))
    assert [end.outcome for end in ends] == ["kept", "kept"]


def test_counts_add_up_to_the_candidates() -> None:
    counts = counts_of(world())
    planned = {key: count for key, count in counts.items() if key[0] == "plan"}
    assert counts["plan", "passed", ""] == SMALL
    assert sum(planned.values()) == counts["crawl", "passed", ""]
    assert {reason for _, outcome, reason in planned if outcome == "dropped"} == {
        "duplicate_sample",
        "seen_before",
        "too_many_captions",
    }


def test_reference_verdicts_agree_with_the_pipelines_own() -> None:
    """Two codes of the same rules, written apart, on a grid of scores."""
    score = ScoreRules(
        min_similarity={"*": 0.3},
        max_unsafe_score=0.5,
        max_watermark_score=0.5,
        max_toxicity=0.5,
        min_aesthetic_score=5.0,
    )
    values = np.random.default_rng(1).random((500, 5), dtype=np.float32)
    values[:, 4] *= 10
    _, reasons = decide(
        ScoreColumns(
            similarity=values[:, 0],
            language=pa.array(["en"] * 500),
            unsafe_score=values[:, 1],
            watermark_score=values[:, 2],
            toxicity=values[:, 3],
            aesthetic_score=values[:, 4],
        ),
        score,
    )
    limits = Limits.of(score)
    names = ("similarity", "unsafe", "watermark", "toxicity", "aesthetic")
    pairs = [TrueScores(**dict(zip(names, map(float, row), strict=True))) for row in values]
    ours = [limits.broken_rule(scores) for scores in pairs]
    assert ours == [reason_name(int(reason)) for reason in reasons]  # type: ignore[arg-type] # an enum's number
