"""When the watch of an export speaks: at once, after a change, now and then, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pairmill_protos.explorer.v1.subset_service_pb2 import Export, ExportState

INTERVAL_SECONDS: Final = 0.5
QUIET_SECONDS: Final = 10.0
"""Longest silence: proxies cut off what is quiet."""

ENDED: Final = frozenset(
    {
        ExportState.EXPORT_STATE_COMPLETE,
        ExportState.EXPORT_STATE_FAILED,
        ExportState.EXPORT_STATE_CANCELLED,
    }
)
"""States that an export leaves only when it is started again."""


def watched(get: Callable[[], Export], wait: Callable[[float], None]) -> Iterator[Export]:
    """Yields an export at once, then whenever it changed, until it has ended. `wait` ends it by raising."""
    said, quiet = None, 0.0
    while True:
        export = get()
        data = export.SerializeToString(deterministic=True)
        if data != said or quiet >= QUIET_SECONDS:
            said, quiet = data, 0.0
            yield export
        if export.state in ENDED:
            return
        wait(INTERVAL_SECONDS)
        quiet += INTERVAL_SECONDS
