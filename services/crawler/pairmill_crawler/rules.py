"""The rules of a crawl, as plain values that travel to child processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pairmill_protos.job.v1.job_pb2 import CrawlRules

_DEFAULT_RECORD_BYTES = 32 * 2**20
_UNLIMITED = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is extracted from a WAT; see `CrawlRules`."""

    min_text_characters: int = 1
    max_text_characters: int = _UNLIMITED
    max_links_per_page: int = _UNLIMITED
    max_record_bytes: int = _DEFAULT_RECORD_BYTES
    max_url_characters: int = 2083
    detector: str = "none"
    min_confidence: float = 0.0
    min_confidence_by_language: Mapping[str, float]
    languages: frozenset[str] = frozenset()
    honour_page_opt_outs: bool = True


def rules_of(spec: CrawlRules) -> Rules:
    """Returns the rules of a job; what is unset is not limited, or as careful as it can be."""
    return Rules(
        min_text_characters=max(1, spec.min_text_characters),
        max_text_characters=spec.max_text_characters or _UNLIMITED,
        max_links_per_page=spec.max_links_per_page or _UNLIMITED,
        max_record_bytes=spec.max_record_bytes or _DEFAULT_RECORD_BYTES,
        max_url_characters=spec.max_url_characters or _UNLIMITED,
        detector=spec.language_detector or "none",
        min_confidence=spec.min_language_confidence,
        min_confidence_by_language=dict(spec.min_language_confidence_by_language),
        languages=frozenset(spec.languages),
        honour_page_opt_outs=spec.honour_page_opt_outs,
    )
