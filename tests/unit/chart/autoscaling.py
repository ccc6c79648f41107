"""How many members a rendered ScaledObject asks for, as KEDA and the HorizontalPodAutoscaler decide it.

KEDA's scaler `kafka` (documented at keda.sh/docs/latest/scalers/apache-kafka, `getTotalLag` in its
kafka_scaler.go) makes one number of the lag of all partitions: with `ensureEvenDistributionOfPartitions` the
threshold times the smallest divisor of the number of partitions that is enough, otherwise the lag, and never
more than the threshold times the partitions. The autoscaler (kubernetes.io, "Algorithm details") divides that
by the threshold, rounds up, leaves the number where it is within a tenth, and keeps it in bounds; of what it
would have asked for within the stabilisation window it takes the most, and goes down by the policies alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.unit.chart.rendering import Object

_TOLERANCE: Final = 0.1


@dataclass(slots=True, kw_only=True)
class Autoscaler:
    """Decides from lag to lag, as one ScaledObject tells it to."""

    threshold: int
    is_even: bool
    least: int
    most: int
    window_seconds: float
    down_percent: float
    down_seconds: float
    members: int
    _wishes: deque[tuple[float, int]] = field(default_factory=deque)  # when, and how many would be enough
    _steps: deque[tuple[float, int]] = field(default_factory=deque)  # when, and how many went

    @classmethod
    def of(cls, scaled: Object, members: int = 1) -> Autoscaler:
        """Returns one for a rendered object."""
        spec = scaled["spec"]
        trigger: dict[str, Any] = spec["triggers"][0]["metadata"]
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        policy = down["policies"][0]
        return cls(
            threshold=int(trigger["lagThreshold"]),
            is_even=trigger["ensureEvenDistributionOfPartitions"] == "true",
            least=spec["minReplicaCount"],
            most=spec["maxReplicaCount"],
            window_seconds=down["stabilizationWindowSeconds"],
            down_percent=policy["value"],
            down_seconds=policy["periodSeconds"],
            members=members,
        )

    def metric(self, lags: Sequence[int]) -> int:
        """Returns the number that KEDA makes of the lag of each partition."""
        total = sum(lags)
        if self.is_even:
            enough = (part for part in divisors(len(lags)) if part * self.threshold >= total)
            total = next(enough, len(lags)) * self.threshold
        return min(total, len(lags) * self.threshold)

    def wanted(self, lags: Sequence[int]) -> int:
        """Returns the members that would be enough for these lags, as if nothing had been before."""
        asked = self.metric(lags) / self.threshold
        near = abs(asked / self.members - 1) <= _TOLERANCE
        return min(max(self.members if near else math.ceil(asked), self.least), self.most)

    def look(self, now: float, lags: Sequence[int]) -> int:
        """Returns the number of members from now on."""
        self._wishes.append((now, self.wanted(lags)))
        while now - self._wishes[0][0] > self.window_seconds:
            self._wishes.popleft()
        wish = self._wishes[-1][1]
        if wish < self.members:
            wish = min(self.members, max(most for _, most in self._wishes))
            wish = max(wish, self._lowest(now))
        if wish < self.members:
            self._steps.append((now, self.members - wish))
        self.members = wish
        return wish

    def _lowest(self, now: float) -> int:
        """Returns the fewest members that the policy allows now."""
        while self._steps and now - self._steps[0][0] >= self.down_seconds:
            self._steps.popleft()
        before = self.members + sum(gone for _, gone in self._steps)
        return max(self.least, math.floor(before * (1 - self.down_percent / 100)))


def divisors(number: int) -> list[int]:
    """Returns what divides a number, the smallest first."""
    return [part for part in range(1, number + 1) if number % part == 0]
