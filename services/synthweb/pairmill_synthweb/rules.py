"""What the truth depends on: those of a job's rules that decide how a link ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pairmill.jobspec.profiles import profile
from pairmill.jobspec.settings import apply_settings
from pairmill_protos.job.v1.job_pb2 import JobSpec, ScoreRules

DEMO_OVERRIDES: Final[Mapping[str, str]] = {
    "wave_size": "2",
    "crawl_rules.max_links_per_page": "200",
    "crawl_rules.max_record_bytes": str(4 * 2**20),
    "plan.ranges": "2",
    "plan.unit_rows": "250",
    "plan.unit_seconds": "20",
    "download.connect_timeout_seconds": "2",
    "download.first_byte_timeout_seconds": "2",
    "download.deadline_seconds": "3",
    "download.max_body_bytes": str(2**20),
    "download.min_body_bytes": "200",
    "download.max_redirects": "5",
    "download.max_attempts": "2",
    "download.retry_delay_seconds": "0.5,0.5,0.5",
    "download.host_delay_seconds": "0.02",
    "download.host_connections": "2",
    "download.retry_after_cap_seconds": "1",
    "download.unit_deadline_seconds": "60",
    "download.unit_connections": "64",
    "image.decode_timeout_seconds": "10",
    "finalise.train_shard_samples": "500",
    "finalise.partition_rows": "1000",
}


def demo_overrides() -> dict[str, str]:
    """Returns the settings, by dotted field name, that a job over the synthetic web runs with.

    They shorten what a job waits for, so that 3,000 candidates end in about a minute; no rule that
    protects hosts or people is off.
    """
    return dict(DEMO_OVERRIDES)


def demo_spec() -> JobSpec:
    """Returns the profile `default` with the demo's settings; thresholds come from the bundle."""
    spec = profile("default")
    apply_settings(spec, demo_overrides())
    return spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules that the planned world is built around; all limits include their value."""

    wave_size: int  # WATs per wave
    min_text_characters: int
    max_text_characters: int
    max_links_per_page: int
    max_record_bytes: int
    max_url_characters: int
    captions_per_url: int
    min_body_bytes: int
    max_body_bytes: int
    first_byte_timeout_seconds: float
    deadline_seconds: float
    retry_after_cap_seconds: float
    tries: int  # requests that a row has in all: attempts per unit times units
    max_redirects: int
    min_side: int  # pixels
    max_aspect_ratio: float
    image_size: int  # pixels
    jpeg_quality: int
    max_hash_distance: int  # bits of 64, negative without near-duplicates
    choose_by_cluster: bool
    choose_by_url: bool
    score: ScoreRules

    @classmethod
    def from_spec(cls, spec: JobSpec) -> Rules:
        """Returns the rules of a job."""
        crawl, download, image, finalise = spec.crawl_rules, spec.download, spec.image, spec.finalise
        return cls(
            wave_size=spec.wave_size,
            min_text_characters=crawl.min_text_characters,
            max_text_characters=crawl.max_text_characters,
            max_links_per_page=crawl.max_links_per_page,
            max_record_bytes=crawl.max_record_bytes,
            max_url_characters=crawl.max_url_characters,
            captions_per_url=spec.plan.captions_per_url,
            min_body_bytes=download.min_body_bytes,
            max_body_bytes=download.max_body_bytes,
            first_byte_timeout_seconds=download.first_byte_timeout_seconds,
            deadline_seconds=download.deadline_seconds,
            retry_after_cap_seconds=download.retry_after_cap_seconds,
            tries=download.max_attempts * (1 + len(download.retry_delay_seconds)),
            max_redirects=download.max_redirects,
            min_side=image.min_side,
            max_aspect_ratio=image.max_aspect_ratio if image.HasField("max_aspect_ratio") else 4.0,
            image_size=image.image_size,
            jpeg_quality=image.jpeg_quality,
            max_hash_distance=finalise.max_hash_distance,
            choose_by_cluster=finalise.choose_by_cluster,
            choose_by_url=finalise.choose_by_url,
            score=spec.score,
        )
