"""Requests to take a sample down, filed as objects beside the dataset: `reports/<time>-<id>.json`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Final

import structlog

from pairmill.clock import Clock
from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError, TooLargeError
from pairmill_explorer.search.found import one_row
from pairmill_explorer.search.query import sample_row
from pairmill_explorer.search.samples import columns_of, ids_of
from pairmill_protos.explorer.v1.search_service_pb2 import (
    ReportKind,
    ReportSampleRequest,
    ReportSampleResponse,
)

FOLDER: Final = "reports"
SCHEMA_VERSION: Final = 1
MAX_MESSAGE: Final = 2000
MAX_CONTACT: Final = 200
_PREFIX: Final = "REPORT_KIND_"

log = structlog.get_logger(__name__)


def file_report(
    snapshot: Snapshot,
    request: ReportSampleRequest,
    clock: Clock,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> ReportSampleResponse:
    """Files a request durably and returns its id. Raises RequestError for what is wrong with it."""
    _check(request)
    place, row = sample_row(snapshot.index, request.sample_id, "sample_id")
    found = one_row(place, row)
    known = columns_of(snapshot.index, found, ("url", "text"))
    report_id, now = new_id(), clock.now()
    record = {
        "schema_version": SCHEMA_VERSION,
        "report_id": report_id,
        "filed_at": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "dataset": snapshot.name,
        "dataset_version": snapshot.dataset.manifest.version,
        "index_version": snapshot.index.version,
        "sample_id": ids_of(snapshot.index, found)[0],
        "url": known["url"][0],
        "text": known["text"][0],
        "kind": ReportKind.Name(request.kind).removeprefix(_PREFIX).lower(),
        "message": request.message,
        "contact": request.contact,
    }
    key = f"{FOLDER}/{now:%Y%m%dT%H%M%SZ}-{report_id}.json"
    snapshot.store.put(key, json.dumps(record, ensure_ascii=False, indent=1).encode() + b"\n")
    log.info("report_filed", dataset=snapshot.name, report_id=report_id, kind=record["kind"])
    response = ReportSampleResponse(report_id=report_id)
    response.filed_at.FromDatetime(now)
    return response


def _check(request: ReportSampleRequest) -> None:
    if request.kind == ReportKind.REPORT_KIND_UNSPECIFIED or request.kind not in ReportKind.values():
        names = ", ".join(name for name, kind in ReportKind.items() if kind)
        raise BadRequestError("kind", f"is not said; give one of {names}")
    for field, text, most in (
        ("message", request.message, MAX_MESSAGE),
        ("contact", request.contact, MAX_CONTACT),
    ):
        if len(text) > most:
            raise TooLargeError(field, f"has {len(text):,} characters; at most {most:,} are taken")
