"""Collects the facts of a report from a dataset: one pass, in bounded memory, the same every time."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from pairmill.dataset import roles
from pairmill.dataset.funnel import DEAD_LETTER, FAILED, KEPT
from pairmill.dataset.reader import Dataset
from pairmill.dataset.source import DatasetFiles
from pairmill.dataset.verdicts import SCORE_NAMES
from pairmill.errors import PairmillError
from pairmill_gateway.report.distributions import Distributions
from pairmill_gateway.report.model import GallerySample, LostExample, ReportFacts, RoleTotal
from pairmill_gateway.report.rate import rate_of
from pairmill_gateway.report.sampling import SmallestByHash
from pairmill_gateway.report.thumbnails import MAX_IMAGE_BYTES, make_thumbnails
from pairmill_protos.job.v1.job_pb2 import JobSpec

KEPT_SHOWN: Final = 24
DROPPED_SHOWN: Final = 8
LOST_SHOWN: Final = 4
LANGUAGES_SHOWN: Final = 15
DOMAINS_SHOWN: Final = 20
DEFAULT_UNSAFE_LIMIT: Final = 0.5

_SAMPLE_COLUMNS: Final = (
    "sample_id",
    "URL",
    "TEXT",
    "page_url",
    "LANGUAGE",
    "WIDTH",
    "HEIGHT",
    "verdict",
    "reason",
    "shard",
    "tar_offset",
    "tar_size",
    *SCORE_NAMES,
)
_INDEX_COLUMNS: Final = ("sample_id", "url", "caption", "outcome", "reason", "detail", "language", "domain")

_Row = dict[str, Any]


class _Sampled:
    """The rows that the galleries show."""

    def __init__(self) -> None:
        self.kept: SmallestByHash[_Row] = SmallestByHash(KEPT_SHOWN)
        self.dropped: defaultdict[str, SmallestByHash[_Row]] = defaultdict(
            lambda: SmallestByHash(DROPPED_SHOWN)
        )
        self.lost: defaultdict[str, SmallestByHash[LostExample]] = defaultdict(
            lambda: SmallestByHash(LOST_SHOWN)
        )


def collect_facts(dataset: Dataset) -> ReportFacts:
    """Returns the facts of a dataset, pictures included; memory does not grow with its rows."""
    manifest = dataset.manifest
    spec = manifest.spec()
    distributions, sampled = Distributions(), _Sampled()
    _read_samples(dataset, distributions, sampled)
    _read_index(dataset, distributions, sampled)
    _read_lost(dataset, sampled)
    unsafe_limit = (
        spec.score.max_unsafe_score if spec.score.HasField("max_unsafe_score") else DEFAULT_UNSAFE_LIMIT
    )
    kept, dropped = _galleries(sampled, dataset.source, unsafe_limit)
    return ReportFacts(
        job_id=manifest.job_id,
        profile=manifest.profile,
        crawl=spec.crawl,
        state=manifest.state,
        why=manifest.why,
        bundle=_bundle_name(spec),
        version=manifest.version,
        code_version=spec.code_version,
        wats=spec.wat_count,
        funnel=manifest.funnel,
        totals=tuple(_totals(dataset)),
        histograms=tuple(distributions.histograms(spec)),
        sizes=distributions.sizes(),
        languages=distributions.languages(LANGUAGES_SHOWN),
        domains=distributions.domains(DOMAINS_SHOWN),
        domains_counted=distributions.domains_counted(),
        rate=rate_of(dataset.ledger),
        kept=kept,
        dropped=dropped,
        lost={reason: tuple(found.items()) for reason, found in sorted(sampled.lost.items())},
        unsafe_limit=unsafe_limit,
    )


def _bundle_name(spec: JobSpec) -> str:
    return " ".join(filter(None, (spec.bundle.name, spec.bundle.revision)))


def _totals(dataset: Dataset) -> Iterator[RoleTotal]:
    files: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for entry in dataset.files():
        files[entry.role] += 1
        rows[entry.role] += entry.rows
        sizes[entry.role] += entry.bytes
    for role in sorted(files):
        yield RoleTotal(role=role, files=files[role], rows=rows[role], bytes=sizes[role])


def _read_samples(dataset: Dataset, distributions: Distributions, sampled: _Sampled) -> None:
    for batch in dataset.samples(_SAMPLE_COLUMNS):
        table = pa.Table.from_batches([batch])
        distributions.take_samples(table)
        ids = table.column("sample_id").to_pylist()
        verdicts, reasons = table.column("verdict").to_pylist(), table.column("reason").to_pylist()
        for place, (identifier, verdict, reason) in enumerate(zip(ids, verdicts, reasons, strict=True)):
            chosen = sampled.kept if verdict == KEPT else sampled.dropped[reason or verdict or ""]
            key = hash_of_id(identifier or "")
            if chosen.wants(key):
                chosen.add(key, table.slice(place, 1).to_pylist()[0])


def _read_index(dataset: Dataset, distributions: Distributions, sampled: _Sampled) -> None:
    for batch in dataset.shard_index(_INDEX_COLUMNS):
        table = pa.Table.from_batches([batch])
        distributions.take_index(table)
        rows = zip(table.column("outcome").to_pylist(), table.column("reason").to_pylist(), strict=True)
        for place, (outcome, reason) in enumerate(rows):
            if outcome == FAILED:
                _take_lost(sampled, reason or outcome, table, place)


def _take_lost(sampled: _Sampled, reason: str, table: pa.Table, place: int) -> None:
    key = hash_of_id(table.column("sample_id")[place].as_py())
    if sampled.lost[reason].wants(key):
        row = table.slice(place, 1).to_pylist()[0]
        text = row["caption"] if "caption" in row else row["text"]
        example = LostExample(url=row["url"] or "", text=text or "", detail=row["detail"] or "")
        sampled.lost[reason].add(key, example)


def _read_lost(dataset: Dataset, sampled: _Sampled) -> None:
    """Takes what has no row in an index: dead letters, and what never became a candidate."""
    for batch in dataset.rows(roles.DEAD_LETTERS, ["sample_id", "url", "text", "detail"]):
        table = pa.Table.from_batches([batch])
        for place in range(len(table)):
            _take_lost(sampled, DEAD_LETTER, table, place)
    for batch in dataset.rows(roles.DROP_SAMPLES, ["reason", "url", "text", "detail", "page_url"]):
        for row in batch.to_pylist():
            url, text = row["url"] or row["page_url"] or "", row["text"] or ""
            digest = hashlib.blake2b(f"{url}\n{text}".encode(errors="replace"), digest_size=8).digest()
            example = LostExample(url=url, text=text, detail=row["detail"] or "")
            sampled.lost[row["reason"] or ""].add(int.from_bytes(digest, "big"), example)


def hash_of_id(identifier: str) -> int:
    """Returns the second half of an id as a number: the first half decides where it stands in files."""
    return int(identifier[16:32] or "0", 16)


def _galleries(
    sampled: _Sampled, source: DatasetFiles, unsafe_limit: float
) -> tuple[tuple[GallerySample, ...], Mapping[str, tuple[GallerySample, ...]]]:
    rows = [("", row) for row in sampled.kept.items()]
    rows += [(reason, row) for reason, found in sorted(sampled.dropped.items()) for row in found.items()]
    thumbnails = make_thumbnails([_stored_image(row, source) for _, row in rows])
    by_reason: defaultdict[str, list[GallerySample]] = defaultdict(list)
    for (reason, row), thumbnail in zip(rows, thumbnails, strict=True):
        by_reason[reason].append(replace(_gallery_sample(row, unsafe_limit), thumbnail=thumbnail))
    kept = tuple(by_reason.pop("", ()))
    return kept, {reason: tuple(samples) for reason, samples in by_reason.items()}


def _stored_image(row: _Row, source: DatasetFiles) -> bytes | None:
    if row["shard"] is None or row["tar_offset"] is None or not 0 < (row["tar_size"] or 0) <= MAX_IMAGE_BYTES:
        return None
    try:
        return source.read_range(row["shard"], row["tar_offset"], row["tar_size"])
    except (PairmillError, OSError):
        return None  # the audit says what is wrong; the report goes without the picture


def _gallery_sample(row: _Row, unsafe_limit: float) -> GallerySample:
    unsafe = row["punsafe"]
    return GallerySample(
        sample_id=row["sample_id"],
        url=row["URL"] or "",
        text=row["TEXT"] or "",
        page_url=row["page_url"] or "",
        language=row["LANGUAGE"] or "",
        width=row["WIDTH"] or 0,
        height=row["HEIGHT"] or 0,
        reason="" if row["verdict"] == KEPT else row["reason"] or row["verdict"] or "",
        scores={name: row[name] for name in SCORE_NAMES},
        hidden=unsafe is None or not unsafe < unsafe_limit,  # H6: unknown is not safe
    )
