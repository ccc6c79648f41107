"""The dashboards, one module each, and all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from deploy.grafana.boards.crawler import CRAWLER
from deploy.grafana.boards.downloader import DOWNLOADER
from deploy.grafana.boards.explorer import EXPLORER
from deploy.grafana.boards.inference import INFERENCE
from deploy.grafana.boards.kafka import KAFKA
from deploy.grafana.boards.overview import OVERVIEW
from deploy.grafana.boards.reliability import RELIABILITY
from deploy.grafana.boards.scorer import SCORER
from deploy.grafana.panels import Dashboard

BOARDS: Final[Sequence[Dashboard]] = (
    OVERVIEW,
    CRAWLER,
    DOWNLOADER,
    INFERENCE,
    SCORER,
    KAFKA,
    EXPLORER,
    RELIABILITY,
)
