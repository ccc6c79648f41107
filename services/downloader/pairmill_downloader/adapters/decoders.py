"""Child processes that examine images, with limits; one thread talks to each (U13)."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Final, TypeAlias

import cv2

from pairmill.children.limits import Limits
from pairmill.children.worker import ChildWorker, Death
from pairmill_downloader.images.examine import Examined, examine, hashes_of
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import ImageRules

_WALL_PER_CPU: Final = 4.0
"""A decoder that neither ends nor uses its processor time is given up after so many times its limit."""

Item: TypeAlias = tuple[bytes, bytes]
"""Serialised rules, and the bytes to examine by them."""

_Child: TypeAlias = ChildWorker[Item, Examined]


def examiner() -> Callable[[Item], Examined]:
    """Prepares a child process and returns the function that examines an item there."""
    cv2.setNumThreads(1)  # there is a child per core
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)  # where decoding libraries complain about every damaged file
    os.close(silence)
    return _examine_item


def _examine_item(item: Item) -> Examined:
    rules, data = item
    return examine(data, _parsed(rules))


@lru_cache(maxsize=8)
def _parsed(rules: bytes) -> ImageRules:
    return ImageRules.FromString(rules)


class DecoderPool:
    """Examines images in child processes. Thread-safe.

    An image that kills its child twice is refused as `decoder_crash`, one that takes too much processor
    time twice as `decode_timeout`.
    """

    def __init__(
        self,
        *,
        processes: int,
        memory_bytes: int,
        factory: Callable[[], Callable[[Item], Examined]] = examiner,
    ) -> None:
        """`factory` is called in each child and returns the function that examines there."""
        self._children: list[_Child] = [
            ChildWorker(
                factory,
                seconds_per_item=60.0,
                name=f"decoder-{number}",
                limits=Limits(memory_bytes=memory_bytes, file_bytes=0),
            )
            for number in range(processes)
        ]
        self._idle: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        for child in self._children:
            self._idle.put(child)
        self._threads = ThreadPoolExecutor(processes, "decoder")

    def submit(self, data: bytes, rules: ImageRules) -> Future[Examined]:
        """Examines bytes as soon as a child is free; the future raises RetriableError if none can start."""
        return self._threads.submit(self._examine, data, rules)

    def close(self) -> None:
        """Ends the child processes; what waits is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for child in self._children:
            child.close()

    def _examine(self, data: bytes, rules: ImageRules) -> Examined:
        cpu_seconds = rules.decode_timeout_seconds
        child = self._idle.get()
        try:
            answer = child.ask(
                (rules.SerializeToString(deterministic=True), data),
                seconds=_WALL_PER_CPU * cpu_seconds,
                cpu_seconds=cpu_seconds,
            )
        finally:
            self._idle.put(child)
        return _of_death(data, answer) if isinstance(answer, Death) else answer


def _of_death(data: bytes, death: Death) -> Examined:
    timed_out = death.how == "timed_out"
    reason = Reason.REASON_DECODE_TIMEOUT if timed_out else Reason.REASON_DECODER_CRASH
    return Examined(hashes=hashes_of(data), reason=reason, detail=death.detail)
