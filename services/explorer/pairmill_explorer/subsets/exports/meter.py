"""How far an export is: counted by many threads, read by whoever asks."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from pairmill.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How far an export is."""

    samples_total: int = 0
    samples_done: int = 0
    bytes_done: int = 0
    without_image: int = 0
    remaining_seconds: float | None = None  # by the rate so far; None before there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An export that waits in the line or is at work."""

    running: bool
    cancelled: bool  # it will end soon
    reading: Reading
    trouble: str  # what it waits for; empty if nothing is wrong


class Meter:
    """Counts what an export writes. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._reading = Reading()
        self._started = clock.monotonic()
        self._standing = 0  # samples that stood when this work began

    def begin(self, *, total: int, standing: int, standing_bytes: int, without_image: int) -> None:
        """Says what there is to do, and what stands of it."""
        with self._changed:
            self._started, self._standing = self._clock.monotonic(), standing
            self._reading = Reading(
                samples_total=total,
                samples_done=standing,
                bytes_done=standing_bytes,
                without_image=without_image,
            )
            self._changed.notify_all()

    def advance(self, samples: int, count: int) -> None:
        """Counts samples and bytes that were written."""
        with self._changed:
            done = self._reading.samples_done + samples
            self._reading = replace(
                self._reading, samples_done=done, bytes_done=self._reading.bytes_done + count
            )
            self._changed.notify_all()

    def read(self) -> Reading:
        """Returns how far it is."""
        with self._changed:
            reading, new = self._reading, self._reading.samples_done - self._standing
            seconds = self._clock.monotonic() - self._started
            if new <= 0 or seconds <= 0:
                return reading
            left = max(reading.samples_total - reading.samples_done, 0)
            return replace(reading, remaining_seconds=left * seconds / new)
