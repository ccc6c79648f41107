"""A download unit: every row ends or is handed on, whatever the hosts do (U9)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pairmill.clock import SystemClock
from pairmill.dataset.tars import members
from pairmill.errors import CutOffError, RetriableError
from pairmill.ids import to_hex
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.store.directory import DirectoryStore
from pairmill_downloader.engine import Engine
from pairmill_downloader.handler import DownloadHandler, DownloadParts
from pairmill_downloader.rows import WHOLE_FILE_BYTES
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitTask
from tests.fakes import download as fake

PASSED = (Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED)


class Bench:
    """A handler over a scripted web."""

    def __init__(self, folder: Path) -> None:
        self.web = fake.FakeWeb()
        self.store = DirectoryStore(folder / "store")
        self.observer = fake.CountingObserver()
        self.examiner = fake.LocalExaminer()
        self._scratch = folder / "scratch"
        self._runs = 0
        self.handler = DownloadHandler(
            DownloadParts(
                engine=Engine(self.web.open),
                examiner=self.examiner,
                observer=self.observer,
                clock=SystemClock(),
                check_examiner=lambda: None,
            )
        )

    def answer(self, url: str, *ends: Any) -> None:
        self.web.fetcher.script[url] = list(ends)

    def context(self, rows: list[dict[str, Any]], job: JobSpec | None = None, **facts: Any) -> UnitContext:
        task = fake.download_task(fake.stored_rows(self.store, [rows]), **facts)
        return self.context_of(task, job)

    def context_of(self, task: UnitTask, job: JobSpec | None = None) -> UnitContext:
        self._runs += 1
        return fake.context(task, job or fake.spec(), self.store, self._scratch / str(self._runs))

    def run(self, rows: list[dict[str, Any]], job: JobSpec | None = None, **facts: Any) -> UnitResult:
        return self.handler.handle(self.context(rows, job, **facts))

    def index(self, result: UnitResult) -> dict[str, dict[str, Any]]:
        return {row["url"]: row for row in fake.index_of(result, self.store)}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.handler.close()


def roles(result: UnitResult) -> list[str]:
    return [ref.role for ref in result.outputs]


def test_what_ends_stands_in_a_shard_and_goes_on_to_be_embedded(bench: Bench) -> None:
    good, gone = "https://a.test/good.jpg", "https://b.test/gone.jpg"
    bench.answer(good, fake.answered(fake.picture(1)))
    result = bench.run([fake.row(good, "one"), fake.row(good, "two"), fake.row(gone)])
    assert result.tally == {PASSED: 2, (Outcome.OUTCOME_FAILED, Reason.REASON_HTTP_4XX): 1}
    assert roles(result) == ["shard", "shard_index", "shard_stats"]
    tar, index, _ = result.outputs
    assert (tar.rows, index.rows) == (2, 3)
    (embed,) = result.follow_ups
    assert (embed.unit_id, embed.stage, embed.rows) == (f"{fake.UNIT}/e", Stage.STAGE_EMBED, 2)
    assert (embed.input.embed.shard, embed.input.embed.shard_index) == (tar, index)
    assert bench.web.fetcher.asked.count(good) == 1


def test_the_tar_holds_what_the_index_says(bench: Bench, tmp_path: Path) -> None:
    urls = [f"https://h{number}.test/{number}.jpg" for number in range(5)]
    for number, url in enumerate(urls):
        bench.answer(url, fake.answered(fake.picture(number)))
    result = bench.run([fake.row(url, f"text {url}") for url in urls])
    path = tmp_path / "shard.tar"
    path.write_bytes(bench.store.get(result.outputs[0].key))
    data = path.read_bytes()
    found = {member.name: data[member.offset : member.offset + member.size] for member in members(path)}
    keys = [row["key"] for row in fake.index_of(result, bench.store)]
    assert keys == sorted(keys)
    assert list(found) == [f"{key}.{extension}" for key in keys for extension in ("jpg", "txt", "json")]
    for row in fake.index_of(result, bench.store):
        image = data[row["tar_offset"] : row["tar_offset"] + row["tar_size"]]
        assert image == found[f"{row['key']}.jpg"]
        assert found[f"{row['key']}.txt"].decode() == row["caption"]
        facts = json.loads(found[f"{row['key']}.json"])
        assert (facts["sample_id"], facts["sha256"]) == (row["sample_id"], row["sha256"])
        assert not facts.keys() & {"fetched_at", "attempts", "tar_offset"}


def test_a_unit_without_a_success_has_neither_tar_nor_embed_unit(bench: Bench) -> None:
    result = bench.run([fake.row("https://a.test/gone.jpg")])
    assert roles(result) == ["shard_index", "shard_stats"]
    assert not result.follow_ups


def test_d7_a_failure_that_heals_within_the_unit_leaves_a_success(bench: Bench) -> None:
    url = "https://a.test/1.jpg"
    bench.answer(url, fake.refused(Reason.REASON_HTTP_5XX), fake.answered(fake.picture()))
    result = bench.run([fake.row(url)], fake.spec(download__max_attempts=2))
    assert result.tally == {PASSED: 1}
    assert bench.index(result)[url]["attempts"] == 2


def test_d7_a_failure_that_stays_goes_to_the_next_round(bench: Bench) -> None:
    bad, good = "https://a.test/1.jpg", "https://b.test/2.jpg"
    bench.answer(bad, fake.refused(Reason.REASON_TIMEOUT_TOTAL))
    bench.answer(good, fake.answered(fake.picture()))
    result = bench.run([fake.row(bad), fake.row(good)], fake.spec(download__max_attempts=3))
    assert result.tally == {PASSED: 1, (Outcome.OUTCOME_HANDED_ON, Reason.REASON_TIMEOUT_TOTAL): 1}
    assert bench.web.fetcher.asked.count(bad) == 3
    (retry,) = [task for task in result.follow_ups if task.stage == Stage.STAGE_DOWNLOAD]
    assert retry.unit_id == f"{fake.UNIT}.r1"
    assert (retry.input.download.waits, retry.input.download.retry_round, retry.rows) == (True, 1, 1)
    (rest,) = fake.rest_of(retry, bench.store)
    assert (rest["url"], rest["attempts_used"], rest["retry_round"]) == (bad, 3, 1)
    assert rest["last_reason"] == "timeout_total"
    assert "rest" in roles(result)


def test_d7_after_the_last_round_a_failure_is_final(bench: Bench) -> None:
    url = "https://a.test/1.jpg"
    bench.answer(url, fake.refused(Reason.REASON_HTTP_5XX, http_status=503))
    job = fake.spec(download__retry_delay_seconds=[1.0, 1.0], download__max_attempts=2)
    task = fake.download_task(fake.stored_rows(bench.store, [[fake.row(url)]]))
    for number in (1, 2):
        result = bench.handler.handle(bench.context_of(task, job))
        (task,) = result.follow_ups
        assert task.unit_id.endswith(f".r{number}")
    result = bench.handler.handle(bench.context_of(task, job))
    assert result.tally == {(Outcome.OUTCOME_FAILED, Reason.REASON_HTTP_5XX): 1}
    ended = bench.index(result)[url]
    assert (ended["attempts"], ended["retry_round"], ended["http_status"]) == (6, 2, 503)
    assert task.unit_id == f"{fake.UNIT}.r1.r2"


def test_rows_that_their_host_does_not_admit_in_time_are_put_off(bench: Bench) -> None:
    urls = [f"https://a.test/{number}.jpg" for number in range(4)]
    for url in urls:
        bench.answer(url, fake.answered(fake.picture()))
    bench.web.gate.closed_after["a.test"] = 1
    result = bench.run([fake.row(url) for url in urls], fake.spec(download__host_connections=1))
    assert result.tally == {PASSED: 1, (Outcome.OUTCOME_HANDED_ON, Reason.REASON_UNSPECIFIED): 3}
    put_off = next(task for task in result.follow_ups if task.stage == Stage.STAGE_DOWNLOAD)
    assert put_off.unit_id == f"{fake.UNIT}.d1"
    assert not put_off.input.download.waits
    assert [row["attempts_used"] for row in fake.rest_of(put_off, bench.store)] == [0, 0, 0]


def test_rows_that_are_put_off_stay_in_their_round_with_what_they_have_used(bench: Bench) -> None:
    url = "https://a.test/1.jpg"
    rows = [fake.row(url, attempts_used=4, retry_round=2, retry_after_rounds=1)]
    bench.web.gate.closed_after["a.test"] = 0
    (put_off,) = bench.run(rows, retry_round=2, waits=True).follow_ups
    assert (put_off.input.download.retry_round, put_off.input.download.waits) == (2, False)
    (rest,) = fake.rest_of(put_off, bench.store)
    assert (rest["attempts_used"], rest["retry_round"], rest["retry_after_rounds"]) == (4, 2, 1)


def test_follow_ups_stay_in_the_partition_of_their_parent(bench: Bench) -> None:
    url = "https://a.test/1.jpg"
    bench.answer(url, fake.refused(Reason.REASON_HTTP_429))
    result = bench.run([fake.row(url)], first_bucket=77)
    assert [task.input.download.first_bucket for task in result.follow_ups] == [77]


def test_d6_waiting_at_the_cap_in_every_round_makes_a_host_unavailable(bench: Bench) -> None:
    url = "https://a.test/1.jpg"
    bench.answer(url, fake.refused(Reason.REASON_HTTP_429, retry_after_seconds=86400.0))
    job = fake.spec(download__retry_delay_seconds=[1.0, 1.0], download__retry_after_cap_seconds=0.0)
    task = fake.download_task(fake.stored_rows(bench.store, [[fake.row(url)]]))
    for _ in range(2):
        (task,) = bench.handler.handle(bench.context_of(task, job)).follow_ups
    result = bench.handler.handle(bench.context_of(task, job))
    assert result.tally == {(Outcome.OUTCOME_FAILED, Reason.REASON_HOST_UNAVAILABLE): 1}
    assert bench.web.fetcher.asked.count(url) == 3
    assert bench.web.gate.pauses == [("a.test", 0.0)] * 3


def test_patience_ends_what_is_put_off_again_and_again(bench: Bench) -> None:
    urls = [f"https://a.test/{number}.jpg" for number in range(3)]
    bench.web.gate.closed_after["a.test"] = 1
    job = fake.spec(download__patience_seconds=1000.0, download__host_connections=1)
    job.download.unit_deadline_seconds = 600.0
    first = bench.run([fake.row(url) for url in urls], job)
    assert first.tally[Outcome.OUTCOME_HANDED_ON, Reason.REASON_UNSPECIFIED] == 2
    (put_off,) = first.follow_ups
    bench.web.gate.closed_after["a.test"] = 2
    second = bench.handler.handle(bench.context_of(put_off, job))
    assert second.tally[Outcome.OUTCOME_FAILED, Reason.REASON_HOST_TOO_SLOW] == 1
    assert not second.follow_ups


def test_patience_does_not_end_what_was_asked_and_failed(bench: Bench) -> None:
    url = "https://a.test/1.jpg"
    bench.answer(url, fake.refused(Reason.REASON_RESET))
    task = fake.download_task(fake.stored_rows(bench.store, [[fake.row(url)]]), f"{fake.UNIT}.d9")
    job = fake.spec(download__patience_seconds=1.0)
    result = bench.handler.handle(bench.context_of(task, job))
    assert result.tally == {(Outcome.OUTCOME_HANDED_ON, Reason.REASON_RESET): 1}


def test_patience_does_not_end_what_a_cut_off_left_over(bench: Bench) -> None:
    good, held = "https://a.test/good.jpg", "https://b.test/held.jpg"
    bench.answer(good, fake.answered(fake.picture()))
    bench.web.fetcher.held.add(held)
    rows = fake.stored_rows(bench.store, [[fake.row(good), fake.row(held)]])
    task = fake.download_task(rows, f"{fake.UNIT}.d9")
    unit = bench.context_of(task, fake.spec(download__patience_seconds=1.0))
    stop_when_done(bench, unit, rows=1)
    result = bench.handler.handle(unit)
    assert result.tally == {PASSED: 1, (Outcome.OUTCOME_HANDED_ON, Reason.REASON_UNSPECIFIED): 1}


def test_a4_a_unit_cut_off_keeps_what_ended_and_hands_on_the_rest(bench: Bench) -> None:
    good, held = "https://a.test/good.jpg", "https://b.test/held.jpg"
    bench.answer(good, fake.answered(fake.picture()))
    unit = bench.context([fake.row(good), fake.row(held)])
    bench.web.fetcher.held.add(held)
    stop_when_done(bench, unit, rows=1)
    result = bench.handler.handle(unit)
    assert result.tally == {PASSED: 1, (Outcome.OUTCOME_HANDED_ON, Reason.REASON_UNSPECIFIED): 1}
    assert bench.web.fetcher.aborted == [held]
    follow_up = next(task for task in result.follow_ups if task.stage == Stage.STAGE_DOWNLOAD)
    assert follow_up.unit_id == f"{fake.UNIT}.d0"
    (rest,) = fake.rest_of(follow_up, bench.store)
    assert (rest["url"], rest["attempts_used"]) == (held, 0)
    assert bench.web.gate.contacted == 2


def stop_when_done(bench: Bench, unit: UnitContext, rows: int) -> None:
    """Cuts the unit off once so many bodies were examined."""
    examined = bench.observer.examined

    def count(reason: Reason.ValueType, seconds: float) -> None:
        examined(reason, seconds)
        if bench.observer.images.total() >= rows:
            unit.cut_off.set()

    bench.observer.examined = count  # type: ignore[method-assign] # a fake of the test's own


def test_a3_a_unit_cut_off_before_any_row_publishes_nothing(bench: Bench) -> None:
    held = "https://b.test/held.jpg"
    unit = bench.context([fake.row(held)])
    bench.web.fetcher.held.add(held)
    bench.web.fetcher.on_asked = lambda url: unit.cut_off.set()
    with pytest.raises(CutOffError):
        bench.handler.handle(unit)


def test_d12_our_own_outage_is_no_failure_of_the_rows(bench: Bench) -> None:
    urls = [f"https://h{number}.test/1.jpg" for number in range(10)]
    for url in urls:
        bench.answer(url, fake.refused(Reason.REASON_DNS_ERROR))
    bench.web.watch.failures_until_outage = 5
    with pytest.raises(RetriableError, match="hosts"):
        bench.run([fake.row(url) for url in urls])


def test_no_more_requests_are_in_flight_than_the_unit_may_have(bench: Bench) -> None:
    urls = [f"https://h{number}.test/1.jpg" for number in range(50)]
    bench.run([fake.row(url) for url in urls], fake.spec(download__unit_connections=4))
    assert bench.web.fetcher.most_busy == 4
    assert bench.observer.fetches.total() == 50


def test_e12_a_body_below_the_minimum_is_not_examined(bench: Bench) -> None:
    url = "https://a.test/1.gif"
    bench.answer(url, fake.answered(b"GIF89a"))
    result = bench.run([fake.row(url)], fake.spec(download__min_body_bytes=7))
    assert result.tally == {(Outcome.OUTCOME_FAILED, Reason.REASON_BODY_TOO_SMALL): 1}
    assert bench.index(result)[url]["body_bytes"] == 6


def test_the_index_tells_of_a_failed_image_what_is_known(bench: Bench) -> None:
    url = "https://a.test/1.jpg"
    bench.answer(url, fake.answered(fake.picture()[:900]))
    result = bench.run([fake.row(url)])
    row = bench.index(result)[url]
    assert (row["status"], row["reason"], row["outcome"]) == (
        "failed_to_resize",
        "truncated_image",
        "failed",
    )
    assert (row["format"], row["original_width"], row["body_bytes"]) == ("jpeg", 96, 900)
    assert row["error_message"].startswith("truncated_image: ")
    assert row["sha256"] == row["content_sha256"]
    assert row["tar_offset"] is None


def test_the_same_answers_give_the_same_tar(bench: Bench) -> None:
    urls = [f"https://h{number}.test/1.jpg" for number in range(6)]
    for number, url in enumerate(urls):
        bench.answer(url, fake.answered(fake.picture(number)))
    rows = [fake.row(url) for url in urls]
    one, other = (bench.run(rows).outputs[0].sha256 for _ in range(2))
    assert one == other


def test_only_the_units_row_group_is_read_of_a_large_plan(bench: Bench) -> None:
    draw = random.Random(5)
    groups = [
        [fake.row(f"https://h{group}-{number}.test/", draw.randbytes(60_000).hex()) for number in range(20)]
        for group in range(3)
    ]
    ref = fake.stored_rows(bench.store, groups)
    assert ref.bytes > WHOLE_FILE_BYTES
    task = fake.download_task(ref, row_group=1)
    result = bench.handler.handle(bench.context_of(task))
    assert {row["key"] for row in fake.index_of(result, bench.store)} == {
        to_hex(row["sample_id"]) for row in groups[1]
    }


def test_closing_ends_connections_and_decoders(bench: Bench) -> None:
    bench.run([fake.row("https://a.test/1.jpg")])
    bench.handler.close()
    assert bench.web.fetcher.closed
    assert bench.examiner.closed
