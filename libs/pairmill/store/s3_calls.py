"""Calls to an S3 endpoint: tried again while that may help, their errors translated."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeVar

from pairmill.errors import PairmillError, RetriableError
from pairmill.store.s3_errors import VENDOR_ERRORS, Call, CredentialsRefusedError, translate

T = TypeVar("T")

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0


class Calls:
    """Runs calls against one bucket. Thread-safe."""

    def __init__(self, *, endpoint: str, bucket: str, attempts: int, wait: Callable[[float], None]) -> None:
        self._endpoint = endpoint
        self._bucket = bucket
        self._attempts = attempts
        self._wait = wait
        self._allowed: set[str] = set()

    def run(self, operation: str, call: Callable[[], T], *, name: str = "", attempts: int | None = None) -> T:
        """Returns what a call returns; raises the errors of the port, each with its cause.

        Every call is one that may be repeated, whatever became of it before.
        """
        for attempt in range(1, (attempts or self._attempts) + 1):
            try:
                result = call()
            except VENDOR_ERRORS as error:
                failure = self._failure(error, operation, name)
                if not isinstance(failure, RetriableError) or attempt == (attempts or self._attempts):
                    raise failure from error
                self._wait(pause_seconds(attempt))
            else:
                self._allowed.add(operation)
                return result
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _failure(self, error: Exception, operation: str, name: str) -> PairmillError:
        failure = translate(
            error, Call(endpoint=self._endpoint, bucket=self._bucket, operation=operation, name=name)
        )
        if isinstance(failure, CredentialsRefusedError) and operation in self._allowed:
            # G5: what was allowed and no longer is waits for the file to be replaced; each try reads it
            return RetriableError(f"{failure} (expired or replaced?)")
        return failure


def pause_seconds(attempt: int) -> float:
    """Returns how long to wait after a failed attempt, counted from 1: doubling, half of it by chance."""
    pause: float = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return pause * random.uniform(0.5, 1.0)
