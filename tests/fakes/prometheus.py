"""Asking a Prometheus server, and where it looks."""

from __future__ import annotations

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.prometheus import PrometheusServer
from deploy.local.scraping import prepare_config

_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at the moment of the query."""

    labels: Mapping[str, str]  # without the name of the metric
    value: float


def query(prometheus: PrometheusServer, expression: str) -> list[Sample]:
    """Returns what an expression gives now; raises HTTPError where it is none."""
    found = _asked(prometheus, "query", query=expression)["result"]
    return [
        Sample(
            {name: text for name, text in series["metric"].items() if name != "__name__"},
            float(series["value"][1]),
        )
        for series in found
    ]


def value(prometheus: PrometheusServer, expression: str) -> float | None:
    """Returns the value of an expression that gives one series; None where it gives none."""
    found = query(prometheus, expression)
    assert len(found) < 2, f"{expression} gives {len(found)} series"
    return found[0].value if found else None


def was_ever_a_number(prometheus: PrometheusServer, expression: str, *, seconds: float) -> bool:
    """Whether an expression gave a number at any time of so many seconds until now."""
    now = time.time()
    found = _asked(
        prometheus, "query_range", query=expression, start=f"{now - seconds}", end=f"{now}", step="15"
    )
    return any(not math.isnan(float(text)) for series in found["result"] for _, text in series["values"])


def firing(prometheus: PrometheusServer) -> set[str]:
    """Returns the names of the alerts that fire."""
    alerts = _asked(prometheus, "alerts")["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def quick_config(folder: Path) -> Path:
    """Returns the configuration of every deployment, but looking every second instead of every five."""
    config = prepare_config(folder)
    text = config.read_text()
    assert "scrape_interval: 5s" in text
    assert "scrape_timeout: 4s" in text
    config.write_text(text.replace("5s", "1s").replace("scrape_timeout: 4s", "scrape_timeout: 1s"))
    return config


def _asked(prometheus: PrometheusServer, what: str, **parameters: str) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback needs no proxy
    url = f"http://{prometheus.address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
    with opener.open(url, timeout=_SECONDS) as answer:
        data: dict[str, Any] = json.load(answer)["data"]
    return data
