"""Single settings by name: what is set, and how what is wrong is named."""

from __future__ import annotations

import pytest

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import PROFILES, profile
from pairmill.jobspec.settings import apply_settings, field_names, parse_assignments
from pairmill.jobspec.validate import validate
from pairmill_protos.job.v1.job_pb2 import ImagePolicy, ResizeMode


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_is_valid(name: str) -> None:
    spec = profile(name)
    validate(spec)
    assert spec.profile == name


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="choose one of: default, everything, laion-5b"):
        profile("laion")


def test_settings_of_each_kind_are_taken() -> None:
    spec = profile("default")
    apply_settings(
        spec,
        {
            "download.host_delay_seconds": "0.25",
            "download.max_attempts": "3",
            "download.retry_delay_seconds": "1, 2",
            "download.honour_robots": "no",
            "image.policy": "kept",
            "image.resize_mode": "center_crop",
            "image.formats": "jpeg,png",
            "image.max_aspect_ratio": "",
            "score.min_similarity.en": "0.3",
            "crawl.min_text_characters": "9",
            "wave_size": "7",
        },
    )
    assert spec.download.host_delay_seconds == 0.25
    assert spec.download.max_attempts == 3
    assert list(spec.download.retry_delay_seconds) == [1.0, 2.0]
    assert not spec.download.honour_robots
    assert spec.image.policy == ImagePolicy.IMAGE_POLICY_KEPT
    assert spec.image.resize_mode == ResizeMode.RESIZE_MODE_CENTER_CROP
    assert list(spec.image.formats) == ["jpeg", "png"]
    assert not spec.image.HasField("max_aspect_ratio")
    assert spec.score.min_similarity["en"] == pytest.approx(0.3)
    assert spec.crawl_rules.min_text_characters == 9
    assert spec.wave_size == 7


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("image.policy=some", "'some' is no choice of: all, kept, none"),
        ("plan.ranges=many", "plan.ranges: 'many' is no whole number"),
        ("plan.ranges=99999999999", "out of range"),
        ("download.honour_robots=maybe", "is no yes or no"),
        ("download.host_dely_seconds=1", "did you mean download.host_delay_seconds"),
        ("score.min_similarity=0.3", "add the key, as in score.min_similarity.en=0.3"),
        ("job_id=j1", "there is no such setting"),
        ("bundle.digest=00", "there is no such setting"),
        ("download.max_attempts.x=1", "has no parts"),
    ],
)
def test_what_is_wrong_is_named_with_the_fix(setting: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        apply_settings(profile("default"), parse_assignments([setting]))


def test_all_problems_are_reported_at_once() -> None:
    spec = profile("default")
    apply_settings(
        spec,
        {
            "plan.ranges": "5000",
            "image.formats": "jpeg,svg",
            "image.jpeg_quality": "0",
            "crawl.language_detector": "guess",
            "crawl.min_text_characters": "5000",
            "download.max_attempts": "0",
            "download.user_agent_token": "two words",
            "score.min_similarity.en": "3",
            "finalise.train_shard_samples": "0",
            "wave_size": "0",
        },
    )
    with pytest.raises(ConfigurationError) as caught:
        validate(spec)
    named = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert named == [
        "crawl_rules.min_text_characters",
        "crawl_rules.language_detector",
        "plan.ranges",
        "wave_size",
        "download.max_attempts",
        "download.user_agent_token",
        "image.formats",
        "image.jpeg_quality",
        "finalise.train_shard_samples",
        "score.min_similarity.en",
    ]


def test_an_assignment_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="write it as field=value"):
        parse_assignments(["plan.ranges"])


def test_every_listed_name_can_be_addressed() -> None:
    for name in field_names():
        key = ".en" if "min_similarity" in name or "by_language" in name else ""
        key = ".example.org" if "very_large_domains" in name else key
        apply_settings(profile("default"), {name + key: ""})
