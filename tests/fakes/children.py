"""Work for child processes that may die, hang or raise. Importable, so that it can be sent there."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pairmill.errors import RetriableError


@dataclass(frozen=True)
class Doubler:
    """Doubles numbers; a few of them have their own effect. Notes each call in a file."""

    calls: Path

    def __call__(self) -> Callable[[int], int]:
        return self.double

    def double(self, number: int) -> int:
        with self.calls.open("a") as file:
            file.write(f"{number} {os.getpid()}\n")
        match number:
            case 13:
                os.kill(os.getpid(), signal.SIGKILL)
            case 14:
                os._exit(3)
            case 15:
                threading.Event().wait()
            case 16:
                raise RetriableError("not now")
            case 17:
                raise KeyError("a bug")
            case 18:
                while True:
                    pass
            case 19:
                return len(bytearray(1 << 40))
            case _:
                pass
        return 2 * number


def broken_factory() -> Callable[[int], int]:
    raise RetriableError("no model here")


def deadly_factory() -> Callable[[int], int]:
    os._exit(1)
