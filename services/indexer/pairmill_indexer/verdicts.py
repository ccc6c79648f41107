"""What an error of a build means for its task."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pairmill.errors import (
    ConfigurationError,
    CorruptObjectError,
    CutOffError,
    InvalidRecordError,
    ObjectMissingError,
    RetriableError,
)
from pairmill_index.errors import IndexBusyError, IndexRefusedError


class BuildDiedError(Exception):
    """The child process of a build ended without an answer."""


class Refusal(StrEnum):
    """Why a task is set aside: the closed set of `dlq-reason`."""

    INVALID_RECORD = "invalid_record"  # no task
    LOW_RECALL = "low_recall"  # the index would find too little
    CORRUPT_OBJECT = "corrupt_object"  # a file of the dataset is not as it was written
    OBJECT_MISSING = "object_missing"  # a file of the dataset is gone
    NOT_INDEXABLE = "not_indexable"  # no embeddings, or a budget that no index keeps to
    BUILD_FAILED = "build_failed"  # died or raised, each time


MERGE_REFUSALS: Final = (Refusal.LOW_RECALL, Refusal.NOT_INDEXABLE)
"""Why segments are not merged. The index is up to date without."""


class Fate(StrEnum):
    """What happens next to a task whose build did not do."""

    WAIT = "wait"  # the environment: again once it is there, counted against nobody
    CUT_OFF = "cut_off"  # told to stop
    AGAIN = "again"  # a death or a bug: again, a few times
    REFUSE = "refuse"  # it never will


def fate_of(error: BaseException) -> tuple[Fate, Refusal | None]:
    """Returns what an error means, most specific first, and the reason of a refusal."""
    match error:
        case CutOffError():
            return Fate.CUT_OFF, None
        case RetriableError() | IndexBusyError():
            return Fate.WAIT, None
        case IndexRefusedError():
            return Fate.REFUSE, Refusal.LOW_RECALL
        case CorruptObjectError() | InvalidRecordError():
            return Fate.REFUSE, Refusal.CORRUPT_OBJECT
        case ObjectMissingError():
            return Fate.REFUSE, Refusal.OBJECT_MISSING
        case ConfigurationError():
            return Fate.REFUSE, Refusal.NOT_INDEXABLE
        case _:
            return Fate.AGAIN, None
