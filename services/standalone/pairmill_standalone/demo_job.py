"""The demo's job on a cluster: over a synthetic web that is served there, compared with its truth."""

from __future__ import annotations

import http.client
import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError, RetriableError
from pairmill.store.port import ObjectStore
from pairmill_protos.gateway.v1.job_service_pb2 import SubmitJobRequest
from pairmill_synthweb.prepare import JOB_FILE, TRUTH_FILE, WAT_FOLDER
from pairmill_synthweb.truth.compare import Comparison, compare_with_truth
from pairmill_synthweb.truth.table import Truth, read_truth

T = TypeVar("T")

CRAWL: Final = "DEMO"
"""What all demos call their crawl, so that their datasets are the same."""

_TIMEOUT_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 2.0
_AWAY: Final = frozenset({404, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOrder:
    """A job over a synthetic web, and how it has to end."""

    wats: tuple[str, ...]  # URLs
    settings: Mapping[str, str]
    truth: Truth

    def request(self, bundle: str, changes: Mapping[str, str] | None = None) -> SubmitJobRequest:
        """Returns the job as it is submitted, some settings changed; the same order is the same job."""
        settings = {**self.settings, **(changes or {})}
        return SubmitJobRequest(wats=self.wats, crawl=CRAWL, settings=settings, bundle=bundle)

    def compare(self, dataset: Path | ObjectStore) -> Comparison:
        """Returns how a finished dataset differs from the truth."""
        return compare_with_truth(dataset, self.truth)


def read_order(web: str) -> DemoOrder:
    """Returns what the web at an address such as http://web:7900 gives out.

    Raises ConfigurationError where that is no synthetic web, RetriableError while nobody answers.
    """
    if not web.startswith(("http://", "https://")):
        raise ConfigurationError(f"--web: {web!r} is no http(s) address")
    base = web.rstrip("/")
    try:
        said: dict[str, Any] = json.loads(_fetch(f"{base}/{JOB_FILE}"))
        wats = tuple(f"{base}/{WAT_FOLDER}/{name}" for name in said["wats"])
        settings = {str(name): str(value) for name, value in said["settings"].items()}
        truth = read_truth(io.BytesIO(_fetch(f"{base}/{TRUTH_FILE}")))
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # pyarrow's are ValueErrors
        raise ConfigurationError(f"--web: {base} serves no synthetic web ({error})") from error
    return DemoOrder(wats=wats, settings=settings, truth=truth)


def patiently(work: Callable[[], T], clock: Clock, patience_seconds: float, tell: Callable[[str], None]) -> T:
    """Returns what some work gives, tried again while it raises RetriableError and patience lasts."""
    deadline, told = clock.monotonic() + patience_seconds, ""
    while True:
        try:
            return work()
        except RetriableError as error:
            if clock.monotonic() + _PAUSE_SECONDS >= deadline:
                raise
            if str(error) != told:
                told = str(error)
                tell(f"waiting: {told}")
        clock.sleep(_PAUSE_SECONDS)


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
            data: bytes = answer.read()
    except urllib.error.HTTPError as error:
        if error.code in _AWAY:
            raise RetriableError(f"{url} is not there yet ({error.code})") from error
        raise ConfigurationError(f"--web: {url}: status {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise RetriableError(f"{url} does not answer ({error})") from error
    return data
