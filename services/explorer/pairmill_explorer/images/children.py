"""Child processes that decode images: what dies there takes nothing with it (U13)."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Final, TypeAlias

from pairmill.children.limits import Limits
from pairmill.children.worker import ChildWorker, Death
from pairmill.errors import RetriableError
from pairmill_explorer.images.work import Answer, Item, Refused, image_work

_CPU_SECONDS: Final = 5.0
_SECONDS: Final = 20.0
_MOST_WAIT_SECONDS: Final = 10.0
_MEMORY_BYTES: Final = 2 * 2**30  # address space of one child

_Child: TypeAlias = ChildWorker[Item, Answer]


class ImageChildren:
    """A few children, each on one image at a time. Thread-safe."""

    def __init__(
        self, processes: int, *, factory: Callable[[], Callable[[Item], Answer]] = image_work
    ) -> None:
        """Starts none yet: each begins with its first image. `factory` is called in the child."""
        self._children: list[_Child] = [
            ChildWorker(
                factory,
                seconds_per_item=_SECONDS,
                name=f"image-{number}",
                limits=Limits(memory_bytes=_MEMORY_BYTES, file_bytes=0),
            )
            for number in range(processes)
        ]
        self._idle: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        for child in self._children:
            self._idle.put(child)

    def ask(self, item: Item) -> Answer:
        """Returns what becomes of an image; raises RetriableError while too many wait."""
        try:
            child = self._idle.get(timeout=_MOST_WAIT_SECONDS)
        except queue.Empty as error:
            raise RetriableError("too many images wait to be decoded; try again soon") from error
        try:
            answer = child.ask(item, cpu_seconds=_CPU_SECONDS)
        finally:
            self._idle.put(child)
        return Refused(f"decoding it {_END[answer.how]}") if isinstance(answer, Death) else answer

    def warm_up(self) -> None:
        """Starts all children now, so that the first images need not wait; raises RetriableError."""
        for child in self._children:
            child.start()

    def close(self) -> None:
        """Ends the children."""
        for child in self._children:
            child.close()


_END: Final = {"died": "ends the decoder", "timed_out": "takes too long"}
