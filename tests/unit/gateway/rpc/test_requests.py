"""Every problem of a request is named with its field, all at once."""

from __future__ import annotations

import time

import pytest

from pairmill.rpc.refusals import MAX_VIOLATIONS, InvalidRequestError
from pairmill_gateway.rpc.requests import (
    interval_problems,
    job_id_problems,
    reason_problems,
    refuse_if,
    stage_problems,
    state_problems,
    submit_problems,
)
from pairmill_protos.gateway.v1.job_service_pb2 import JobState, SubmitJobRequest

GOOD = "https://data.example/a.warc.wat.gz"


def fields(request: SubmitJobRequest) -> list[str]:
    return [one.field for one in submit_problems(request)]


def test_a_request_that_is_one_has_no_problems() -> None:
    request = SubmitJobRequest(
        idempotency_key="nightly 2026-11-25",
        wats=[GOOD, "/srv/wat/b.wat.gz"],
        crawl="CC-MAIN-2024-10",
        profile="laion-5b",
        settings={"image.jpeg_quality": "90", "score.min_similarity.en": "0.3", "wave_size": "16"},
        bundle="vit-b-32",
        limit=1,
        sample_rate=1.0,
        exclude=["https://a.example/b.jpg", "0" * 32],
    )
    assert fields(request) == []


def test_everything_wrong_is_said_at_once() -> None:
    request = SubmitJobRequest(
        idempotency_key="k" * 129,
        wats=["relative.wat.gz", GOOD],
        crawl="a b",
        profile="best",
        settings={"image.jpeg_quality": "900", "plan.rangs": "1"},
        bundle="../../etc\n",
        limit=0,
        sample_rate=float("nan"),
        exclude=[" "],
    )
    assert fields(request) == [
        "idempotency_key",
        "crawl",
        "bundle",
        "wats[0]",
        "exclude[0]",
        "limit",
        "sample_rate",
        "profile",
        "settings.plan.rangs",
    ]


@pytest.mark.parametrize("setting", ["image.jpeg_quality=900", "plan.ranges=0", "wave_size=x", "job_id=j1"])
def test_settings_are_checked_by_the_rules_of_jobs(setting: str) -> None:
    name, _, value = setting.partition("=")
    assert fields(SubmitJobRequest(wats=[GOOD], settings={name: value})) == [f"settings.{name}"]


@pytest.mark.parametrize(
    "wat",
    [
        "",
        "  ",
        "a.wat.gz",
        "ftp://a.example/b",
        "https:///b",
        "http://[",
        "/a\0b",
        "https://a.example/" + "x" * 3000,
    ],
)
def test_a_wat_is_an_address_or_an_absolute_path(wat: str) -> None:
    assert fields(SubmitJobRequest(wats=[wat])) == ["wats[0]"]


@pytest.mark.parametrize("rate", [0.0, -1.0, 1.1, float("inf"), float("nan")])
def test_h2_a_share_is_above_0_and_up_to_1(rate: float) -> None:
    assert fields(SubmitJobRequest(wats=[GOOD], sample_rate=rate)) == ["sample_rate"]


def test_a_job_has_wats() -> None:
    assert fields(SubmitJobRequest()) == ["wats"]


def test_h2_of_many_bad_lines_the_first_are_shown_and_all_counted() -> None:
    problems = submit_problems(SubmitJobRequest(wats=["x"] * 5000))
    assert len(problems) == MAX_VIOLATIONS // 2 + 1
    assert (problems[-1].field, problems[-1].description[:5]) == ("wats", "5,000")


def test_a_job_of_100_000_wats_is_checked_in_no_time() -> None:
    request = SubmitJobRequest(
        wats=[f"https://data.example/crawl/{n:0100d}.warc.wat.gz" for n in range(100_000)]
    )
    assert request.ByteSize() < 16 * 2**20
    started = time.process_time()
    assert fields(request) == []
    assert time.process_time() - started < 5.0


@pytest.mark.parametrize("job_id", ["", "j 1", "../j1", "j" * 65, "j1\n", "ĵ1"])
def test_h2_what_is_no_id_of_a_job_is_refused(job_id: str) -> None:
    assert [one.field for one in job_id_problems(job_id)] == ["job_id"]


def test_states_stages_reasons_and_intervals_have_their_range() -> None:
    assert [one.field for one in state_problems([JobState.JOB_STATE_COMPLETE, 0, 99])] == [
        "states[1]",
        "states[2]",
    ]
    assert [one.field for one in stage_problems(99)] == ["stage"]
    assert [*stage_problems(0)] == []
    assert [one.field for one in reason_problems("x" * 501)] == ["reason"]
    for seconds in (0.1, 61.0, -1.0, float("nan"), float("inf")):
        assert [one.field for one in interval_problems(seconds, 0.2, 60.0)] == ["interval_seconds"]
    assert [*interval_problems(0.0, 0.2, 60.0), *interval_problems(60.0, 0.2, 60.0)] == []


def test_problems_are_raised_together() -> None:
    refuse_if([])
    with pytest.raises(InvalidRequestError, match="job_id: is empty"):
        refuse_if([*job_id_problems("")])
