"""From options to a spec: profile, then bundle, then single settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError
from pairmill_gateway.request import JobRequest, admit_request, build_spec
from pairmill_models.bundle import Bundle, BundleCard, ImageTower, TextTower, Thresholds
from pairmill_standalone.estimate import estimate_run
from pairmill_standalone.jobs import collect_wats

BUNDLE = Bundle(
    folder=Path("/models/x"),
    digest="ab" * 32,
    card=BundleCard(
        name="x",
        revision="r1",
        licence="MIT",
        dimensions=8,
        image=ImageTower(size=8, mean=(0, 0, 0), std=(1, 1, 1)),
        text=(TextTower(context_length=8, pad_id=0),),
        thresholds=Thresholds(min_similarity={"*": 0.25}, max_unsafe_score=0.5),
    ),
    files={},
)


def test_the_default_profile_takes_the_thresholds_that_the_bundle_recommends() -> None:
    spec = build_spec(JobRequest(wats=["/a"]), BUNDLE)
    assert spec.score.min_similarity["*"] == pytest.approx(0.25)
    assert spec.score.max_unsafe_score == pytest.approx(0.5)
    assert not spec.score.HasField("max_toxicity")
    assert spec.bundle.digest == BUNDLE.digest


def test_a_single_setting_wins_over_profile_and_bundle() -> None:
    settings = {"score.min_similarity.*": "0.1", "score.max_unsafe_score": ""}
    spec = build_spec(JobRequest(wats=["/a"], settings=settings), BUNDLE)
    assert spec.score.min_similarity["*"] == pytest.approx(0.1)
    assert not spec.score.HasField("max_unsafe_score")


def test_other_profiles_keep_their_own_thresholds() -> None:
    spec = build_spec(JobRequest(wats=["/a"], profile="laion-5b"), BUNDLE)
    assert spec.score.min_similarity["en"] == pytest.approx(0.28)


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="default, everything, laion-5b"):
        build_spec(JobRequest(wats=["/a"], profile="laion"), BUNDLE)


def test_a_small_limit_holds_to_the_candidate() -> None:
    spec = build_spec(JobRequest(wats=["/a"], limit=20), BUNDLE)
    assert (spec.plan.ranges, spec.plan.limit_per_range) == (1, 20)


def test_a_large_limit_is_spread_over_the_ranges() -> None:
    spec = build_spec(JobRequest(wats=["/a"], limit=200_001), BUNDLE)
    assert (spec.plan.ranges, spec.plan.limit_per_range) == (8, 25_001)


def test_ranges_that_were_asked_for_stay_under_a_limit() -> None:
    spec = build_spec(JobRequest(wats=["/a"], limit=20, settings={"plan.ranges": "4"}), BUNDLE)
    assert (spec.plan.ranges, spec.plan.limit_per_range) == (4, 5)


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="limit"):
        build_spec(JobRequest(wats=["/a"], limit=0), BUNDLE)


def test_a_sample_rate_out_of_range_and_no_wat_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="sample_rate"):
        admit_request(JobRequest(wats=["/a"], sample_rate=1.5), BUNDLE)
    with pytest.raises(ConfigurationError, match="--wat"):
        admit_request(JobRequest(wats=[]), BUNDLE)


def test_b13_a_list_that_cannot_be_read_names_it(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xd8")
    for path in (tmp_path / "absent", tmp_path / "binary", tmp_path):
        with pytest.raises(ConfigurationError, match="--wat-list"):
            collect_wats([], [path])


def test_an_estimate_says_candidates_bytes_and_hours(tmp_path: Path) -> None:
    wat = tmp_path / "a.wat.gz"
    wat.write_bytes(bytes(3_800_000))
    told = estimate_run([str(wat)], build_spec(JobRequest(wats=[str(wat)]), BUNDLE), tmp_path)
    assert "1 WAT file(s), about 6,000 candidates" in told
    assert "MB on disk" in told
    limited = build_spec(JobRequest(wats=[str(wat)], limit=80), BUNDLE)
    assert "about 80 candidates" in estimate_run([str(wat)], limited, tmp_path)
