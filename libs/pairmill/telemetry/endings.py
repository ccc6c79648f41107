"""Which outcomes and reasons rows of a stage can have: label values that stand at zero from the start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from pairmill.dataset.explanations import reason_descriptions
from pairmill.reasons import RETRIABLE, parse_reason
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import Stage

Ending: TypeAlias = "tuple[Outcome.ValueType, Reason.ValueType]"
"""How and why a row ended."""

_NONE: Final = Reason.REASON_UNSPECIFIED
_ANY_STAGE: Final = (Reason.REASON_CRASHED, Reason.REASON_ROW_TOO_LARGE)
_OF_IMAGES: Final = range(Reason.REASON_NOT_AN_IMAGE, Reason.REASON_ASPECT_RATIO + 1)


def possible_endings(stage: Stage.ValueType) -> frozenset[Ending]:
    """Returns the pairs of outcome and reason that units of a stage can count.

    Rows that are closed by the walk (dead letters, cancelled ones) are counted by no stage.
    """
    return frozenset(_endings(stage))


def _endings(stage: Stage.ValueType) -> Iterator[Ending]:
    if stage != Stage.STAGE_SCORE:
        yield Outcome.OUTCOME_PASSED, _NONE
    match stage:
        case Stage.STAGE_CRAWL:
            yield from _each(Outcome.OUTCOME_DROPPED, *_given_by("crawl"), *_ANY_STAGE)
        case Stage.STAGE_PLAN:
            yield from _each(Outcome.OUTCOME_DROPPED, *_given_by("plan"), *_ANY_STAGE)
        case Stage.STAGE_DOWNLOAD:
            yield from _each(Outcome.OUTCOME_FAILED, *_given_by("download"), *_ANY_STAGE)
            yield from _each(Outcome.OUTCOME_HANDED_ON, _NONE, *RETRIABLE)
        case Stage.STAGE_EMBED:
            yield from _failures_after_download()
        case Stage.STAGE_SCORE:
            yield from _verdicts("score")
        case Stage.STAGE_FINALISE:
            yield from _verdicts("score", "finalise")
        case _:
            return


def _verdicts(*stages: str) -> Iterator[Ending]:
    yield Outcome.OUTCOME_KEPT, _NONE
    for stage in stages:
        yield from _each(Outcome.OUTCOME_FILTERED, *_given_by(stage))
    yield from _failures_after_download()


def _failures_after_download() -> Iterator[Ending]:
    """Stored images are decoded once more, so that all that can be wrong with one may be found again."""
    reasons = {parse_reason(name) for name in reason_descriptions()}
    of_images = (reason for reason in reasons if reason in _OF_IMAGES)
    yield from _each(Outcome.OUTCOME_FAILED, *_given_by("embed"), Reason.REASON_BOMB, *of_images, *_ANY_STAGE)


def _given_by(stage: str) -> Iterator[Reason.ValueType]:
    for name, described in reason_descriptions().items():
        if stage in described.stage.split(" and "):
            yield parse_reason(name)


def _each(outcome: Outcome.ValueType, *reasons: Reason.ValueType) -> Iterator[Ending]:
    return ((outcome, reason) for reason in reasons)
