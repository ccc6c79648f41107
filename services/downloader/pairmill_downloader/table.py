"""A table of URLs and texts to shards: the downloader alone, with the same fetching and decoding.

One row per row of the table; shards `00000`, `00001`, … hold its rows in order. A shard that is whole is
left alone, so the same call goes on where it was stopped.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill_downloader.adapters.decoders import DecoderPool
from pairmill_downloader.adapters.network import open_network
from pairmill_downloader.crew import Crew, Means, Orders
from pairmill_downloader.ends import Ended, Round
from pairmill_downloader.engine import Engine
from pairmill_downloader.metrics import DownloadMetrics
from pairmill_downloader.shards.spill import ImageSpill
from pairmill_downloader.shards.stats import stats_json
from pairmill_downloader.table_folder import SCRATCH_PREFIX, claimed
from pairmill_downloader.table_input import count_rows, input_files, rows_of, shards_of
from pairmill_downloader.table_output import Sample, ShardOutput
from pairmill_downloader.table_request import TableRequest, check_request
from pairmill_downloader.table_rows import (
    final,
    key_of,
    schema_of,
    shard_name,
    table_row,
    targets_and_refusals,
    with_additional,
)

_NO_DEADLINE: Final = 1e7  # seconds: every row of a table waits for its host
_TICK_SECONDS: Final = 0.2


@dataclass(slots=True, kw_only=True)
class TableProgress:
    """How far a download has come."""

    rows: int = 0  # rows of the table that ended, in this call or before
    rows_in_all: int | None = None  # None if unknown
    successes: int = 0  # in shards that are whole
    reasons: Counter[str] = field(default_factory=Counter)  # rows in whole shards by reason; success too


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSummary:
    """What a download came to; rows of shards that were whole before are counted too."""

    rows: int
    successes: int
    failed: Mapping[str, int]  # rows by reason
    shards: int
    shards_before: int  # that were whole before this call
    stopped: bool  # before the end: the same call goes on


def download_table(
    request: TableRequest,
    progress: Callable[[TableProgress], None] = lambda progress: None,
    stop: threading.Event | None = None,
) -> TableSummary:
    """Downloads a table and returns what it came to.

    `progress` is called now and then, in this thread. Once `stop` is set, shards at work are given up and
    begin anew in the next call. Raises ConfigurationError for a request that is wrong, or where the folder
    holds the shards of another one, and RetriableError while the network is away (U15).
    """
    check_request(request)
    files = input_files(request.tables)
    with claimed(request):
        return _download(request, files, progress, stop or threading.Event())


def _download(
    request: TableRequest,
    files: list[Path],
    progress: Callable[[TableProgress], None],
    stop: threading.Event,
) -> TableSummary:
    clock = SystemClock()
    config = request.config
    pool = DecoderPool(processes=config.decode_processes, memory_bytes=config.decode_memory_bytes)
    engine = Engine(lambda: open_network(config, clock, partitions=1))
    try:
        means = Means(
            network=engine.network(),
            examiner=pool,
            observer=DownloadMetrics(CollectorRegistry()),
            monotonic=clock.monotonic,
        )
        work = _TableWork(request, files, engine, means, clock, progress, stop)
        return work.run()
    finally:
        engine.close()
        pool.close()


class _TableWork:
    """The work of one call: a few shards at a time, each in a thread of its own."""

    def __init__(
        self,
        request: TableRequest,
        files: list[Path],
        engine: Engine,
        means: Means,
        clock: SystemClock,
        progress: Callable[[TableProgress], None],
        stop: threading.Event,
    ) -> None:
        self._request = request
        self._files = files
        self._engine = engine
        self._means = means
        self._clock = clock
        self._tell = progress
        self._stop = stop
        self._progress = TableProgress(rows_in_all=count_rows(files))
        self._at_work: dict[str, Crew] = {}
        self._shards = self._before = self._whole_rows = 0
        self._output = ShardOutput(request.out, request.output_format, request.encode_format)
        self._orders = Orders(
            download=request.download_rules(),
            image=request.image_rules(),
            place=Round(number=0, rounds=0),
            deadline_seconds=_NO_DEADLINE,
        )

    def run(self) -> TableSummary:
        """Works through the table."""
        waiting: set[Future[bytes | None]] = set()
        workers = ThreadPoolExecutor(self._request.shards_in_flight, "shard")
        try:
            for number, table in enumerate(self._tables()):
                if self._stop.is_set():
                    break
                whole = self._output.totals(shard_name(number))
                if whole is not None:
                    self._before += 1
                    self._count(whole)
                    continue
                waiting.add(workers.submit(self._shard, number, table))
                waiting = self._collect(waiting, self._request.shards_in_flight)
            self._collect(waiting, 1)
        except BaseException:
            self._stop.set()
            raise
        finally:
            workers.shutdown(wait=True, cancel_futures=True)
        return self._summary()

    def _tables(self) -> Iterator[pa.Table]:
        return shards_of(rows_of(self._files, _columns(self._request)), self._request.samples_per_shard)

    def _collect(self, waiting: set[Future[bytes | None]], most: int) -> set[Future[bytes | None]]:
        """Waits until fewer than so many shards are at work, and counts those that are whole."""
        while len(waiting) >= most:
            done, waiting = wait(waiting, _TICK_SECONDS, FIRST_COMPLETED)
            for shard in done:
                stats = shard.result()
                if stats is not None:
                    self._count(json.loads(stats))
            self._report()
        return waiting

    def _shard(self, number: int, table: pa.Table) -> bytes | None:
        """Downloads and writes a shard; returns its totals, or None if it was given up."""
        request, started_at = self._request, self._clock.now()
        urls = _texts(table, request.url_column)
        targets, ended = targets_and_refusals(urls)
        with (
            tempfile.TemporaryDirectory(dir=request.out, prefix=SCRATCH_PREFIX) as scratch,
            ImageSpill(Path(scratch) / "images") as spill,
        ):
            crew = Crew(orders=self._orders, means=self._means, spill=spill)
            self._at_work[shard_name(number)] = crew
            try:
                stopped = self._engine.run(crew, targets, cut_off=self._stop, tick=lambda: None)
            finally:
                del self._at_work[shard_name(number)]
            if stopped:
                return None
            for target in targets:
                ended |= dict.fromkeys(target.rows, final(crew.ends[target.url]))
            samples = self._samples(number, table, urls, ended)
            stats = stats_json((row for row, _ in samples), started_at, self._clock.now())
            schema = schema_of(table.select(list(request.save_additional_columns)).schema)
            self._output.write(shard_name(number), samples, schema, spill, stats)
        return stats

    def _samples(
        self, number: int, table: pa.Table, urls: list[str | None], ended: Mapping[int, Ended]
    ) -> list[Sample]:
        request = self._request
        captions: list[str | None] = [None] * len(table)
        if request.caption_column is not None:
            captions = _texts(table, request.caption_column)
        rows = [
            table_row(key_of(number, row, request.samples_per_shard), urls[row], captions[row], ended[row])
            for row in range(len(table))
        ]
        full = with_additional(rows, table, request.save_additional_columns)
        return [(row, ended[place].place) for place, row in enumerate(full)]

    def _count(self, totals: Mapping[str, Any]) -> None:
        self._shards += 1
        self._whole_rows += totals["count"]
        self._progress.successes += totals["successes"]
        self._progress.reasons.update(totals["status_dict"])

    def _report(self) -> None:
        at_work = sum(len(crew.ends) for crew in list(self._at_work.values()))
        self._progress.rows = self._whole_rows + at_work
        self._tell(self._progress)

    def _summary(self) -> TableSummary:
        self._report()
        failed = {reason: rows for reason, rows in self._progress.reasons.items() if reason != "success"}
        return TableSummary(
            rows=self._whole_rows,
            successes=self._progress.successes,
            failed=dict(sorted(failed.items())),
            shards=self._shards,
            shards_before=self._before,
            stopped=self._stop.is_set(),
        )


def _columns(request: TableRequest) -> list[str]:
    caption = [request.caption_column] if request.caption_column is not None else []
    return list(dict.fromkeys([request.url_column, *caption, *request.save_additional_columns]))


def _texts(table: pa.Table, name: str) -> list[str | None]:
    """Returns a column as texts; numbers and the like as they are written."""
    values: list[object] = table.column(name).to_pylist()
    return [value if value is None or isinstance(value, str) else str(value) for value in values]
