"""Rows per second by stage over the last minute."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

from pairmill.ledger.walk import Walk
from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.unit.v1.unit_pb2 import Stage

WINDOW_SECONDS: Final = 60.0
_SAMPLE_SECONDS: Final = 2.0


class Rates:
    """Samples how many rows have ended. Not thread-safe."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Mapping[Stage.ValueType, int]]] = deque()

    def sample(self, walk: Walk, now: float) -> None:
        """Takes a sample, if it is time."""
        if self._samples and now - self._samples[-1][0] < _SAMPLE_SECONDS:
            return
        self._samples.append((now, rows_ended(walk)))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW_SECONDS:
            self._samples.popleft()

    def per_second(self) -> dict[Stage.ValueType, float]:
        """Returns the rate of each stage that any rows ended in; empty before there are two samples."""
        if len(self._samples) < 2:
            return {}
        (since, before), (until, after) = self._samples[0], self._samples[-1]
        return {stage: (rows - before.get(stage, 0)) / (until - since) for stage, rows in after.items()}


def rows_ended(walk: Walk) -> Mapping[Stage.ValueType, int]:
    """Returns how many rows have ended in each stage; those handed on within it have not."""
    ended: Counter[Stage.ValueType] = Counter()
    for (stage, outcome, _), rows in walk.tally.items():
        if outcome != Outcome.OUTCOME_HANDED_ON:
            ended[stage] += rows
    return ended
