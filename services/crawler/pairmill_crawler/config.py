"""Settings of a crawler; the rules of a crawl come with the job."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """How WATs are fetched from http(s) URLs."""

    attempts: int = 6  # tries without any new byte before a source is given up for now
    timeout_seconds: float = 30.0  # longest wait for a connection or for more bytes
    backoff_seconds: float = 1.0  # wait before the second try; doubles with each
    max_backoff_seconds: float = 30.0  # longest wait, also where the server asks for a longer one


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlerConfig:
    """How a crawler works."""

    max_ratio: float = 250.0  # a member that inflates more than so many times is a bomb, if it is large
    bomb_bytes: int = 8 * 2**20  # inflated bytes at such a ratio in a row that make it large
    stall_seconds: float = 120.0  # a child that works on one record for longer is ended
    child_memory_bytes: int = 4 * 2**30  # address space of a child process; 0 does not limit it
    idle_children: int = 4  # child processes kept for the next unit
    source: SourceConfig = field(default_factory=SourceConfig)
