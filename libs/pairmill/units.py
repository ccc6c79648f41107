"""Units of work: their ids, input digests, routes and object names (U2, U4, U6, U9, U19)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from pairmill.ids import BUCKETS
from pairmill_protos.unit.v1.unit_pb2 import (
    FollowUps,
    ObjectRef,
    References,
    Stage,
    UnitInput,
    UnitTask,
)

MAX_INLINE_REFERENCES: Final = 64
MAX_RETRY_ROUNDS: Final = 3

LEDGER_TOPIC: Final = "ledger"
PROGRESS_TOPIC: Final = "progress"
JOBS_TOPIC: Final = "jobs"
DEAD_LETTERS_TOPIC: Final = "dead-letters"

STAGE_TOPICS: Final[Mapping[Stage.ValueType, tuple[str, ...]]] = {
    Stage.STAGE_CRAWL: ("wat-tasks",),
    Stage.STAGE_PLAN: ("plan-tasks",),
    Stage.STAGE_DOWNLOAD: (
        "download-tasks",
        *(f"download-retry-{k}" for k in range(1, MAX_RETRY_ROUNDS + 1)),
    ),
    Stage.STAGE_EMBED: ("embed-tasks",),
    Stage.STAGE_SCORE: ("score-tasks",),
    Stage.STAGE_FINALISE: ("finalise-tasks",),
    Stage.STAGE_INDEX: ("index-tasks",),
}
"""Topics that a stage's group reads. A download task waits on the retry topic of its round."""


def new_attempt() -> str:
    """Returns a fresh attempt: 8 random hex digits, drawn when a unit starts (U4)."""
    return secrets.token_hex(4)


def new_task(*, spec: ObjectRef, job_id: str, unit_id: str, unit_input: UnitInput, rows: int = 0) -> UnitTask:
    """Returns a task whose stage and input digest follow from its input."""
    return UnitTask(
        job_id=job_id,
        stage=stage_of(unit_input),
        unit_id=unit_id,
        input_digest=input_digest(unit_input),
        input=unit_input,
        spec=spec,
        rows=rows,
    )


def stage_of(unit_input: UnitInput) -> Stage.ValueType:
    """Returns the stage that works on an input; raises ValueError if none is set."""
    kind = unit_input.WhichOneof("input")
    if kind is None:
        raise ValueError("the unit has no input")
    return Stage.Value(f"STAGE_{kind.upper()}")


def input_digest(unit_input: UnitInput) -> bytes:
    """Returns BLAKE2b-128 of the input's deterministic serialisation.

    Only the unit's creator calls this; everyone else copies the digest (U3), so that a later version
    of the serialiser cannot change a unit's identity.
    """
    data = unit_input.SerializeToString(deterministic=True)
    return hashlib.blake2b(data, digest_size=16).digest()


def task_topic(task: UnitTask) -> str:
    """Returns the topic that a task is published to."""
    topics = STAGE_TOPICS[task.stage]
    if task.stage == Stage.STAGE_DOWNLOAD and task.input.download.waits:
        return topics[task.input.download.retry_round]
    return topics[0]


def task_partition(task: UnitTask, partitions: int, ranges: int) -> int:
    """Returns the partition of a task on a topic with that many partitions (U6).

    Plan and download units go by host bucket, so that one process owns a host in every round; the
    rest by unit id.
    """
    if task.stage == Stage.STAGE_DOWNLOAD:
        return task.input.download.first_bucket * partitions // BUCKETS
    if task.stage == Stage.STAGE_PLAN:
        return first_bucket_of_range(task.input.plan.range, ranges) * partitions // BUCKETS
    return key_partition(task.unit_id.encode(), partitions)


def key_partition(key: bytes, partitions: int) -> int:
    """Returns the partition of a key: BLAKE2b-64 modulo the number of partitions."""
    head = hashlib.blake2b(key, digest_size=8).digest()
    return int.from_bytes(head, "big") % partitions


def first_bucket_of_range(index: int, ranges: int) -> int:
    """Returns the first host bucket of range `index` when 4,096 buckets are cut into `ranges`."""
    return -(-index * BUCKETS // ranges)


def range_of_bucket(bucket: int, ranges: int) -> int:
    """Returns the range 0..ranges-1 that a host bucket lies in."""
    return bucket * ranges // BUCKETS


def flat_name(unit_id: str) -> str:
    """Returns a unit id as one path component: `/` becomes `.`."""
    return unit_id.replace("/", ".")


def object_key(folder: str, unit_id: str, attempt: str, suffix: str, prefix: str = "") -> str:
    """Returns `<folder>/<prefix><flat unit id>-<attempt><suffix>`: a name that is never reused (U4)."""
    return f"{folder}/{prefix}{flat_name(unit_id)}-{attempt}{suffix}"


def list_key(job_id: str, digest: bytes) -> str:
    """Returns the key of an object that is named by its SHA-256 alone (lists, specs)."""
    return f"ledger/lists/{job_id}-{digest.hex()}.binpb"


def reference_list(references: Iterable[ObjectRef], job_id: str) -> tuple[References, dict[str, bytes]]:
    """Returns the references, and the object to store first if there are more than 64 (U19).

    The object's name and bytes are a function of the references, so any number of writers may write
    it.
    """
    items = list(references)
    if len(items) <= MAX_INLINE_REFERENCES:
        return References(inline=items), {}
    listed, attachment = _listed(References(inline=items), len(items), job_id)
    return References(listed=listed), attachment


def follow_up_list(tasks: Iterable[UnitTask], job_id: str) -> tuple[FollowUps, dict[str, bytes]]:
    """Returns the follow-ups, and the object to store first if there are more than 64 (U19)."""
    items = list(tasks)
    if len(items) <= MAX_INLINE_REFERENCES:
        return FollowUps(inline=items), {}
    listed, attachment = _listed(FollowUps(inline=items), len(items), job_id)
    return FollowUps(listed=listed), attachment


def _listed(message: References | FollowUps, rows: int, job_id: str) -> tuple[ObjectRef, dict[str, bytes]]:
    data = message.SerializeToString(deterministic=True)
    digest = hashlib.sha256(data).digest()
    key = list_key(job_id, digest)
    ref = ObjectRef(key=key, bytes=len(data), sha256=digest, rows=rows, role="list")
    return ref, {key: data}
