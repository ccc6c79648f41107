"""How far a build has come."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told how far a step of a build has come."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total` rows of a step, such as `reading`; steps follow each other."""
        ...


def no_progress(step: str, done: int, total: int) -> None:
    """Shows nothing."""
