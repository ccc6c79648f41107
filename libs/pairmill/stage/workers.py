"""Worker threads of a stage: one per unit at work, none of which keeps the process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def start_work(work: Callable[[], T], name: str) -> Future[T]:
    """Runs a function in a thread of its own and returns its future.

    The thread is a daemon, which those of a ThreadPoolExecutor are not: a unit that does not heed its
    cut-off is abandoned when the process ends, and repeated later (U2).
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - the top of the thread; the loop raises it again
            future.set_exception(error)
        else:
            future.set_result(result)

    context = copy_context()  # log lines of the work name the service too
    threading.Thread(target=context.run, args=(run,), name=name, daemon=True).start()
    return future
