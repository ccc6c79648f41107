"""A WAT is called the same wherever it is read from."""

from __future__ import annotations

import pytest

from pairmill_crawler.adapters.file_source import FileSource
from pairmill_crawler.adapters.http_source import HttpSource
from pairmill_crawler.adapters.sources import Sources
from pairmill_crawler.config import SourceConfig
from pairmill_crawler.crawl import wat_file_name


@pytest.mark.parametrize(
    ("wat", "kind"),
    [
        ("/data/crawl/a.warc.wat.gz", FileSource),
        ("a.warc.wat.gz", FileSource),
        ("https://data.test/crawl/a.warc.wat.gz", HttpSource),
        ("HTTP://data.test/a.warc.wat.gz?version=2", HttpSource),
    ],
)
def test_the_name_is_the_files_alone(wat: str, kind: type) -> None:
    assert wat_file_name(wat) == "a.warc.wat.gz"
    assert isinstance(Sources(SourceConfig())(wat, 0), kind)
