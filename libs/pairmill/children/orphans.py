"""The end of child processes whose parent is gone."""

from __future__ import annotations

import fcntl
import multiprocessing
import os


def end_when_orphaned() -> None:
    """Lets the kernel end this process, whatever it is doing, as soon as its parent is gone.

    A child that waits for work sees the end of its pipe; one that works does not look there, and one that
    hangs never will. So the other pipe that the parent holds open raises SIGIO at its end, which is not
    caught.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, fcntl.fcntl(parent.sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    if not parent.is_alive():
        os._exit(1)
