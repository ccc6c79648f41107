"""Watching a job: lines without a terminal, a table in one, over restarts, and what ends it."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from pairmill.errors import ConfigurationError, RetriableError
from pairmill.rpc.callers import Caller, Role
from pairmill_protos.gateway.v1.job_service_pb2 import (
    BlockedUnit,
    Job,
    JobProgress,
    JobState,
    SubmitJobRequest,
)
from pairmill_standalone.cli.api_connection import Connection
from pairmill_standalone.cli.job_client import JobClient
from pairmill_standalone.cli.job_connection import open_client
from pairmill_standalone.cli.job_facts import job_facts
from pairmill_standalone.cli.job_view import picture_of, seconds_left, status_of
from pairmill_standalone.cli.job_watch import follow
from tests.conftest import REPOSITORY
from tests.fakes.jobs import FIRST_ADMISSION, FakeJobs, new_job, progress_with
from tests.fakes.processes import wait_until
from tests.fakes.rpc import Served, TokenFile, callers, serving
from tests.integration.cli.conftest import Call

CALLER = Caller(name="operate", role=Role.OPERATE)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return callers(tmp_path)


@pytest.fixture
def served(tokens: TokenFile) -> Iterator[Served]:
    with serving(tokens) as server:
        yield server


def submitted(jobs: FakeJobs) -> str:
    return jobs.submit(SubmitJobRequest(wats=["/a.wat.gz"]), CALLER)[0].job_id


def options(served: Served, tokens: TokenFile) -> tuple[object, ...]:
    return ("--target", served.target, "--token-file", tokens.token_file("operate"), "--insecure")


def connection(served: Served, tokens: TokenFile) -> Connection:
    return Connection(target=served.target, token_file=tokens.token_file("operate"), insecure=True)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (JobState.JOB_STATE_COMPLETE, 0),
        (JobState.JOB_STATE_INCOMPLETE, 1),
        (JobState.JOB_STATE_CANCELLED, 1),
    ],
    ids=["complete", "incomplete", "cancelled"],
)
def test_a_watch_ends_as_the_job_did(
    call: Call, served: Served, tokens: TokenFile, state: JobState.ValueType, code: int
) -> None:
    job_id = submitted(served.jobs)
    served.jobs.progress_to(job_id, 40)
    served.jobs.enter(job_id, state, "1 WAT file(s) end early")
    result = call("job", "watch", job_id, *options(served, tokens))
    assert result.exit_code == code
    assert "40 of 100 candidates, 20 passed (dns_error 4)" in result.stderr
    assert "1 WAT file(s) end early" in result.stderr
    assert (result.stdout == f"s3://bucket/{job_id}/dataset.json\n") == (
        state != JobState.JOB_STATE_CANCELLED
    )


def test_a_job_is_watched_from_its_submission(call: Call, served: Served, tokens: TokenFile) -> None:
    def finish() -> None:
        for job in served.jobs.submitted():
            served.jobs.enter(job.job_id, JobState.JOB_STATE_COMPLETE)

    served.jobs.before_answer = finish
    result = call("job", "submit", "--wat", "/a.wat.gz", "--watch", "--json", *options(served, tokens))
    assert result.exit_code == 0, result.stderr
    assert '"state": "complete"' in result.stdout


def test_a_watch_goes_on_over_a_restart_of_the_gateway(tokens: TokenFile) -> None:
    jobs, told, seen = FakeJobs(), list[str](), list[int]()
    job_id = submitted(jobs)
    with ExitStack() as stack:
        first = stack.enter_context(serving(tokens, jobs))
        client = stack.enter_context(open_client(connection(first, tokens)))

        def watch() -> None:
            for job in follow(client, job_id, 0.2, told.append):
                seen.append(job.progress.candidates_ended)

        watching = threading.Thread(target=watch)
        watching.start()
        wait_until(lambda: seen == [0])
        first.server.__exit__(None, None, None)
        jobs.progress_to(job_id, 50)
        wait_until(lambda: bool(told))
        with serving(tokens, jobs, listen=first.target):
            wait_until(lambda: 50 in seen)
            jobs.enter(job_id, JobState.JOB_STATE_COMPLETE)
            watching.join(30.0)
            assert not watching.is_alive()
    assert len(told) == 1
    assert "does not answer; the job goes on" in told[0]


def test_a_job_that_a_new_gateway_has_not_read_yet_is_waited_for(served: Served, tokens: TokenFile) -> None:
    """What was seen once is there, whatever a gateway says that has just started."""
    job_id = submitted(served.jobs)
    with open_client(connection(served, tokens)) as client:
        following = follow(client, job_id, 0.2, lambda text: None)
        next(following)
        served.jobs.hidden.add(job_id)
        enough = served.jobs.asked + 3

        def read_on() -> None:
            if served.jobs.asked >= enough:
                served.jobs.hidden.clear()

        served.jobs.before_answer = read_on
        assert next(following).job_id == job_id
        assert served.jobs.asked >= enough


def test_a_watch_gives_up_once_its_patience_is_over(served: Served, tokens: TokenFile) -> None:
    job_id = submitted(served.jobs)
    served.jobs.trouble = RetriableError("the broker is away")
    with open_client(connection(served, tokens)) as client, pytest.raises(RetriableError, match="broker"):
        list(follow(client, job_id, 0.2, lambda text: None, patience_seconds=0.5))


def test_a_watch_that_is_refused_for_good_ends_at_once(served: Served, tokens: TokenFile) -> None:
    with open_client(connection(served, tokens)) as client, pytest.raises(ConfigurationError, match="JOB"):
        list(follow(client, "j000000000000", 0.2, lambda text: None))


def test_an_exchanged_token_is_taken_up(served: Served, tokens: TokenFile) -> None:
    job_id = submitted(served.jobs)
    with open_client(connection(served, tokens)) as client:
        assert client.get(job_id).job_id == job_id
        tokens.path.write_text("")
        wait_until(lambda: not _is_let_in(client))
        tokens.add("operate", Role.OPERATE)
        tokens.token_file("operate")
        wait_until(lambda: _is_let_in(client))


def _is_let_in(client: JobClient) -> bool:
    try:
        client.newest([], 1)
    except ConfigurationError:
        return False
    return True


@pytest.fixture
def _heeding_ctrl_c() -> Iterator[None]:
    """A shell tells what it runs in the background to ignore SIGINT, and children would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeding_ctrl_c")
def test_ctrl_c_ends_the_watch_and_not_the_job(served: Served, tokens: TokenFile) -> None:
    job_id = submitted(served.jobs)
    arguments = [sys.executable, "-m", "pairmill_standalone", "job", "watch", job_id]
    arguments += map(str, options(served, tokens))
    with subprocess.Popen(arguments, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: served.measured("pairmill_rpc_streams_open") == 1.0)
        assert process.stderr is not None
        assert "admitted" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30.0)
    assert process.returncode == 130
    assert f"the job goes on, `pairmill job watch {job_id}` shows it again" in said
    assert served.jobs.get(job_id, CALLER).state == JobState.JOB_STATE_ADMITTED
    wait_until(lambda: served.measured("pairmill_rpc_streams_open") == 0.0)


def test_in_a_terminal_a_table_is_drawn(served: Served, tokens: TokenFile) -> None:
    job_id = submitted(served.jobs)
    served.jobs.progress_to(job_id, 40)
    mine, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "pairmill_standalone", "job", "watch", job_id]
    arguments += map(str, options(served, tokens))
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        arguments, cwd=REPOSITORY, stderr=theirs, stdout=subprocess.DEVNULL, env=env
    ) as process:
        os.close(theirs)
        drawn = b""
        while b"open units" not in drawn:
            drawn += os.read(mine, 65536)
        served.jobs.enter(job_id, JobState.JOB_STATE_COMPLETE)
        assert process.wait(30.0) == 0
    os.close(mine)


def test_the_picture_has_stages_rate_time_left_and_what_holds_it_up() -> None:
    job = new_job("j1", SubmitJobRequest(), CALLER, FIRST_ADMISSION)
    job.progress.CopyFrom(progress_with(40))
    job.state = JobState.JOB_STATE_BLOCKED
    job.blocked.CopyFrom(BlockedUnit(unit_id="j1/w0000/r0000", error="no such bundle"))
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(picture_of(job))
    text = console.export_text()
    for words in ("j1 blocked", "40 of 100 candidates", "more than 0:00:12 left", "1 of 3 waves wait"):
        assert words in text
    assert "held up by j1/w0000/r0000: no such bundle" in text
    [download] = [line.split() for line in text.splitlines() if line.strip().startswith("download")]
    assert download == ["download", "2", "4", "5.0", "40", "4"]


def test_u17_what_waits_for_its_version_says_for_whom() -> None:
    job = new_job("j1", SubmitJobRequest(), CALLER, FIRST_ADMISSION)
    job.state = JobState.JOB_STATE_BLOCKED
    job.blocked.CopyFrom(BlockedUnit(group="embed-0123456789ab", error="start an inference"))
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(picture_of(job))
    text = console.export_text()
    assert "j1 blocked(version)" in text
    assert "held up by the absence of embed-0123456789ab: start an inference" in text
    assert status_of(job)["state"] == "j1: blocked(version), nobody is in the group embed-0123456789ab"
    facts = job_facts(job)
    assert facts["state"] == "blocked", "scripts get a state of the closed set, and the group beside it"
    assert facts["blocked"]["group"] == "embed-0123456789ab"


def test_without_a_rate_no_time_is_left() -> None:
    assert seconds_left(Job(progress=JobProgress(candidates_planned=10))) is None
