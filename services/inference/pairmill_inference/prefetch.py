"""Work that runs ahead of its consumer in threads, by a bounded distance and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


def run_ahead(
    jobs: Iterable[Job], work: Callable[[Job], Done], *, threads: int, ahead: int
) -> Generator[Done]:
    """Yields `work(job)` in the order of the jobs, with at most `ahead` results made or being made.

    `jobs` is read by the caller's thread only, no faster than results are taken. What `work` raises is
    raised where its result would have been yielded; work not yet begun is then dropped.
    """
    pending: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(threads, "ahead") as pool:
        try:
            for job in jobs:
                pending.append(pool.submit(work, job))
                if len(pending) >= ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
