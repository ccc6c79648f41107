"""One attempt at one unit, in a worker thread: scratch folder in, result or verdict on the error out."""

from __future__ import annotations

import enum
import errno
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError, CutOffError, RetriableError
from pairmill.stage.port import Handler, UnitContext, UnitResult
from pairmill.store.port import ObjectStore
from pairmill.units import new_attempt
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import UnitTask

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Fault(enum.Enum):
    """What an exception of a handler means for its unit."""

    ENVIRONMENT = "environment"  # wait and try again; counts against nobody
    CUT_OFF = "cut_off"  # nothing to show; delivered again
    STAGE = "stage"  # this process cannot do such work: breaker
    UNIT = "unit"  # evidence against the unit, if the self-test passes


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended: a result, or an error with what it means."""

    result: UnitResult | None = None
    error: BaseException | None = None
    fault: Fault | None = None
    started_at: datetime
    finished_at: datetime
    seconds: float


def classify(error: BaseException) -> Fault:
    """Returns what an exception means (U13): the environment is never a unit's fault."""
    match error:
        case CutOffError():
            return Fault.CUT_OFF
        case RetriableError():
            return Fault.ENVIRONMENT
        case ConfigurationError():
            return Fault.STAGE
        case _:
            return Fault.ENVIRONMENT if _tells_of_a_full_disk(error) else Fault.UNIT


def _tells_of_a_full_disk(error: BaseException | None) -> bool:
    """Whether the error or one that it was raised from says so: libraries wrap it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


def new_context(
    task: UnitTask,
    spec: JobSpec,
    *,
    store: ObjectStore,
    scratch_root: Path,
    isolated: bool,
    report_progress: Callable[[int, int], None],
) -> UnitContext:
    """Returns the context of a fresh attempt; its scratch folder is made when work starts."""
    attempt = new_attempt()
    return UnitContext(
        task=task,
        spec=spec,
        attempt=attempt,
        store=store,
        scratch=scratch_root / f"unit-{attempt}",
        cut_off=threading.Event(),
        report_progress=report_progress,
        isolated=isolated,
    )


def run_attempt(handler: Handler, context: UnitContext, clock: Clock) -> AttemptEnd:
    """Runs a handler on a unit and returns how that ended; never raises an ordinary exception."""
    started_at, start = clock.now(), clock.monotonic()
    result: UnitResult | None = None
    error: BaseException | None = None
    try:
        context.scratch.mkdir(parents=True)
        try:
            result = handler.handle(context)
        finally:
            shutil.rmtree(context.scratch, ignore_errors=True)
    except Exception as caught:  # noqa: BLE001 - the loop decides what it means
        error = caught
    return AttemptEnd(
        result=result,
        error=error,
        fault=classify(error) if error is not None else None,
        started_at=started_at,
        finished_at=clock.now(),
        seconds=clock.monotonic() - start,
    )
