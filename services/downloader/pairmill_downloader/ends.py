"""What becomes of a URL after an attempt: pure rules (U9)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from pairmill.reasons import RETRIABLE
from pairmill_downloader.images.examine import Examined
from pairmill_downloader.ports import FetchEnd
from pairmill_downloader.shards.spill import Place
from pairmill_downloader.targets import Target
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A URL whose rows end in this unit, stored or with a reason."""

    target: Target
    attempts: int  # in all units
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    detail: str = ""
    fetch: FetchEnd | None = None  # of the last attempt, without its body
    body_bytes: int | None = None
    examined: Examined | None = None  # without the stored bytes
    place: Place | None = None  # of the stored bytes in the unit's spill


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOn:
    """A URL whose rows go to a follow-up: to the next round after a failure, else because time was up."""

    target: Target
    attempts: int  # in all units
    next_round: bool
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    retry_after_rounds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """An attempt that is followed by another one in this unit."""

    pause_seconds: float  # least time before it
    host_pause_seconds: float | None = None  # what the host asked for all its URLs


AttemptEnd: TypeAlias = "Ended | HandedOn | TryAgain"
TargetEnd: TypeAlias = "Ended | HandedOn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Where a unit stands among the retry rounds."""

    number: int  # 0 for the first
    rounds: int  # that the job has besides the first

    @property
    def is_last(self) -> bool:
        """Whether a failure in this round is final."""
        return self.number >= self.rounds


@dataclass(slots=True)
class Tries:
    """The attempts at one URL within a unit."""

    target: Target
    made: int = 0
    not_before: float = 0.0
    last: FetchEnd | None = field(default=None)

    @property
    def in_all(self) -> int:
        """Attempts in all units."""
        return self.target.attempts_used + self.made


def after_failure(
    tries: Tries, end: FetchEnd, rules: DownloadRules, place: Round, jitter: float
) -> AttemptEnd:
    """Returns what follows an attempt that gave no body.

    `tries` counts the attempt already; `jitter` is drawn from [0, 1).
    """
    if end.reason not in RETRIABLE:
        return ended(tries, end)
    asked = end.retry_after_seconds
    at_cap = asked is not None and asked >= rules.retry_after_cap_seconds
    if not at_cap and tries.made < rules.max_attempts:
        backoff = rules.host_delay_seconds * 2**tries.made * (0.5 + jitter)
        return TryAgain(pause_seconds=max(asked or 0.0, backoff), host_pause_seconds=asked)
    return after_last_try(tries, end, place, at_cap=at_cap)


def after_last_try(tries: Tries, end: FetchEnd, place: Round, *, at_cap: bool = False) -> TargetEnd:
    """Returns what becomes of a URL that failed and is not tried again in this unit."""
    waited = tries.target.retry_after_rounds
    if place.is_last and at_cap and waited >= place.rounds:
        detail = f"asked to wait {end.retry_after_seconds:g} s in every round"
        return replace(ended(tries, end), reason=Reason.REASON_HOST_UNAVAILABLE, detail=detail)
    if place.is_last:
        return ended(tries, end)
    return HandedOn(
        target=tries.target,
        attempts=tries.in_all,
        next_round=True,
        reason=end.reason,
        retry_after_rounds=waited + at_cap,
    )


def ended(tries: Tries, end: FetchEnd) -> Ended:
    """Returns the end of a URL that gave no body."""
    return Ended(
        target=tries.target,
        attempts=tries.in_all,
        reason=end.reason,
        detail=end.detail,
        fetch=without_body(end),
    )


def without_body(end: FetchEnd) -> FetchEnd:
    """Returns an end with everything but the bytes."""
    return replace(end, body=b"")
