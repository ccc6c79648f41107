"""Detectors that do something else than detecting, for children that are to die. Importable there."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from pairmill_crawler.ports import Guess, LanguageDetector


@dataclass(frozen=True)
class DeadlyDetectors:
    """Gives detectors that note every text and die of some."""

    calls: Path

    def __call__(self, name: str) -> LanguageDetector:
        return _Deadly(self.calls, name)


@dataclass(frozen=True)
class _Deadly:
    calls: Path
    name: str

    def detect(self, text: str) -> Guess:
        with self.calls.open("a") as file:
            file.write(f"{os.getpid()} {text}\n")
        match text.split()[-1]:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leave":
                os._exit(3)
            case "hang":
                threading.Event().wait()
            case "expire" if self.calls.read_text().count("expire\n") == 1:
                signal.setitimer(signal.ITIMER_REAL, 1.0)
            case "swell":
                bytearray(1 << 40)
            case "bug":
                raise KeyError("a bug")
            case _:
                pass
        return Guess("un", 0.0)
