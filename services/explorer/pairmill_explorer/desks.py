"""All that answers, over an opened core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from pairmill.clock import Clock
from pairmill_explorer.http.clip.desk import ClipDesk
from pairmill_explorer.http.clip.summary import StepTimes
from pairmill_explorer.open import Explorer
from pairmill_explorer.serving import Desks
from pairmill_explorer.subsets.desk import SubsetDesk
from pairmill_explorer.subsets.line import ExportLine
from pairmill_explorer.subsets.metrics import ExportMetrics


@contextmanager
def opened_desks(
    explorer: Explorer, *, scratch: Path, registry: CollectorRegistry, clock: Clock
) -> Iterator[Desks]:
    """Gives the desks; exports are carried out meanwhile, those too that an earlier process began."""
    times = StepTimes(registry)
    measures = ExportMetrics(registry)
    line = ExportLine(explorer.datasets, scratch=scratch / "exports", clock=clock, ended=measures.ended)
    measures.show_open(lambda: line.open_count)
    line.start()
    try:
        yield Desks(
            searches=explorer.search,
            subsets=SubsetDesk(explorer.datasets, line, clock=clock),
            images=explorer.search,
            clip=ClipDesk(explorer.search, times.observe),
            clip_times=times,
        )
    finally:
        line.close()
