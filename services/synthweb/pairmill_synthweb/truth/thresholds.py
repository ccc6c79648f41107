"""Which rules a pair breaks, and whether each of its scores is clear of what decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pairmill_protos.job.v1.job_pb2 import ScoreRules

MARGIN: Final = 0.01
"""Least distance of a true score from a threshold, so that rounding and compression cannot flip it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueScores:
    """Scores of one pair; None where the bundle has no head for it."""

    similarity: float
    unsafe: float | None = None
    watermark: float | None = None
    toxicity: float | None = None
    aesthetic: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The thresholds of a job.

    Which language a detector finds is not for the truth to say, so a pair has to be on the same side of
    every threshold that any language could ask for.
    """

    similarities: tuple[float, ...]  # least, of all languages
    unsafe: float | None = None  # most
    watermark: float | None = None  # most
    toxicity: float | None = None  # most
    aesthetic: float | None = None  # least

    @classmethod
    def of(cls, rules: ScoreRules) -> Limits:
        """Returns the thresholds that a spec sets."""
        return cls(
            similarities=tuple(sorted(set(rules.min_similarity.values()))),
            unsafe=rules.max_unsafe_score if rules.HasField("max_unsafe_score") else None,
            watermark=rules.max_watermark_score if rules.HasField("max_watermark_score") else None,
            toxicity=rules.max_toxicity if rules.HasField("max_toxicity") else None,
            aesthetic=rules.min_aesthetic_score if rules.HasField("min_aesthetic_score") else None,
        )

    def broken_rule(self, scores: TrueScores) -> str:
        """Returns the reason of the first rule that a pair breaks; empty where it passes."""
        return next((reason for reason, gap in self._gaps(scores) if gap < 0), "")

    def image_is_clear(self, scores: TrueScores, margin: float = MARGIN) -> bool:
        """Whether all that depends on the picture is clear of its thresholds."""
        gaps = {reason: gap for reason, gap in self._gaps(scores) if reason != "toxic"}
        sides = {scores.similarity >= limit for limit in self.similarities}
        return len(sides) <= 1 and all(abs(gap) >= margin for gap in gaps.values())

    def text_is_clear(self, scores: TrueScores, margin: float = MARGIN) -> bool:
        """Whether what depends on the text alone is clear of its threshold."""
        return all(abs(gap) >= margin for reason, gap in self._gaps(scores) if reason == "toxic")

    def _gaps(self, scores: TrueScores) -> Iterator[tuple[str, float]]:
        """Yields (reason, distance to the threshold, negative if broken) in the order of the rules."""
        if self.similarities:
            nearest = min(self.similarities, key=lambda limit: abs(scores.similarity - limit))
            yield "low_similarity", scores.similarity - nearest
        for reason, limit, score, sign in (
            ("unsafe", self.unsafe, scores.unsafe, -1),
            ("watermark", self.watermark, scores.watermark, -1),
            ("toxic", self.toxicity, scores.toxicity, -1),
            ("low_aesthetic", self.aesthetic, scores.aesthetic, 1),
        ):
            if limit is not None:
                # A score that the bundle cannot give is never taken for a good one.
                yield reason, -1.0 if score is None else sign * (score - limit)


def threshold_settings(rules: ScoreRules) -> Mapping[str, str]:
    """Returns the thresholds as settings of a job, by dotted field name."""
    settings = {
        f"score.min_similarity.{name}": f"{value:.7g}" for name, value in rules.min_similarity.items()
    }
    for field in ("max_unsafe_score", "max_watermark_score", "max_toxicity", "min_aesthetic_score"):
        if rules.HasField(field):
            settings[f"score.{field}"] = f"{getattr(rules, field):.7g}"
    return settings
