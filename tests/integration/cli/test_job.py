"""`pairmill job` against a real server with fake jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import trustme
from typer.testing import Result

from pairmill.errors import RetriableError
from pairmill.rpc.callers import Role
from pairmill.rpc.config import RpcTls
from pairmill.rpc.tokens import find_caller, parse_tokens, token_digest
from pairmill_protos.gateway.v1.audit_service_pb2 import DeadLetter, OpenUnit, Orphan
from pairmill_protos.gateway.v1.job_service_pb2 import JobState
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.fakes.clock import ManualClock
from tests.fakes.rpc import Served, callers, serving
from tests.integration.cli.conftest import Call

Job: TypeAlias = Callable[..., Result]
VERBS = ("submit", "get", "list", "watch", "cancel", "resume", "audit", "replay", "token")
WAT = "https://data.example/a.warc.wat.gz"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A gateway on this machine."""
    with serving(callers(tmp_path)) as server:
        yield server


@pytest.fixture
def job(call: Call, served: Served) -> Job:
    """Calls a verb of `pairmill job` as one who may operate."""
    token_file = served.tokens.token_file("operate")

    def call_with(*arguments: object) -> Result:
        return call("job", *arguments, "--target", served.target, "--token-file", token_file, "--insecure")

    return call_with


def submitted(job: Job, *options: object) -> str:
    result = job("submit", "--wat", WAT, *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example(call: Call, verb: str) -> None:
    result = call("job", verb, "--help")
    assert result.exit_code == 0
    assert f"pairmill job {verb}" in " ".join(result.output.split("Example:")[1].split())


def test_a_job_is_submitted_with_the_options_of_a_run(job: Job, served: Served, tmp_path: Path) -> None:
    wat_list, exclude = tmp_path / "wats.txt", tmp_path / "takedowns.txt"
    wat_list.write_text(f"# two of three\n{WAT}\n/srv/b.wat.gz\n\n")
    exclude.write_text("https://a.example/b.jpg\n" + "0" * 32 + "\n")
    result = job(
        "submit", "--wat", WAT, "--wat-list", wat_list, "--crawl", "CC-MAIN-2024-10", "--profile", "laion-5b",
        "--set", "image.jpeg_quality=90", "--limit", 5, "--sample", 0.5, "--bundle", "vit-b-32",
        "--exclude", exclude, "--idempotency-key", "nightly", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["created"]
    assert (facts["job"]["state"], facts["job"]["profile"]) == ("admitted", "laion-5b")
    [admitted] = served.jobs.submitted()
    assert (admitted.spec.wat_count, admitted.spec.crawl) == (2, "CC-MAIN-2024-10")
    [request] = served.jobs.requests
    assert list(request.wats) == [WAT, "/srv/b.wat.gz"]
    assert dict(request.settings) == {"image.jpeg_quality": "90"}
    assert (request.limit, request.sample_rate, request.bundle) == (5, 0.5, "vit-b-32")
    assert [len(entry) for entry in request.exclude] == [32, 32]
    assert "0" * 32 in request.exclude
    assert request.idempotency_key == "nightly"


def test_the_same_request_again_is_the_same_job(job: Job, served: Served) -> None:
    assert submitted(job) == submitted(job)
    assert submitted(job, "--idempotency-key", "other") != submitted(job)
    assert len(served.jobs.submitted()) == 2


def test_a_dry_run_admits_nothing(job: Job, served: Served) -> None:
    result = job("submit", "--wat", WAT, "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "pairmill: would be admitted\n")
    assert served.jobs.submitted() == []


def test_everything_wrong_with_a_job_is_said_by_option(job: Job) -> None:
    wrong = ("--limit", 0, "--sample", 2, "--set", "image.jpeg_quality=900", "--profile", "best")
    result = job("submit", "--wat", WAT, *wrong)
    assert result.exit_code == 2
    for option in ("--limit: ", "--sample: ", "--set image.jpeg_quality: ", "--profile: "):
        assert f"pairmill: {option}" in result.stderr


def test_wats_that_are_none_are_refused_before_anything_is_sent(job: Job, served: Served) -> None:
    result = job("submit", "--wat", "ftp://data.example/a")
    assert result.exit_code == 2
    assert "--wat: line 1" in result.stderr
    assert job("submit").exit_code == 2
    assert served.jobs.asked == 0


def test_a_job_is_shown(job: Job, served: Served) -> None:
    job_id = submitted(job)
    served.jobs.progress_to(job_id, 40)
    shown = job("get", job_id).stdout
    assert f"s3://bucket/{job_id}" in shown
    assert "40 of 100 ended" in shown
    facts = json.loads(job("get", job_id, "--json").stdout)
    assert facts["progress"]["candidates_ended"] == 40
    assert facts["progress"]["stages"][1] == {
        "stage": "download",
        "units_open": 2,
        "units_closed": 4,
        "rows_per_second": 5.0,
        "counts": [
            {"outcome": "passed", "reason": "", "rows": 40},
            {"outcome": "failed", "reason": "dns_error", "rows": 4},
        ],
    }


def test_a_job_that_is_not_there_is_a_wrong_request(job: Job) -> None:
    for verb in ("get", "watch", "cancel", "resume", "audit", "replay"):
        result = job(verb, "j000000000000")
        assert result.exit_code == 2, verb
        assert "pairmill: JOB: there is no job j000000000000" in result.stderr


def test_jobs_are_listed_by_state_the_newest_first(job: Job, served: Served) -> None:
    ids = [submitted(job, "--idempotency-key", n) for n in range(3)]
    served.jobs.enter(ids[1], JobState.JOB_STATE_COMPLETE)
    listed = json.loads(job("list", "--json").stdout)
    assert [row["job_id"] for row in listed] == ids[::-1]
    assert [row["job_id"] for row in json.loads(job("list", "--limit", 1, "--json").stdout)] == ids[2:]
    shown = job("list", "--state", "complete").stdout
    assert (ids[1] in shown, ids[0] in shown) == (True, False)
    assert job("list", "--state", "cancelled").stdout == "no jobs\n"
    wrong = job("list", "--state", "done")
    assert (wrong.exit_code, "one of admitted" in wrong.stderr) == (2, True)


def test_a_list_of_many_pages_is_whole(job: Job, served: Served) -> None:
    job_id = submitted(job)
    units = [OpenUnit(unit_id=f"{job_id}/{n}", stage=Stage.STAGE_EMBED) for n in range(2500)]
    served.jobs.open_by_job[job_id] = units
    facts = json.loads(job("audit", job_id, "--open", "--limit", 2400, "--json").stdout)
    assert [unit["unit"] for unit in facts["open_units"]] == [unit.unit_id for unit in units[:2400]]


def test_a_job_is_cancelled_unless_it_is_being_finished(job: Job, served: Served) -> None:
    job_id = submitted(job)
    served.jobs.enter(job_id, JobState.JOB_STATE_FINALISING)
    refused = job("cancel", job_id, "--reason", "wrong crawl")
    assert (refused.exit_code, "is being finished" in refused.stderr) == (1, True)
    served.jobs.enter(job_id, JobState.JOB_STATE_CRAWLING)
    result = job("cancel", job_id, "--reason", "wrong crawl")
    assert result.exit_code == 0
    assert f"{job_id}: cancelled" in result.stderr
    assert "wrong crawl" in result.stderr


def test_a_blocked_job_is_resumed(job: Job, served: Served) -> None:
    job_id = submitted(job)
    assert job("resume", job_id).exit_code == 1
    served.jobs.enter(job_id, JobState.JOB_STATE_BLOCKED)
    assert "no such bundle" in job("get", job_id).stdout
    assert json.loads(job("resume", job_id, "--json").stdout)["state"] == "crawling"


def test_an_audit_that_does_not_close_is_a_no(job: Job, served: Served) -> None:
    job_id = submitted(job)
    closed = job("audit", job_id)
    assert closed.exit_code == 0
    assert "robots_disallowed" in closed.stdout
    served.jobs.open_by_job[job_id] = [OpenUnit(unit_id=f"{job_id}/u", stage=Stage.STAGE_EMBED, starts=2)]
    result = job("audit", job_id, "--open", "--stage", "embed")
    assert result.exit_code == 1
    assert f"{job_id}/u" in result.stdout
    assert "download: 2 unit(s) are open" in result.stderr
    assert job("audit", job_id, "--open", "--stage", "embedding").exit_code == 2


def test_orphans_and_dead_letters_are_listed_and_replayed(job: Job, served: Served) -> None:
    job_id = submitted(job)
    served.jobs.orphans_by_job[job_id] = [Orphan(unit_id=f"{job_id}/x", attempt="00000001", offset=7)]
    served.jobs.letters_by_job[job_id] = [DeadLetter(unit_id=f"{job_id}/y", rows=9, error="boom")]
    facts = json.loads(job("audit", job_id, "--orphans", "--dead-letters", "--json").stdout)
    assert [orphan["offset"] for orphan in facts["orphans"]] == [7]
    assert [letter["error"] for letter in facts["dead_letters"]] == ["boom"]
    assert job("replay", job_id).exit_code == 1
    served.jobs.enter(job_id, JobState.JOB_STATE_INCOMPLETE)
    result = job("replay", job_id)
    assert (result.exit_code, result.stdout) == (0, f"{job_id}-repair\n")


def test_too_small_a_role_is_a_wrong_request(call: Call, served: Served) -> None:
    token_file = served.tokens.token_file("read")
    result = call(
        "job", "submit", "--wat", WAT, "--target", served.target, "--token-file", token_file, "--insecure"
    )
    assert result.exit_code == 2
    assert "needs the role operate" in result.stderr


def test_everything_wrong_with_the_connection_is_said_at_once(call: Call, tmp_path: Path) -> None:
    result = call("job", "list", "--cert-file", tmp_path / "c.pem")
    assert result.exit_code == 2
    for option in ("--target: ", "--token-file: ", "--cert-file: "):
        assert f"pairmill: {option}" in result.stderr


@pytest.mark.parametrize("target", ["gateway", "gateway:", ":7600", "gateway:http"])
def test_a_target_is_host_and_port(call: Call, tmp_path: Path, target: str) -> None:
    (tmp_path / "token").write_text("pmt_x")
    result = call("job", "list", "--target", target, "--token-file", tmp_path / "token")
    assert (result.exit_code, "no HOST:PORT" in result.stderr) == (2, True)


def test_a_token_does_not_leave_the_machine_in_the_clear(call: Call, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pmt_x")
    result = call("job", "list", "--target", "10.0.0.1:1", "--token-file", tmp_path / "token", "--insecure")
    assert (result.exit_code, "in the clear" in result.stderr) == (2, True)


def test_the_connection_comes_from_the_environment_too(
    call: Call, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAIRMILL_TARGET", served.target)
    monkeypatch.setenv("PAIRMILL_TOKEN_FILE", str(served.tokens.token_file("read")))
    monkeypatch.setenv("PAIRMILL_INSECURE", "true")
    assert call("job", "list").stdout == "no jobs\n"


def test_a_gateway_that_is_away_for_a_moment_is_asked_again(job: Job, served: Served) -> None:
    job_id, before = submitted(job), served.jobs.asked
    served.jobs.trouble = RetriableError("the broker is away")

    def recover() -> None:
        if served.jobs.asked == before + 3:
            served.jobs.trouble = None

    served.jobs.before_answer = recover
    assert job("get", job_id).exit_code == 0
    assert served.jobs.asked == before + 3


def test_a_call_that_is_another_one_each_time_is_not_repeated(job: Job, served: Served) -> None:
    job_id, before = submitted(job), served.jobs.asked
    served.jobs.trouble = RetriableError("the broker is away")
    for verb in ("replay", "resume"):
        assert job(verb, job_id).exit_code == 1
    assert served.jobs.asked == before + 2


def test_a_gateway_that_is_not_there_is_given_up_in_time(call: Call, served: Served) -> None:
    token_file = served.tokens.token_file("read")
    result = call(
        "job", "list", "--target", "127.0.0.1:1", "--token-file", token_file, "--insecure", "--timeout", 0.5
    )
    assert result.exit_code == 1
    assert "127.0.0.1:1 does" in result.stderr or "127.0.0.1:1 did" in result.stderr


def test_tls_and_mutual_tls_are_spoken(call: Call, tmp_path: Path) -> None:
    authority, tokens = trustme.CA(), callers(tmp_path)
    paths = {name: tmp_path / name for name in ("ca", "cert", "key")}
    leaf = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(paths["ca"]))
    leaf.private_key_pem.write_to_path(str(paths["key"]))
    paths["cert"].write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    tls = RpcTls(certificate_file=paths["cert"], key_file=paths["key"], client_ca_file=paths["ca"])
    with serving(tokens, tls=tls, allow_insecure=False) as served:
        reached = ("--target", served.target, "--token-file", tokens.token_file("read"))
        own = ("--cert-file", paths["cert"], "--key-file", paths["key"])
        assert call("job", "list", *reached, "--ca-file", paths["ca"], *own).stdout == "no jobs\n"
        for lacking in (("--ca-file", paths["ca"]), own, ("--insecure",)):
            result = call("job", "list", *reached, *lacking, "--timeout", 1)
            assert (result.exit_code, "does not answer" in result.stderr) == (1, True), lacking


def test_a_new_token_is_printed_once_with_the_lines_to_add(call: Call) -> None:
    result = call("job", "token", "--name", "ci", "--role", "operate", "--tenant", "lab", "--days", 3)
    assert result.exit_code == 0
    token = result.stdout.strip()
    assert token not in result.stderr
    caller = find_caller(parse_tokens(result.stderr), token_digest(token), ManualClock().now())
    assert caller is not None
    assert (caller.name, caller.role, caller.tenant) == ("ci", Role.OPERATE, "lab")


def test_a_token_for_no_role_or_no_name_is_refused(call: Call) -> None:
    assert "none of read, operate, admin" in call("job", "token", "--name", "ci", "--role", "root").stderr
    assert call("job", "token", "--name", "c i", "--role", "read").exit_code == 2
