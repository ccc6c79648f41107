"""Several files read for one request."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from pairmill.store.local import folder_of
from pairmill.store.port import ObjectStore

Read = TypeVar("Read")

MOST_AT_ONCE: Final = 8
"""Files of a bucket that are read at once for one request: each waits for several answers in a row."""


def all_read(store: ObjectStore, reads: Sequence[Callable[[], Read]]) -> list[Read]:
    """Returns what each call reads from a store, in their order; several at once where it is a bucket.

    In a folder there is nothing to wait for. What a call raises is raised here.
    """
    if len(reads) < 2 or folder_of(store) is not None:
        return [read() for read in reads]
    with ThreadPoolExecutor(min(MOST_AT_ONCE, len(reads)), thread_name_prefix="reader") as pool:
        # Each in a context of its own, so that what is logged names the request.
        started = [pool.submit(contextvars.copy_context().run, read) for read in reads]
        return [one.result() for one in started]
