"""Settings of a finaliser; the rules of a finalisation come with the job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FinaliserConfig:
    """How a finaliser works."""

    image_threads: int = 8  # ranged requests for images that run at once while a file of `train/` is written
