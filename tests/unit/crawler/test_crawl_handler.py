"""A crawl unit's whole effect: candidate file, examples, counts that balance."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from prometheus_client import CollectorRegistry

from pairmill.errors import ConfigurationError, CutOffError
from pairmill.ids import sample_id, url_id
from pairmill.jobspec.profiles import profile
from pairmill.schemas import CANDIDATES, DROP_SAMPLES
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.units import new_task, range_of_bucket
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.config import CrawlerConfig
from pairmill_crawler.handler import CrawlHandler
from pairmill_crawler.metrics import CrawlerMetrics
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import CrawlInput, ObjectRef, UnitInput
from tests.fakes.wat_readers import LocalReaders
from tests.unit.arrays.memory_store import MemoryStore, new_context
from tests.unit.crawler.wats import Memory, image, info_record, page_record, wat_of

LINKS = [image(f"http://host{n % 97}.test/{n}.jpg", f"a picture of thing number {n}") for n in range(600)]
WAT = wat_of(
    info_record(),
    *[page_record(*LINKS[n : n + 10], {"path": "A@/href", "url": "/x"}) for n in range(0, 600, 10)],
    page_record(image("/no.jpg", "")),
)


class Crawler:
    """A handler with all that it works on."""

    def __init__(self, folder: Path, data: bytes = WAT) -> None:
        self.readers = LocalReaders(Memory(data, chunk=4000), detector_named)
        self.registry = CollectorRegistry()
        self.handler = CrawlHandler(CrawlerConfig(), self.readers, CrawlerMetrics(self.registry))
        self.store = MemoryStore()
        self.spec = profile("default")
        self.folder = folder
        self.attempts = 0

    def context(self, **fields: Any) -> UnitContext:
        unit_input = UnitInput(crawl=CrawlInput(wat="crawl-data/some.wat.gz", wat_index=7, crawl="CC-TEST"))
        task = new_task(spec=ObjectRef(), job_id="j", unit_id="j/w0000/c000007", unit_input=unit_input)
        self.attempts += 1
        scratch = self.folder / str(self.attempts)
        scratch.mkdir()
        return replace(new_context(task, self.spec, self.store, scratch), **fields)

    def table(self, result: UnitResult, role: str) -> pq.ParquetFile:
        (ref,) = [ref for ref in result.outputs if ref.role == role]
        return pq.ParquetFile(io.BytesIO(self.store.objects[ref.key]), page_checksum_verification=True)


@pytest.fixture
def crawler(tmp_path: Path) -> Crawler:
    return Crawler(tmp_path)


def test_records_and_links_are_counted_and_balance(crawler: Crawler) -> None:
    result = crawler.handler.handle(crawler.context())
    assert dict(result.tally) == {
        (Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED): 600,
        (Outcome.OUTCOME_DROPPED, Reason.REASON_NO_HTML_METADATA): 1,
        (Outcome.OUTCOME_DROPPED, Reason.REASON_NOT_IMAGE_LINK): 60,
        (Outcome.OUTCOME_DROPPED, Reason.REASON_NO_ALT): 1,
    }
    assert result.rows_in == 662
    assert not result.follow_ups


def test_the_candidate_file_is_sorted_and_its_row_groups_are_cut_at_ranges(crawler: Crawler) -> None:
    file = crawler.table(crawler.handler.handle(crawler.context()), "candidates")
    assert file.schema_arrow.names == CANDIDATES.names
    assert file.schema_arrow.types == CANDIDATES.types
    assert (file.schema_arrow.metadata or {})[b"schema_version"] == b"1"
    rows = file.read().to_pylist()
    keys = [(row["bucket"], row["url_id"], row["sample_id"]) for row in rows]
    assert keys == sorted(keys)
    ranges = crawler.spec.plan.ranges
    for group in range(file.num_row_groups):
        buckets = file.read_row_group(group, ["bucket"]).column("bucket").to_numpy()
        assert len({range_of_bucket(int(bucket), ranges) for bucket in buckets}) == 1
        statistics = file.metadata.row_group(group).column(CANDIDATES.names.index("bucket")).statistics
        assert statistics is not None
        assert (statistics.min, statistics.max) == (buckets[0], buckets[-1])


def test_a_row_says_what_it_is_and_where_it_is_from(crawler: Crawler) -> None:
    rows = crawler.table(crawler.handler.handle(crawler.context()), "candidates").read().to_pylist()
    (row,) = [row for row in rows if row["url"] == "http://host13.test/13.jpg"]
    assert row["sample_id"] == sample_id(row["url"], "a picture of thing number 13")
    assert row["url_id"] == url_id(row["url"])
    assert (row["wat_file"], row["wat_index"], row["crawl"]) == ("some.wat.gz", 7, "CC-TEST")
    assert (row["warc_file"], row["warc_offset"], row["link_index"]) == ("some.warc.gz", 4711, 3)
    assert row["page_url"] == "http://www.page.test/dir/page.html"
    assert row["wat_offset"] == len(
        wat_of(info_record(), page_record(*LINKS[:10], {"path": "A@/href", "url": "/x"}))
    )


def test_examples_of_what_was_left_out_are_few_and_the_same_in_every_run(crawler: Crawler) -> None:
    tables = [
        crawler.table(crawler.handler.handle(crawler.context()), "drop_samples").read() for _ in range(2)
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].schema.names == DROP_SAMPLES.names
    reasons = tables[0].column("reason").to_pylist()
    assert {reason: reasons.count(reason) for reason in reasons} == {
        "no_html_metadata": 1,
        "not_image_link": 5,
        "no_alt": 1,
    }


def test_a_repeated_unit_writes_the_same_rows_under_another_name(crawler: Crawler) -> None:
    first, second = (crawler.handler.handle(crawler.context()) for _ in range(2))
    assert {ref.key for ref in first.outputs}.isdisjoint(ref.key for ref in second.outputs)
    assert [ref.sha256 for ref in first.outputs] == [ref.sha256 for ref in second.outputs]


def test_b11_a_missing_source_is_a_result_without_a_candidate_file(tmp_path: Path) -> None:
    crawler = Crawler(tmp_path)
    context = crawler.context()
    context.task.input.crawl.wat = "missing.wat.gz"
    result = crawler.handler.handle(context)
    assert dict(result.tally) == {(Outcome.OUTCOME_DROPPED, Reason.REASON_SOURCE_MISSING): 1}
    assert [ref.role for ref in result.outputs] == ["drop_samples"]


def test_a_wat_without_any_link_has_no_output_but_examples(tmp_path: Path) -> None:
    crawler = Crawler(tmp_path, wat_of(info_record()))
    result = crawler.handler.handle(crawler.context())
    assert result.rows_in == 1
    assert [ref.role for ref in result.outputs] == ["drop_samples"]


def test_a_crawl_that_is_cut_off_has_nothing_to_show(crawler: Crawler) -> None:
    context = crawler.context()
    context.cut_off.set()
    with pytest.raises(CutOffError):
        crawler.handler.handle(context)
    assert not crawler.store.objects


def test_a_unit_that_took_its_process_down_is_read_by_a_fresh_child(crawler: Crawler) -> None:
    crawler.handler.handle(crawler.context())
    assert crawler.readers.fresh == 0
    crawler.handler.handle(crawler.context(isolated=True))
    assert crawler.readers.fresh == 1


def test_progress_is_told(crawler: Crawler) -> None:
    told: list[tuple[int, int]] = []
    crawler.handler.handle(crawler.context(report_progress=lambda *done: told.append(done)))
    assert told[-1] == (662, 0)


def test_bytes_and_deaths_are_measured(tmp_path: Path) -> None:
    crawler = Crawler(tmp_path)
    died: list[int] = []

    def kills(held: int, order: object) -> bool:
        if held >= 0 and not died:
            died.append(held)
            return True
        return False

    crawler.readers.kills = kills
    crawler.handler.handle(crawler.context())
    assert crawler.registry.get_sample_value("pairmill_child_deaths_total") == 1
    assert crawler.registry.get_sample_value("pairmill_wat_bytes_total") == len(WAT)


def test_rules_that_cannot_be_kept_are_the_stages_fault(crawler: Crawler) -> None:
    crawler.spec.crawl_rules.language_detector = "crystal ball"
    with pytest.raises(ConfigurationError):
        crawler.handler.handle(crawler.context())
