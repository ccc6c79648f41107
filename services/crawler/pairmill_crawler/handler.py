"""The crawler's step: a WAT in, a candidate file and counts of all that was left out (U7)."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from pairmill.errors import CutOffError
from pairmill.stage.port import Tally, UnitContext, UnitResult
from pairmill_crawler.candidate_file import CandidateFile
from pairmill_crawler.config import CrawlerConfig
from pairmill_crawler.crawl import Block, CrawlOrder
from pairmill_crawler.drops import Drops
from pairmill_crawler.gzip_members import InflateLimits
from pairmill_crawler.isolation import Borrow, Readers, crawl_in_children
from pairmill_crawler.known_good import check_known_good
from pairmill_crawler.metrics import CrawlerMetrics
from pairmill_crawler.rules import rules_of
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage

CANDIDATES_ROLE: Final = "candidates"
DROP_SAMPLES_ROLE: Final = "drop_samples"


class CrawlHandler:
    """Crawls one WAT per unit, each in a child process. Thread-safe: units share only idle children."""

    stage: Stage.ValueType = Stage.STAGE_CRAWL

    def __init__(self, config: CrawlerConfig, readers: Readers, metrics: CrawlerMetrics) -> None:
        self._config = config
        self._readers = readers
        self._metrics = metrics

    def handle(self, context: UnitContext) -> UnitResult:
        """Returns the candidate file, examples of what was left out, and counts of both."""
        task = context.task.input.crawl
        order = CrawlOrder(
            wat=task.wat,
            wat_index=task.wat_index,
            crawl=task.crawl or context.spec.crawl,
            rules=rules_of(context.spec.crawl_rules),
            limits=InflateLimits(max_ratio=self._config.max_ratio, bomb_bytes=self._config.bomb_bytes),
        )
        borrow = self._readers.borrow_fresh if context.isolated else self._readers.borrow
        file, drops = CandidateFile(context.scratch, context.spec.plan.ranges), Drops()
        for block in self._blocks(order, borrow, context):
            file.add(block.table)
            drops.merge(block.drops)
            context.report_progress(file.rows + drops.counts.total(), 0)
        return UnitResult(
            rows_in=file.rows + drops.counts.total(),
            tally=tally_of(file.rows, drops),
            outputs=_store(context, file, drops),
        )

    def self_test(self) -> None:
        """Crawls a small WAT whose candidates are known, in a child process."""
        with tempfile.TemporaryDirectory(prefix="pairmill-crawl-") as folder:
            check_known_good(
                Path(folder),
                lambda order: crawl_in_children(order, self._readers.borrow, self._metrics.child_died),
            )

    def close(self) -> None:
        """Ends the child processes."""
        self._readers.close()

    def _blocks(self, order: CrawlOrder, borrow: Borrow, context: UnitContext) -> Iterator[Block]:
        """A crawl has nothing to show before it is whole: cut off, it is delivered again."""
        with closing(crawl_in_children(order, borrow, self._metrics.child_died)) as blocks:
            for block in blocks:
                if context.cut_off.is_set():
                    raise CutOffError("the crawl unit was cut off")
                if block is not None:
                    self._metrics.read(block.source_bytes)
                    yield block


def tally_of(candidates: int, drops: Drops) -> Tally:
    """Returns what became of a WAT's records and links."""
    tally: Counter[tuple[Outcome.ValueType, Reason.ValueType]] = Counter()
    if candidates:
        tally[Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED] = candidates
    for reason, rows in drops.counts.items():
        tally[Outcome.OUTCOME_DROPPED, reason] += rows
    return tally


def _store(context: UnitContext, file: CandidateFile, drops: Drops) -> list[ObjectRef]:
    outputs = []
    if file.rows:
        path = context.scratch / "candidates.parquet"
        file.write(path)
        key = context.key("steps/candidates", ".parquet")
        outputs.append(context.put_file(key, path, role=CANDIDATES_ROLE, rows=file.rows))
    examples = drops.table()
    if len(examples):
        path = context.scratch / "drop_samples.parquet"
        pq.write_table(examples, path, compression="zstd")
        key = context.key("drop_samples", ".parquet")
        outputs.append(context.put_file(key, path, role=DROP_SAMPLES_ROLE, rows=len(examples)))
    return outputs
