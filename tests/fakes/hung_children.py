"""A process whose child hangs: `python -m tests.fakes.hung_children KIND FOLDER`.

The child notes its id in `FOLDER/calls` before it does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pairmill.children.worker import ChildWorker
from pairmill_crawler.adapters.child import ChildSettings, CrawlChild
from tests.fakes.children import Doubler
from tests.fakes.wat_detectors import DeadlyDetectors
from tests.unit.crawler.wats import Memory, image, order, page_record, wat_of


def worker(calls: Path) -> None:
    """Asks a worker for what it never answers."""
    ChildWorker(Doubler(calls), seconds_per_item=600.0, name="doubler").ask(18)


def reader(calls: Path) -> None:
    """Crawls a record that is never done."""
    settings = ChildSettings(
        open_source=Memory(wat_of(page_record(image("/1.jpg", "a picture to hang")))),
        detectors=DeadlyDetectors(calls),
        stall_seconds=600.0,
        memory_bytes=0,
    )
    list(CrawlChild(settings).crawl(order()))


KINDS: Final[dict[str, Callable[[Path], None]]] = {"worker": worker, "reader": reader}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Path(sys.argv[2], "calls"))
