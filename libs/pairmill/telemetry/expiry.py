"""What ends by itself, as measures: certificates and tokens that the settings name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError
from pairmill.rpc.tokens import parse_tokens
from pairmill.telemetry.certificates import ends_of

log = structlog.get_logger(__name__)

_OWN: Final = "certificate_file"
_TRUSTED: Final = "ca_file"  # and what ends so, such as `client_ca_file`
_TOKENS: Final = "tokens_file"
_NEVER: Final = math.inf

Ends = Callable[[str], Iterable[datetime]]


class ExpiryCollector(Collector):
    """Reads the files when it is asked for measures, and only those that have changed. Thread-safe enough:
    what two scrapes at once read twice is the same.
    """

    def __init__(self, clock: Clock, certificates: dict[str, Path], tokens: dict[str, Path]) -> None:
        """Both are files by the setting that names them."""
        self._clock = clock
        self._certificates = {
            setting: _Watched(path, ends_of, min if setting.endswith(_OWN) else max)
            for setting, path in certificates.items()
        }
        self._tokens = {
            setting: _Watched(path, _ends_of_tokens, self._next) for setting, path in tokens.items()
        }

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yields the families without values."""
        yield _certificates()
        yield _tokens()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the times as of now; a file that cannot be read has none."""
        for family, watched in ((_certificates(), self._certificates), (_tokens(), self._tokens)):
            for setting, file in watched.items():
                if (end := file.end()) is not None:
                    family.add_metric([setting], end)
            yield family

    def _next(self, ends: Iterable[float]) -> float:
        """Returns the first end that is still to come: tokens that have ended were meant to."""
        now = self._clock.now().timestamp()
        return min((end for end in ends if end > now), default=_NEVER)


class _Watched:
    """A file, and when what it holds ends."""

    def __init__(self, path: Path, ends: Ends, pick: Callable[[Iterable[float]], float]) -> None:
        self._path = path
        self._ends = ends
        self._pick = pick
        self._version: tuple[int, int] | None = None
        self._found: list[float] = []

    def end(self) -> float | None:
        """Returns the end that counts, as Unix time; infinite where nothing ends, None if it is not known."""
        try:
            stat = self._path.stat()
            version = (stat.st_mtime_ns, stat.st_size)
            if version != self._version:
                self._found = [found.timestamp() for found in self._ends(self._path.read_text())]
                self._version = version
        except (OSError, ValueError, ConfigurationError) as error:
            log.debug("expiry_unknown", path=str(self._path), error=str(error))  # its user says so louder
            return None
        return self._pick(self._found) if self._found else _NEVER


def show_expiry(registry: CollectorRegistry, clock: Clock, *configs: object) -> None:
    """Shows when what the settings of these configurations name ends."""
    named = {setting: path for config in configs for setting, path in _files(config)}
    certificates = {s: path for s, path in named.items() if s.endswith((_OWN, _TRUSTED))}
    tokens = {s: path for s, path in named.items() if s.endswith(_TOKENS)}
    registry.register(ExpiryCollector(clock, certificates, tokens))


def _files(config: Any, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yields the files that a configuration names, by setting, such as `rpc.tls.certificate_file`."""
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, Path):
            yield f"{prefix}{field.name}", value
        elif is_dataclass(value):
            yield from _files(value, f"{prefix}{field.name}.")


def _ends_of_tokens(text: str) -> list[datetime]:
    return [entry.expires_at for entry in parse_tokens(text) if entry.expires_at is not None]


def _certificates() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "pairmill_certificate_expiry_timestamp_seconds",
        "When the certificates of a file end: the first of a chain, the last of several authorities.",
        labels=["setting"],
    )


def _tokens() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "pairmill_token_expiry_timestamp_seconds",
        "When the next token of a file ends; infinite if none does.",
        labels=["setting"],
    )
