"""Is a request one: every problem with its field, all at once. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import profile
from pairmill.jobspec.settings import apply_settings
from pairmill.jobspec.validate import validate
from pairmill.rpc.refusals import MAX_VIOLATIONS, InvalidRequestError, Violation, violations_of
from pairmill_protos.gateway.v1.job_service_pb2 import JobState, SubmitJobRequest
from pairmill_protos.unit.v1.unit_pb2 import Stage

DEFAULT_PROFILE: Final = "default"
MAX_WATS: Final = 1_000_000
MAX_UNITS: Final = 1000
MAX_REASON: Final = 500
DIGEST_BYTES: Final = 16

_MAX_KEY: Final = 128
_MAX_ADDRESS: Final = 2048
_JOB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@/-]{0,127}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def refuse_if(problems: Sequence[Violation]) -> None:
    """Raises INVALID_ARGUMENT if there are problems."""
    if problems:
        raise InvalidRequestError(problems)


def job_id_problems(job_id: str) -> Iterator[Violation]:
    """Yields what is wrong with the id of a job, if anything."""
    if not job_id:
        yield Violation(field="job_id", description="is empty; name a job")
    elif not _JOB_ID.fullmatch(job_id):
        yield Violation(field="job_id", description=f"{job_id[:80]!r} is no id, such as j0a1b2c3d4e5f")


def reason_problems(reason: str) -> Iterator[Violation]:
    """Yields what is wrong with the reason of a cancel, if anything."""
    if len(reason) > MAX_REASON:
        yield Violation(field="reason", description=f"has {len(reason):,} characters; at most {MAX_REASON}")


def state_problems(states: Sequence[int]) -> Iterator[Violation]:
    """Yields the states that a list cannot be filtered by."""
    known = set(JobState.values()) - {JobState.JOB_STATE_UNSPECIFIED}
    for place, state in enumerate(states):
        if state not in known:
            yield Violation(field=f"states[{place}]", description=f"{state} is no state of a job")


def stage_problems(stage: int) -> Iterator[Violation]:
    """Yields what is wrong with a stage, if anything."""
    if stage not in Stage.values():
        yield Violation(field="stage", description=f"{stage} is no stage")


def interval_problems(seconds: float, least: float, most: float) -> Iterator[Violation]:
    """Yields what is wrong with the interval of a watch, if anything; 0 is the default."""
    if seconds != 0 and not least <= seconds <= most:
        yield Violation(
            field="interval_seconds", description=f"is {seconds:g}; {least:g} to {most:g}, 0 is the default"
        )


def submit_problems(request: SubmitJobRequest) -> list[Violation]:
    """Returns everything that is wrong with a job before bundles and stores are looked at."""
    return [
        *_name_problems(request),
        *_wat_problems(request.wats),
        *_list_problems("exclude", request.exclude, _plain_line_problem),
        *_number_problems(request),
        *_rule_problems(request),
    ]


def _name_problems(request: SubmitJobRequest) -> Iterator[Violation]:
    key = request.idempotency_key
    if len(key) > _MAX_KEY or _CONTROL.search(key):
        yield Violation(
            field="idempotency_key",
            description=f"at most {_MAX_KEY} characters, none of them control characters",
        )
    for field in ("crawl", "bundle"):
        value = getattr(request, field)
        if value and not _NAME.fullmatch(value):
            yield Violation(
                field=field,
                description=f"{value[:80]!r} is no name; letters, digits, dots, dashes, up to 128",
            )


def _wat_problems(wats: Sequence[str]) -> Iterator[Violation]:
    if not wats:
        yield Violation(field="wats", description="is empty; name at least one WAT file")
    if len(wats) > MAX_WATS:
        yield Violation(field="wats", description=f"has {len(wats):,} entries; at most {MAX_WATS:,}")
        return
    yield from _list_problems("wats", wats, _wat_problem)


def _wat_problem(wat: str) -> str:
    if problem := _plain_line_problem(wat):
        return problem
    if "://" not in wat:
        return "" if wat.startswith("/") else "is no absolute path; the crawlers have other folders than you"
    try:
        parts = urlsplit(wat)
    except ValueError:
        return "is no URL"
    return "" if parts.scheme in ("http", "https") and parts.hostname else "is no http(s) URL"


def _plain_line_problem(line: str) -> str:
    if not line.strip():
        return "is blank"
    if len(line) > _MAX_ADDRESS:
        return f"has {len(line):,} characters; at most {_MAX_ADDRESS:,}"
    return "has control characters" if _CONTROL.search(line) else ""


def _list_problems(field: str, lines: Sequence[str], check: Callable[[str], str]) -> Iterator[Violation]:
    """Yields as many as are shown, and how many more there are."""
    found = 0
    for place, line in enumerate(lines):
        problem = check(line)
        found += bool(problem)
        if problem and found <= MAX_VIOLATIONS // 2:
            yield Violation(field=f"{field}[{place}]", description=f"{line[:80]!r} {problem}")
    if found > MAX_VIOLATIONS // 2:
        yield Violation(field=field, description=f"{found:,} entries are wrong, of which the first are shown")


def _number_problems(request: SubmitJobRequest) -> Iterator[Violation]:
    if request.HasField("limit") and request.limit < 1:
        yield Violation(field="limit", description=f"{request.limit:,} is too small; at least 1")
    if request.HasField("sample_rate") and not 0 < request.sample_rate <= 1:
        yield Violation(
            field="sample_rate", description=f"{request.sample_rate:g} is not above 0 and up to 1"
        )


def _rule_problems(request: SubmitJobRequest) -> Iterator[Violation]:
    """Yields what the rules of the job say of its profile and settings."""
    try:
        spec = profile(request.profile or DEFAULT_PROFILE)
    except ConfigurationError as error:
        yield from violations_of(str(error))
        spec = profile(DEFAULT_PROFILE)
    try:
        apply_settings(spec, dict(request.settings))
        validate(spec)
    except ConfigurationError as error:
        for one in violations_of(str(error)):
            yield Violation(field=f"settings.{one.field}", description=one.description)
