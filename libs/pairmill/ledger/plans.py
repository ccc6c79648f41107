"""The barrier between crawl and plan units: (w, r) waits for all crawl units of w and for (w−1, r) (U3)."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from pairmill.ledger.barriers import Expected, Listing, candidate_list, outputs_of_role, plan_task
from pairmill.ledger.expected import ExpectedUnits
from pairmill.ledger.outputs import SEEN_ROLE, CountedOutputs
from pairmill.ledger.paths import plan_id, wave_number
from pairmill.ledger.root import JobRoot, Load
from pairmill_protos.unit.v1.unit_pb2 import Stage

_CRAWL: Final = Stage.STAGE_CRAWL  # enum wrappers look each name up anew
_PLAN: Final = Stage.STAGE_PLAN


class PlanBarrier:
    """Says which plan units are expected now, and forgets outputs that were read for the last time."""

    def __init__(self, root: JobRoot, units: ExpectedUnits, outputs: CountedOutputs, load: Load) -> None:
        self._root = root
        self._units = units
        self._outputs = outputs
        self._load = load
        self._crawl_open: Counter[int] = Counter()
        self._open_count = 0
        self._crossings: deque[tuple[int, int]] = deque()  # (wave, range) whose plan may be expected now
        self._candidates: dict[int, Listing] = {}  # of waves whose plan units are not all expected
        self._to_expect: dict[int, int] = {}  # wave → plan units that are not expected yet

    @property
    def open_count(self) -> int:
        """Number of crawl and plan units that are open."""
        return self._open_count

    @property
    def is_moving(self) -> bool:
        """Whether `next_plan` has to look at something."""
        return bool(self._crossings)

    def expect_crawl(self, wave: int) -> None:
        """Takes a crawl unit that became expected."""
        self._crawl_open[wave] += 1
        self._open_count += 1

    def closed(self, unit_id: str, stage: Stage.ValueType) -> None:
        """Takes a unit that was closed."""
        if stage == _CRAWL:
            wave = wave_number(unit_id)
            self._crawl_open[wave] -= 1
            self._open_count -= 1
            if not self._crawl_open[wave]:
                self._crossings.extend((wave, index) for index in range(self._root.spec.plan.ranges))
        elif stage == _PLAN:
            wave, range_index = wave_number(unit_id), int(unit_id.rsplit("/r", 1)[1])
            self._open_count -= 1
            self._crossings.append((wave + 1, range_index))

    def next_plan(self) -> Expected | None:
        """Looks at one plan unit that may be expected now, and returns it if it is.

        Where an object cannot be loaded nothing changes, and the next call looks at the same unit.
        """
        expected = self._plan(*self._crossings[0])
        wave, range_index = self._crossings.popleft()
        if expected is not None:
            self._open_count += 1
            self._forget_inputs(wave, range_index)
        return expected

    def are_all_expected(self) -> bool:
        """Whether every plan unit of the job has been expected."""
        last = self._root.waves - 1
        return last < 0 or all(
            self._id(last, index) in self._units for index in range(self._root.spec.plan.ranges)
        )

    def _plan(self, wave: int, range_index: int) -> Expected | None:
        if wave >= self._root.waves or self._crawl_open[wave]:
            return None
        previous = self._id(wave - 1, range_index) if wave else None
        if previous is not None and not self._units.is_closed(previous):
            return None
        if self._id(wave, range_index) in self._units:
            return None
        if wave not in self._candidates:
            crawled = self._outputs.of(self._root.crawl_ids(wave))
            self._candidates[wave] = candidate_list(self._root, crawled, self._load)
            self._outputs.drop(self._root.crawl_ids(wave))
        seen = None
        if previous is not None:
            records = self._outputs.of([previous])
            seen = [ref for record in records for ref in outputs_of_role(record, SEEN_ROLE, self._load)]
        return plan_task(self._root, wave, range_index, self._candidates[wave], seen)

    def _forget_inputs(self, wave: int, range_index: int) -> None:
        if wave:
            self._outputs.drop([self._id(wave - 1, range_index)])
        left = self._to_expect.pop(wave, self._root.spec.plan.ranges) - 1
        if left:
            self._to_expect[wave] = left
        else:
            del self._candidates[wave]

    def _id(self, wave: int, range_index: int) -> str:
        return plan_id(self._root.spec.job_id, wave, range_index)
