"""A toy job whose units can be carried out in any order, any number of times, with other results."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from pairmill.jobspec.profiles import profile
from pairmill.ledger import phases
from pairmill.ledger.root import JobRoot
from pairmill.units import new_task
from pairmill_protos.common.v1.outcome_pb2 import Count, Outcome
from pairmill_protos.unit.v1.unit_pb2 import (
    DownloadInput,
    EmbedInput,
    FollowUps,
    LedgerRecord,
    ObjectRef,
    References,
    ScoreInput,
    Stage,
    UnitDone,
    UnitFailed,
    UnitInput,
    UnitTask,
)

STEP_ROLES = (
    phases.ROWS_ROLE,
    phases.CONTENTS_ROLE,
    phases.BANDS_ROLE,
    phases.NEIGHBOURS_ROLE,
    phases.CLUSTERS_ROLE,
    phases.CHOICE_ROLE,
    phases.LOSERS_ROLE,
    phases.KEPT_ROLE,
)
SPEC_REF = ObjectRef(key="ledger/lists/spec", bytes=1, sha256=b"s" * 32, role="spec")


def toy_root(wats: int, wave_size: int, ranges: int) -> JobRoot:
    """Returns the root of a small job."""
    spec = profile("everything")
    spec.job_id = "job"
    spec.wave_size = wave_size
    spec.plan.ranges = ranges
    spec.wat_count = wats
    return JobRoot(spec=spec, spec_ref=SPEC_REF, wats=tuple(f"/{index}.wat.gz" for index in range(wats)))


@dataclass(slots=True)
class ToyJob:
    """Carries out tasks: every attempt draws its own outputs and, for downloads, its own follow-ups."""

    root: JobRoot
    draw: random.Random
    objects: dict[str, bytes] = field(default_factory=dict)

    def load(self, ref: ObjectRef) -> bytes:
        """Returns an object that a record refers to."""
        return self.objects[ref.key]

    def done(self, task: UnitTask) -> LedgerRecord:
        """Returns the record of one attempt at a task."""
        attempt = f"{self.draw.getrandbits(32):08x}"
        rows = self.draw.randint(1, 5)
        done = UnitDone(
            job_id=task.job_id,
            stage=task.stage,
            unit_id=task.unit_id,
            input_digest=task.input_digest,
            attempt=attempt,
            rows_in=rows,
            counts=[Count(outcome=Outcome.OUTCOME_PASSED, rows=rows)],
            outputs=References(inline=list(self._outputs(task, attempt))),
            follow_ups=FollowUps(inline=self._follow_ups(task, attempt)),
        )
        return LedgerRecord(done=done)

    def failed(self, task: UnitTask) -> LedgerRecord:
        """Returns the record of an attempt that raised."""
        return LedgerRecord(
            failed=UnitFailed(
                job_id=task.job_id,
                stage=task.stage,
                unit_id=task.unit_id,
                input_digest=task.input_digest,
                attempt=f"{self.draw.getrandbits(32):08x}",
                error_class="ToyError",
            )
        )

    def _outputs(self, task: UnitTask, attempt: str) -> list[ObjectRef]:
        if task.stage == Stage.STAGE_CRAWL:
            return [self._ref(task, "candidates", "fixed")]
        if task.stage == Stage.STAGE_PLAN:
            return [self._ref(task, "seen", "fixed")]
        if task.stage == Stage.STAGE_SCORE:
            return [self._ref(task, "scores", attempt)]
        if task.stage == Stage.STAGE_FINALISE:
            return [self._ref(task, role, attempt, self.draw.randrange(2)) for role in STEP_ROLES]
        return [self._ref(task, "shard", attempt)]

    def _ref(self, task: UnitTask, role: str, attempt: str, partition: int | None = None) -> ObjectRef:
        key = f"steps/{task.unit_id}-{attempt}-{role}"
        digest = key.encode()[:32].ljust(32)
        return ObjectRef(key=key, bytes=1, sha256=digest, rows=1, role=role, partition=partition)

    def _follow_ups(self, task: UnitTask, attempt: str) -> list[UnitTask]:
        if task.stage == Stage.STAGE_PLAN:
            inputs = [
                UnitInput(download=DownloadInput(rows=self._ref(task, "plan", "fixed"), row_group=index))
                for index in range(2)
            ]
            return [self._child(task, f"/d{index:05d}", found) for index, found in enumerate(inputs)]
        if task.stage == Stage.STAGE_DOWNLOAD:
            return self._after_download(task, attempt)
        if task.stage == Stage.STAGE_EMBED:
            score = ScoreInput(shard=self._ref(task, "shard", attempt))
            return [self._child(task, "/s", UnitInput(score=score))]
        return []

    def _after_download(self, task: UnitTask, attempt: str) -> list[UnitTask]:
        children = []
        if self.draw.random() < 0.7:
            embed = EmbedInput(shard=self._ref(task, "shard", attempt))
            children.append(self._child(task, "/e", UnitInput(embed=embed)))
        round_number = task.input.download.retry_round + 1
        if round_number <= 3 and self.draw.random() < 0.3:
            rest = DownloadInput(rows=self._ref(task, "rest", attempt), retry_round=round_number, waits=True)
            children.append(self._child(task, f".r{round_number}", UnitInput(download=rest)))
        return children

    def _child(self, task: UnitTask, suffix: str, unit_input: UnitInput) -> UnitTask:
        return new_task(
            spec=SPEC_REF,
            job_id=task.job_id,
            unit_id=task.unit_id + suffix,
            unit_input=unit_input,
            rows=1,
        )
