"""What the loop needs from outside."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol

from pairmill_index.progress import Progress
from pairmill_indexer.change import Change, Indexed
from pairmill_indexer.verdicts import Refusal
from pairmill_protos.index.v1.index_pb2 import IndexTask


class Builder(Protocol):
    """Brings the index of a task's dataset up to date. Called by one worker thread at a time."""

    def build(self, task: IndexTask, cut_off: threading.Event, progress: Progress) -> Indexed:
        """Returns the index that serves; raises CutOffError soon after `cut_off` is set.

        Raises what builds raise (`pairmill_indexer.verdicts`), BuildDiedError where there is no answer.
        """
        ...


class IndexObserver(Protocol):
    """Takes the indexer's own measures. Called by the loop's thread, `step` by the worker."""

    def indexed(self, change: Change, seconds: float, recall: Mapping[tuple[str, str], float]) -> None:
        """An index is up to date after that many seconds of work."""
        ...

    def refused(self, reason: Refusal) -> None:
        """A task was set aside."""
        ...

    def merge_refused(self, reason: Refusal) -> None:
        """An index that is up to date was left with more segments than it should have."""
        ...

    def step(self, done: int, total: int) -> None:
        """The step under way has come so far; 0 of 0 where nothing is at work."""
        ...
