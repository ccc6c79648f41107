"""Where WATs come from: local files and http(s) URLs."""

from __future__ import annotations

from dataclasses import dataclass

from pairmill_crawler.adapters.file_source import FileSource
from pairmill_crawler.adapters.http_source import HttpSource
from pairmill_crawler.config import SourceConfig
from pairmill_crawler.crawl import is_remote
from pairmill_crawler.ports import Source


@dataclass(frozen=True, slots=True)
class Sources:
    """Opens sources by name. Picklable."""

    config: SourceConfig

    def __call__(self, wat: str, offset: int) -> Source:
        """Returns a WAT, named by path or http(s) URL, from an offset on."""
        if is_remote(wat):
            return HttpSource(wat, offset, self.config)
        return FileSource(wat, offset)
