"""An export as users see it: what it is to be, how far it is, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from pairmill_explorer.subsets.exports import layout
from pairmill_explorer.subsets.exports.job import End, EndRecord, ExportHead, Format, JobShelf
from pairmill_explorer.subsets.exports.meter import Standing
from pairmill_protos.explorer.v1.subset_service_pb2 import Export, ExportFormat, ExportState

_FORMATS: Final[Mapping[Format, ExportFormat.ValueType]] = {
    Format.PARQUET: ExportFormat.EXPORT_FORMAT_PARQUET,
    Format.WEBDATASET: ExportFormat.EXPORT_FORMAT_WEBDATASET,
    Format.IDS: ExportFormat.EXPORT_FORMAT_IDS,
    Format.URLS: ExportFormat.EXPORT_FORMAT_URLS,
}
_ENDS: Final[Mapping[End, ExportState.ValueType]] = {
    End.COMPLETE: ExportState.EXPORT_STATE_COMPLETE,
    End.FAILED: ExportState.EXPORT_STATE_FAILED,
    End.CANCELLED: ExportState.EXPORT_STATE_CANCELLED,
}

WATCH_SECONDS: Final = 0.5
"""How often a watch looks at an export."""


def has_ended(export: Export) -> bool:
    """Whether an export has ended; it goes on only when it is started again."""
    return export.state in _ENDS.values()


def export_of(job: ExportHead, end: EndRecord | None, standing: Standing | None, shelf: JobShelf) -> Export:
    """Returns an export; one that nobody here is at is shown by the parts that stand."""
    export = Export(
        export_id=job.export_id,
        name=job.name,
        revision=job.revision,
        format=_FORMATS[job.format],
        dataset_version=job.dataset_version,
        state=ExportState.EXPORT_STATE_QUEUED,
        folder=layout.folder(job.export_id),
        started_at=_stamp(job.started_at),
    )
    if end is not None:
        _add_end(export, end)
    elif standing is not None:
        _add_standing(export, standing)
    else:
        parts = shelf.parts(job.export_id).values()
        export.samples_done = sum(part.rows for part in parts)
        export.bytes_done = sum(part.bytes for part in parts)
    return export


def _add_end(export: Export, end: EndRecord) -> None:
    export.state = _ENDS[end.state]
    export.ended_at.CopyFrom(_stamp(end.ended_at))
    export.error = end.error
    export.samples_total = export.samples_done = end.rows
    export.bytes_done = end.bytes
    export.without_image = end.without_image


def _add_standing(export: Export, standing: Standing) -> None:
    reading = standing.reading
    if standing.running:
        export.state = ExportState.EXPORT_STATE_RUNNING
    export.samples_total, export.samples_done = reading.samples_total, reading.samples_done
    export.bytes_done, export.without_image = reading.bytes_done, reading.without_image
    if reading.remaining_seconds is not None:
        export.remaining_seconds = reading.remaining_seconds
    export.error = standing.trouble


def _stamp(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.fromisoformat(text))
    return stamp
