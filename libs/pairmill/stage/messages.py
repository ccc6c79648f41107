"""The records of a stage as messages on the bus, and back."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

from google.protobuf.message import DecodeError

from pairmill import __version__
from pairmill.bus.port import Bus, Headers, Message, Outgoing
from pairmill.errors import InvalidRecordError
from pairmill.ids import to_hex
from pairmill.stage.datasets import check_dataset
from pairmill.stage.hand import PendingEffect
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.units import (
    DEAD_LETTERS_TOPIC,
    LEDGER_TOPIC,
    PROGRESS_TOPIC,
    follow_up_list,
    key_partition,
    reference_list,
    stage_of,
    task_partition,
    task_topic,
)
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import (
    LedgerRecord,
    Progress,
    Stage,
    UnitDone,
    UnitFailed,
    UnitTask,
)

SCHEMA_HEADER: Final = "pairmill-schema"
JOB_HEADER: Final = "pairmill-job"
UNIT_HEADER: Final = "pairmill-unit"
DIGEST_HEADER: Final = "pairmill-digest"
TASK_SCHEMA: Final = b"unit-task/1"

MAX_ERROR_CHARACTERS: Final = 2000


def task_message(bus: Bus, task: UnitTask, spec: JobSpec, dataset: str = "") -> Outgoing:
    """Returns a task on its topic and partition, with headers that survive a damaged body (U13).

    `dataset` is the folder of the job's dataset. Only what is published names it: tasks in records are
    the same wherever a dataset lies.
    """
    topic = task_topic(task)
    return Outgoing(
        topic=topic,
        partition=task_partition(task, bus.partitions(topic), spec.plan.ranges),
        key=task.unit_id.encode(),
        value=_placed(task, dataset).SerializeToString(),
        headers=(
            (SCHEMA_HEADER, TASK_SCHEMA),
            (JOB_HEADER, task.job_id.encode()),
            (UNIT_HEADER, task.unit_id.encode()),
            (DIGEST_HEADER, to_hex(task.input_digest).encode()),
        ),
    )


def _placed(task: UnitTask, dataset: str) -> UnitTask:
    if task.dataset == dataset:
        return task
    placed = UnitTask()
    placed.CopyFrom(task)
    placed.dataset = dataset
    return placed


def parse_task(message: Message, stage: Stage.ValueType) -> UnitTask:
    """Returns the task in a message; raises InvalidRecordError with what is wrong with it."""
    schema = dict(message.headers).get(SCHEMA_HEADER, TASK_SCHEMA)
    if schema != TASK_SCHEMA:
        raise InvalidRecordError(f"the schema is {schema!r}, this version reads {TASK_SCHEMA!r}")
    try:
        task = UnitTask.FromString(message.value)
        found = stage_of(task.input)
        check_dataset(task.dataset)
    except (DecodeError, ValueError) as error:
        raise InvalidRecordError(f"the record is no task: {error}") from error
    if not task.job_id or not task.unit_id.startswith(task.job_id + "/") or not task.spec.key:
        raise InvalidRecordError("the task names no unit of a job with a spec")
    if task.stage != stage or found != stage:
        raise InvalidRecordError(f"the task is for stage {task.stage}, not {stage}")
    return task


def ledger_message(bus: Bus, job_id: str, record: LedgerRecord) -> Outgoing:
    """Returns a fact on the partition of the ledger that holds the job."""
    return Outgoing(
        topic=LEDGER_TOPIC,
        partition=ledger_partition(bus, job_id),
        key=job_id.encode(),
        value=record.SerializeToString(),
    )


def ledger_partition(bus: Bus, job_id: str) -> int:
    """Returns the partition of the ledger that holds a job."""
    return key_partition(job_id.encode(), bus.partitions(LEDGER_TOPIC))


def started_message(bus: Bus, task: UnitTask, attempt: str) -> Outgoing:
    """Returns the sign that work on a unit starts; acknowledged before it does (U13)."""
    return _sign_message(bus, task, attempt, Progress(started=True))


def handed_back_message(bus: Bus, task: UnitTask, attempt: str) -> Outgoing:
    """Returns the sign that a start came back without an end, and that nothing crashed."""
    return _sign_message(bus, task, attempt, Progress(handed_back=True))


def progress_message(bus: Bus, task: UnitTask, attempt: str, rows: tuple[int, int]) -> Outgoing:
    """Returns a sign of life of a unit at work: its rows (done, in all)."""
    return _sign_message(bus, task, attempt, Progress(rows_done=rows[0], rows=rows[1]))


def _sign_message(bus: Bus, task: UnitTask, attempt: str, sign: Progress) -> Outgoing:
    sign.job_id, sign.stage, sign.unit_id = task.job_id, task.stage, task.unit_id
    sign.input_digest, sign.attempt = task.input_digest, attempt
    return Outgoing(
        topic=PROGRESS_TOPIC,
        partition=key_partition(task.job_id.encode(), bus.partitions(PROGRESS_TOPIC)),
        key=task.unit_id.encode(),
        value=sign.SerializeToString(),
    )


def done_effect(
    bus: Bus, context: UnitContext, result: UnitResult, started_at: datetime, finished_at: datetime
) -> PendingEffect:
    """Returns the effect of a unit that ended well."""
    task = context.task
    outputs, output_list = reference_list(result.outputs, task.job_id)
    tasks, task_list = follow_up_list(result.follow_ups, task.job_id)
    done = UnitDone(
        job_id=task.job_id,
        stage=task.stage,
        unit_id=task.unit_id,
        input_digest=task.input_digest,
        attempt=context.attempt,
        rows_in=result.rows_in,
        counts=result.counts(),
        outputs=outputs,
        follow_ups=tasks,
        service_version=__version__,
    )
    done.started_at.FromDatetime(started_at.astimezone(UTC).replace(tzinfo=None))
    done.finished_at.FromDatetime(finished_at.astimezone(UTC).replace(tzinfo=None))
    return PendingEffect(
        attachments=output_list | task_list,
        follow_ups=[
            task_message(bus, follow_up, context.spec, task.dataset) for follow_up in result.follow_ups
        ],
        facts=[ledger_message(bus, task.job_id, LedgerRecord(done=done))],
        tally=result.tally,
        outputs=result.outputs,
    )


def failed_message(bus: Bus, task: UnitTask, attempt: str, error: BaseException) -> Outgoing:
    """Returns the fact that a unit raised."""
    failed = UnitFailed(
        job_id=task.job_id,
        stage=task.stage,
        unit_id=task.unit_id,
        input_digest=task.input_digest,
        attempt=attempt,
        error_class=type(error).__name__,
        error=str(error)[:MAX_ERROR_CHARACTERS],
        rows=task.rows,
    )
    return ledger_message(bus, task.job_id, LedgerRecord(failed=failed))


def poison_messages(
    bus: Bus, message: Message, stage: Stage.ValueType, error: InvalidRecordError
) -> list[Outgoing]:
    """Returns what is published for a message that is no task (U13).

    Always a dead letter with the original bytes, which is for showing. If the headers tell which
    unit it was, also its failure, so that the walk can hand it out again. The attempt is a function of
    the message's place: however often it is delivered, it counts as one failure.
    """
    attempt = poison_attempt(message)
    letter = dead_letter(bus, message, str(error))
    task = _task_from_headers(message.headers, stage)
    if task is None:
        return [letter]
    return [letter, failed_message(bus, task, attempt, error)]


def dead_letter(bus: Bus, message: Message, error: str, *, reason: str = "invalid_record") -> Outgoing:
    """Returns a message as it came, with why and where it was set aside."""
    return Outgoing(
        topic=DEAD_LETTERS_TOPIC,
        partition=key_partition(message.key, bus.partitions(DEAD_LETTERS_TOPIC)),
        key=message.key,
        value=message.value,
        headers=message.headers + _letter_headers(message, error, reason),
    )


def poison_attempt(message: Message) -> str:
    """Returns 8 hex digits for a message's place on the bus."""
    place = f"{message.topic}/{message.partition}/{message.offset}/{message.appended_at.isoformat()}"
    return hashlib.blake2b(place.encode(), digest_size=4).hexdigest()


def _letter_headers(message: Message, error: str, reason: str) -> Headers:
    facts = {
        "dlq-topic": message.topic,
        "dlq-partition": str(message.partition),
        "dlq-offset": str(message.offset),
        "dlq-reason": reason,
        "dlq-error": error[:MAX_ERROR_CHARACTERS],
        "dlq-service-version": __version__,
        "dlq-attempts": poison_attempt(message),
    }
    return tuple((name, value.encode()) for name, value in facts.items())


def _task_from_headers(headers: Headers, stage: Stage.ValueType) -> UnitTask | None:
    found = dict(headers)
    try:
        return UnitTask(
            job_id=found[JOB_HEADER].decode(),
            unit_id=found[UNIT_HEADER].decode(),
            stage=stage,
            input_digest=bytes.fromhex(found[DIGEST_HEADER].decode()),
        )
    except (KeyError, ValueError):
        return None
