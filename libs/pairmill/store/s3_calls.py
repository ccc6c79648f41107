"""Calls to an S3 endpoint: tried again while that may help, their errors translated."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from typing import Final, TypeVar

import structlog

from pairmill.clock import Clock
from pairmill.errors import NoSpaceError, PairmillError, RetriableError
from pairmill.store.conditional import ReplacedError
from pairmill.store.s3_errors import VENDOR_ERRORS, Call, CredentialsRefusedError, UploadGoneError, translate

T = TypeVar("T")

log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0


class Calls:
    """Runs calls against one bucket. Thread-safe."""

    def __init__(self, *, endpoint: str, bucket: str, clock: Clock) -> None:
        self._endpoint = endpoint
        self._bucket = bucket
        self._clock = clock
        self._allowed: set[str] = set()

    def run(self, operation: str, call: Callable[[], T], *, patience: float, name: str = "") -> T:
        """Returns what a call returns; raises the errors of the port, each with its cause.

        No try begins later than `patience` seconds after the first one. Every call is one that may be
        repeated, whatever became of it before.
        """
        deadline = self._clock.monotonic() + patience
        for attempt in count(1):
            try:
                result = call()
            except VENDOR_ERRORS as error:
                failure, pause = self._failure(error, operation, name), pause_seconds(attempt)
                if not _may_pass(failure) or self._clock.monotonic() + pause > deadline:
                    raise failure from error
                log.warning("store_call_repeated", attempt=attempt, pause_seconds=pause, error=str(failure))
                self._clock.sleep(pause)
            else:
                self._allowed.add(operation)
                return result
        raise AssertionError("unreachable: the loop ends with a result or an error")

    def _failure(self, error: Exception, operation: str, name: str) -> PairmillError:
        failure = translate(
            error, Call(endpoint=self._endpoint, bucket=self._bucket, operation=operation, name=name)
        )
        if isinstance(failure, CredentialsRefusedError) and operation in self._allowed:
            # G5: what was allowed and no longer is waits for the file to be replaced; each try reads it
            return RetriableError(f"{failure} (expired or replaced?)")
        return failure


def _may_pass(failure: PairmillError) -> bool:
    """Whether to try again. Room does not come by itself: whoever called has to say that there is none."""
    return isinstance(failure, RetriableError) and not isinstance(
        failure, NoSpaceError | UploadGoneError | ReplacedError
    )


def pause_seconds(attempt: int) -> float:
    """Returns how long to wait after a failed attempt, counted from 1: doubling, half of it by chance."""
    pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10))
    return pause * random.uniform(0.5, 1.0)
