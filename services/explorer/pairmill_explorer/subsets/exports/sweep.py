"""Removing what failed exports wrote that nobody can go on with.

An export that failed keeps its parts for whoever asks for it again. Once the dataset or its index has a newer
version, the same request is another export, and these parts are of no use to anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import structlog

from pairmill.clock import Clock
from pairmill.errors import PairmillError
from pairmill_explorer.datasets.served import ServedDataset
from pairmill_explorer.subsets.exports.job import End, JobShelf

ABANDONED_AFTER: Final = timedelta(days=1)
"""As for builds of an index. Until then an explorer that has not seen the newer version may go on with it."""

SWEEP_SECONDS: Final = 6 * 3600.0
"""Between two looks at a dataset: each reads one object of every export."""

_log = structlog.get_logger()


class ExportSweeper:
    """Looks at datasets now and then. Used by one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked_at: dict[str, float] = {}

    def sweep(self, datasets: Iterable[ServedDataset]) -> None:
        """Sweeps those whose turn it is; what is away is swept another time."""
        now = self._clock.monotonic()
        for served in datasets:
            if now - self._looked_at.get(served.name, -SWEEP_SECONDS) < SWEEP_SECONDS:
                continue
            try:
                found = sweep_exports(served, self._clock.now())
            except PairmillError as error:
                _log.warning("exports_not_swept", dataset=served.name, error=str(error))
                continue
            self._looked_at[served.name] = now
            for export_id in found:
                _log.info("failed_export_swept", dataset=served.name, export=export_id)


def sweep_exports(served: ServedDataset, now: datetime) -> list[str]:
    """Removes files and parts of exports that failed a day ago, of another version than serves.

    Returns the ids of those of which something was left; how they ended stays noted. Raises RetriableError
    where nothing serves.
    """
    with served.use() as snapshot:
        versions = snapshot.dataset.manifest.version, snapshot.index.version
    shelf = JobShelf(served.store)
    old = [
        head.export_id
        for head, end in shelf.all()
        if end is not None and end.state is End.FAILED and _is_before(end.ended_at, now - ABANDONED_AFTER)
    ]
    return [
        export_id
        for export_id in old
        if (job := shelf.job(export_id)) is not None
        and (job.dataset_version, job.index_version) != versions
        and shelf.remove_left(export_id, End.FAILED)
    ]


def _is_before(time: str, limit: datetime) -> bool:
    return datetime.fromisoformat(time) < limit
