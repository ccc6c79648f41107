"""The crawler as its process builds it."""

from __future__ import annotations

import os
import subprocess
import sys

from prometheus_client import CollectorRegistry

from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.adapters.pool import new_pool
from pairmill_crawler.config import CrawlerConfig
from pairmill_crawler.handler import CrawlHandler
from pairmill_crawler.metrics import CrawlerMetrics


def test_the_known_good_wat_is_read() -> None:
    config = CrawlerConfig()
    handler = CrawlHandler(config, new_pool(config, detector_named), CrawlerMetrics(CollectorRegistry()))
    try:
        handler.self_test()
        handler.self_test()
    finally:
        handler.close()


def test_a_process_without_its_settings_names_them_and_ends() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PAIRMILL_")}
    ended = subprocess.run(
        [sys.executable, "-m", "pairmill_crawler"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2
    assert "PAIRMILL_BUS_URL" in ended.stderr
