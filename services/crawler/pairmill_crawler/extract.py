"""`pairmill extract`: the crawl without a job, from WATs to one table of candidates.

Each WAT gives a part beside the table; a call that was interrupted goes on with the parts that are whole.
The table appears only when all parts are there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from pairmill.errors import CutOffError
from pairmill.ids import ID_VERSION
from pairmill.reasons import RULES_VERSION, reason_name
from pairmill.schemas import CANDIDATES, versioned
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.adapters.pool import new_pool
from pairmill_crawler.candidate_file import CandidateFile
from pairmill_crawler.config import CrawlerConfig
from pairmill_crawler.crawl import CrawlOrder
from pairmill_crawler.drops import Drops
from pairmill_crawler.isolation import Readers, crawl_in_children
from pairmill_crawler.rules import rules_of
from pairmill_protos.job.v1.job_pb2 import CrawlRules

PROBLEMS: Final = ("source_missing", "truncated")
"""Reasons for which a WAT did not give all that it might have."""

_RANGES: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractProgress:
    """How far an extraction is."""

    wats: int
    wats_done: int
    candidates: int
    left_out: int
    source_bytes: int  # read of WATs by this call


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractSummary:
    """What an extraction came to."""

    wats: int
    candidates: int
    left_out: Mapping[str, int]  # records and links by reason
    incomplete: Mapping[str, str]  # WATs that were missing or end early, with the reason

    @property
    def rows_in(self) -> int:
        """Records without links, and links."""
        return self.candidates + sum(self.left_out.values())


def extract_wats(
    wats: Sequence[str],
    rules: CrawlRules,
    out: Path,
    progress: Callable[[ExtractProgress], None],
    *,
    crawl: str = "",
    workers: int | None = None,
    config: CrawlerConfig | None = None,
) -> ExtractSummary:
    """Writes the candidates of WATs, named by path or http(s) URL, to a parquet file.

    Columns are those of `CANDIDATES`; rows are in the order of the WATs, each listed once, and within one
    sorted by (bucket, url_id, sample_id). `progress` is called from several threads, one at a time. Raises
    RetriableError while a source cannot be had and ConfigurationError for rules that cannot be kept; what
    was done until then is not lost.
    """
    config = config or CrawlerConfig()
    listed = list(dict.fromkeys(wats))
    parts = _Parts(out.with_name(f"{out.name}.parts"), listed, rules, crawl)
    readers = new_pool(config, detector_named)
    try:
        work = _Extraction(listed, rules, crawl, parts, readers, progress)
        work.run(workers or min(len(listed), os.cpu_count() or 1) or 1)
    finally:
        readers.close()
    return parts.join(out)


class _Parts:
    """The parts of a table that are done, and those that are not."""

    def __init__(self, folder: Path, wats: Sequence[str], rules: CrawlRules, crawl: str) -> None:
        self._folder = folder
        self._places = {wat: index for index, wat in enumerate(wats)}
        folder.mkdir(parents=True, exist_ok=True)
        versions = f"{ID_VERSION}/{RULES_VERSION}/{crawl}".encode()
        self._rules = versions + rules.SerializeToString(deterministic=True)

    def is_done(self, wat: str) -> bool:
        """Whether a WAT's part is whole; its counts are written last, and removed in any order."""
        return all(self._path(wat, suffix).exists() for suffix in (".json", ".parquet"))

    @contextmanager
    def scratch(self, wat: str) -> Iterator[Path]:
        """Lends an empty folder for work on a WAT."""
        folder = self._path(wat, ".work")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def done(self, wat: str, table: Path, drops: Drops) -> None:
        """Takes a finished part."""
        table.replace(self._path(wat, ".parquet"))
        counts = {reason_name(reason): rows for reason, rows in sorted(drops.counts.items())}
        unfinished = self._path(wat, ".json.partial")
        unfinished.write_text(json.dumps(counts))
        unfinished.replace(self._path(wat, ".json"))

    def counts(self, wat: str) -> Mapping[str, int]:
        """Returns a finished part's rows left out, by reason."""
        counts: dict[str, int] = json.loads(self._path(wat, ".json").read_text())
        return counts

    def join(self, out: Path) -> ExtractSummary:
        """Writes the table out of all parts and removes these."""
        unfinished = self._folder / "table.partial"
        rows, left_out = 0, Counter[str]()
        incomplete: dict[str, str] = {}
        with pq.ParquetWriter(unfinished, versioned(CANDIDATES), compression="zstd") as writer:
            for wat in self._places:
                counts = self.counts(wat)
                left_out.update(counts)
                incomplete.update((wat, reason) for reason in PROBLEMS if counts.get(reason))
                with pq.ParquetFile(self._path(wat, ".parquet")) as part:
                    rows += part.metadata.num_rows
                    for group in range(part.num_row_groups):
                        writer.write_table(part.read_row_group(group))
        unfinished.replace(out)
        shutil.rmtree(self._folder)
        wats = len(self._places)
        return ExtractSummary(wats=wats, candidates=rows, left_out=left_out, incomplete=incomplete)

    def _path(self, wat: str, suffix: str) -> Path:
        """Parts are named for all that they depend on: another file, place or rule has its own."""
        try:
            stat = os.stat(wat)
            version = f"{stat.st_size}/{stat.st_mtime_ns}"
        except (OSError, ValueError):
            version = ""
        what = self._rules + json.dumps([self._places[wat], wat, version]).encode()
        return self._folder / (hashlib.sha256(what).hexdigest()[:32] + suffix)


class _Extraction:
    def __init__(
        self,
        wats: Sequence[str],
        rules: CrawlRules,
        crawl: str,
        parts: _Parts,
        readers: Readers,
        progress: Callable[[ExtractProgress], None],
    ) -> None:
        self._wats = wats
        self._rules = rules_of(rules)
        self._crawl = crawl
        self._parts = parts
        self._readers = readers
        self._progress = progress
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._done: Counter[str] = Counter()

    def run(self, workers: int) -> None:
        """Makes the parts that are missing, several at once; raises the first error."""
        with ThreadPoolExecutor(workers, thread_name_prefix="extract") as pool:
            futures = [pool.submit(self._part, index, wat) for index, wat in enumerate(self._wats)]
            try:
                ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
            for future in ended:
                future.result()

    def _part(self, index: int, wat: str) -> None:
        if not self._parts.is_done(wat):
            with self._parts.scratch(wat) as folder:
                self._crawl_wat(index, wat, folder)
        self._note(wats_done=1)

    def _crawl_wat(self, index: int, wat: str, folder: Path) -> None:
        order = CrawlOrder(wat=wat, wat_index=index, crawl=self._crawl, rules=self._rules)
        file, drops = CandidateFile(folder, _RANGES), Drops()
        with closing(crawl_in_children(order, self._readers.borrow, died=lambda: None)) as blocks:
            for block in blocks:
                if self._stop.is_set():
                    raise CutOffError("the extraction was stopped")
                if block is not None:
                    file.add(block.table)
                    drops.merge(block.drops)
                    self._note(
                        candidates=len(block.table),
                        left_out=block.drops.counts.total(),
                        source_bytes=block.source_bytes,
                    )
        table = folder / "candidates.parquet"
        file.write(table)
        self._parts.done(wat, table, drops)

    def _note(self, **more: int) -> None:
        with self._lock:
            self._done.update(more)
            self._progress(
                ExtractProgress(
                    wats=len(self._wats),
                    wats_done=self._done["wats_done"],
                    candidates=self._done["candidates"],
                    left_out=self._done["left_out"],
                    source_bytes=self._done["source_bytes"],
                )
            )
