"""Settings of a downloader; what is fetched, and by which rules, comes with the job."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from pairmill_downloader.fetching.config import FetchConfig

_SAID_AS: Final = {"default": "one per core"}


def _cores() -> int:
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloaderConfig(FetchConfig):
    """How a downloader works: how hosts are reached, and how images are decoded."""

    decode_processes: int = field(default_factory=_cores, metadata=_SAID_AS)  # children that decode
    decode_memory_bytes: int = 3 * 2**30  # address space of one of them
