"""A web that answers from a script, a gate that keeps a journal, and the rows of download units."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pairmill.domains import registrable_domain
from pairmill.ids import bucket_of, sample_id, url_id
from pairmill.jobspec.profiles import profile
from pairmill.schemas import DOWNLOAD_ROWS, versioned
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.units import new_task
from pairmill_downloader.images.examine import Examined, examine
from pairmill_downloader.ports import FetchEnd, Network
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules, ImageRules, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import DownloadInput, ObjectRef, UnitInput, UnitTask
from tests.fakes.shard import drawn_picture

FETCHED_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
UNIT = "job/w0000/r0000/d00000"


def picture(seed: int = 0, *, width: int = 96, height: int = 80, kind: str = "JPEG") -> bytes:
    """Returns an image file that differs from seed to seed."""
    sink = io.BytesIO()
    Image.fromarray(drawn_picture(seed, width, height)).save(sink, kind)
    return sink.getvalue()


def answered(body: bytes, **facts: Any) -> FetchEnd:
    """Returns the end of an attempt that gave a body."""
    known = {"http_status": 200, "content_type": "image/jpeg", "robots": "robots.txt 404", "requests": 1}
    end: dict[str, Any] = {"reason": Reason.REASON_UNSPECIFIED, "fetched_at": FETCHED_AT, **known, **facts}
    return FetchEnd(body=body, **end)


def refused(reason: Reason.ValueType, **facts: Any) -> FetchEnd:
    """Returns the end of an attempt that gave none."""
    return FetchEnd(**{"reason": reason, "detail": "as scripted", "requests": 1, **facts})


@dataclass
class ScriptedFetcher:
    """Answers each URL with the next end of its list; the last one stands for ever. Others are 404."""

    script: dict[str, list[FetchEnd]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)  # URLs that never answer
    asked: list[str] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0
    aborted: list[str] = field(default_factory=list)
    closed: bool = False
    on_asked: Callable[[str], None] = lambda url: None

    async def fetch(self, url: str, rules: DownloadRules) -> FetchEnd:
        self.asked.append(url)
        self.on_asked(url)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            await asyncio.sleep(0)
            if url in self.held:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.aborted.append(url)
            raise
        finally:
            self.busy -= 1
        ends = self.script.get(url)
        if not ends:
            return refused(Reason.REASON_HTTP_4XX, http_status=404)
        return ends.pop(0) if len(ends) > 1 else ends[0]

    async def close(self) -> None:
        self.closed = True


@dataclass
class JournalGate:
    """Admits everybody at once, but not hosts that are closed after so many turns."""

    turns: Counter[str] = field(default_factory=Counter)
    closed_after: dict[str, int] = field(default_factory=dict)
    pauses: list[tuple[str, float]] = field(default_factory=list)
    contacted: int = 0

    @asynccontextmanager
    async def turn(
        self, host: str, domain: str, rules: DownloadRules, *, deadline: float
    ) -> AsyncIterator[bool]:
        admitted = self.turns[host] < self.closed_after.get(host, 2**31)
        self.turns[host] += admitted
        yield admitted

    def wait_at_least(self, host: str, seconds: float) -> None:
        self.pauses.append((host, seconds))

    def all_contacted_now(self) -> None:
        self.contacted += 1


@dataclass
class ScriptedWatch:
    """Sees an outage after so many failures."""

    failures_until_outage: int = 2**31
    ends: list[tuple[str, Reason.ValueType]] = field(default_factory=list)

    def ended(self, host: str, domain: str, reason: Reason.ValueType) -> None:
        self.ends.append((host, reason))

    async def is_our_outage(self) -> bool:
        return sum(bool(reason) for _, reason in self.ends) >= self.failures_until_outage


class LocalExaminer:
    """Examines in the calling thread."""

    def __init__(self) -> None:
        self.closed = False

    def submit(self, data: bytes, rules: ImageRules) -> Future[Examined]:
        future: Future[Examined] = Future()
        try:
            future.set_result(examine(data, rules))
        except Exception as error:  # noqa: BLE001 - as a pool would hand it on
            future.set_exception(error)
        return future

    def close(self) -> None:
        self.closed = True


@dataclass
class CountingObserver:
    """Counts what it is told."""

    fetches: Counter[Reason.ValueType] = field(default_factory=Counter)
    images: Counter[Reason.ValueType] = field(default_factory=Counter)
    waits: int = 0
    serving_now: int = 0
    fetching_now: int = 0
    most_served: int = 0
    most_fetched: int = 0

    def serving(self, change: int) -> None:
        self.serving_now += change
        self.most_served = max(self.most_served, self.serving_now)

    def fetching(self, change: int) -> None:
        self.fetching_now += change
        self.most_fetched = max(self.most_fetched, self.fetching_now)

    def fetched(self, reason: Reason.ValueType, body_bytes: int, seconds: float) -> None:
        self.fetches[reason] += 1

    def waited(self, seconds: float) -> None:
        self.waits += 1

    def examined(self, reason: Reason.ValueType, seconds: float) -> None:
        self.images[reason] += 1


@dataclass
class FakeWeb:
    """A scripted network, to be opened on any event loop."""

    fetcher: ScriptedFetcher = field(default_factory=ScriptedFetcher)
    gate: JournalGate = field(default_factory=JournalGate)
    watch: ScriptedWatch = field(default_factory=ScriptedWatch)

    def open(self) -> AbstractAsyncContextManager[Network]:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Network]:
        yield self.network()
        await self.fetcher.close()

    def network(self) -> Network:
        return Network(fetcher=self.fetcher, gate=self.gate, watch=self.watch)


def spec(**rules: Any) -> JobSpec:
    """Returns a job's spec without delays that a test would have to wait for."""
    made = profile("everything")
    made.job_id = "job"
    made.download.host_delay_seconds = 0.0
    for name, value in rules.items():
        group, _, leaf = name.partition("__")
        target = getattr(made, group)
        if isinstance(value, list | tuple):
            del getattr(target, leaf)[:]
            getattr(target, leaf).extend(value)
        else:
            setattr(target, leaf, value)
    return made


def row(url: str, text: str = "a text", **facts: Any) -> dict[str, Any]:
    """Returns a row like `DOWNLOAD_ROWS`."""
    host = url.split("/")[2]
    domain = registrable_domain(host)
    return dict.fromkeys(DOWNLOAD_ROWS.names) | {
        "sample_id": sample_id(url, text),
        "url_id": url_id(url),
        "url": url,
        "text": text,
        "host": host,
        "domain": domain,
        "bucket": bucket_of(domain),
        "language": "en",
        "language_confidence": 0.9,
        "page_url": "https://page.test/",
        "wat_file": "0.wat.gz",
        "wat_index": 0,
        "wat_offset": 7,
        "link_index": 0,
        "attempts_used": 0,
        "retry_round": 0,
        "retry_after_rounds": 0,
        **facts,
    }


def rows_table(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Returns rows as a unit reads them: in order of URL and sample."""
    ordered = sorted(rows, key=lambda one: (one["url_id"], one["sample_id"]))
    return pa.Table.from_pylist(ordered, schema=versioned(DOWNLOAD_ROWS))


def stored_rows(store: ObjectStore, groups: Sequence[Sequence[dict[str, Any]]]) -> ObjectRef:
    """Stores a plan with a row group per unit."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, versioned(DOWNLOAD_ROWS), write_page_checksum=True) as writer:
        for group in groups:
            writer.write_table(rows_table(group), row_group_size=max(1, len(group)))
    data = sink.getvalue()
    digest = hashlib.sha256(data).digest()
    key = f"steps/plan/{digest.hex()[:16]}.parquet"
    store.put(key, data)
    return ObjectRef(key=key, bytes=len(data), sha256=digest, rows=sum(map(len, groups)), role="plan")


def download_task(rows: ObjectRef, unit_id: str = UNIT, **facts: Any) -> UnitTask:
    """Returns a download unit."""
    download = DownloadInput(rows=rows, **facts)
    spec_ref = ObjectRef(key="ledger/lists/spec", sha256=b"s" * 32)
    return new_task(
        spec=spec_ref, job_id="job", unit_id=unit_id, unit_input=UnitInput(download=download), rows=rows.rows
    )


def context(task: UnitTask, job: JobSpec, store: DirectoryStore, scratch: Path) -> UnitContext:
    """Returns a fresh attempt at a unit."""
    attempt = hashlib.sha256(str(scratch).encode() + task.unit_id.encode()).hexdigest()[:8]
    folder = scratch / f"unit-{attempt}"
    folder.mkdir(parents=True)
    return UnitContext(
        task=task,
        spec=job,
        attempt=attempt,
        store=store,
        scratch=folder,
        cut_off=threading.Event(),
        report_progress=lambda done, rows: None,
    )


def index_of(result: UnitResult, store: DirectoryStore) -> list[dict[str, Any]]:
    """Returns the rows of a result's index; none if it wrote none."""
    refs = [ref for ref in result.outputs if ref.role == "shard_index"]
    return pq.read_table(pa.BufferReader(store.get(refs[0].key))).to_pylist() if refs else []


def rest_of(task: UnitTask, store: DirectoryStore) -> list[dict[str, Any]]:
    """Returns the rows of a follow-up."""
    source = task.input.download
    with pq.ParquetFile(pa.BufferReader(store.get(source.rows.key))) as file:
        rows: list[dict[str, Any]] = file.read_row_group(source.row_group).to_pylist()
    return rows
