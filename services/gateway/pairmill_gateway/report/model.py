"""What a report is made of: plain facts of a dataset, small however large the dataset is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pairmill.dataset.manifest import FunnelRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTotal:
    """Files of one role."""

    role: str
    files: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Where a rule of the job cuts a score."""

    value: float
    label: str  # such as `en` for a threshold of one language; empty where there is only one


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A score's distribution over the downloaded samples."""

    name: str  # column of `data/`
    low: float  # lower edge of the first bin
    high: float  # upper edge of the last bin
    kept: tuple[int, ...]  # samples per bin; values outside stand in the outermost bins
    dropped: tuple[int, ...]
    unknown: int  # samples without this score
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeMap:
    """Image sizes on logarithmic axes: `counts[y][x]` images of that height and width."""

    edges: tuple[int, ...]  # pixels; one more than there are rows or columns
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How a language or a domain fared."""

    name: str
    candidates: int
    downloaded: int
    kept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Rows per unit of time, in equal steps from `start`."""

    start: datetime
    step_seconds: float
    downloads: tuple[float, ...]  # candidates ended, rows in each step
    embedded: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GallerySample:
    """A downloaded sample to be looked at."""

    sample_id: str
    url: str
    text: str
    page_url: str
    language: str
    width: int
    height: int
    reason: str  # empty for a kept one
    scores: Mapping[str, float | None]
    thumbnail: bytes | None = None  # JPEG
    hidden: bool = False  # shown blurred until clicked: unsafe, or not known to be safe


@dataclass(frozen=True, slots=True, kw_only=True)
class LostExample:
    """A record, link or candidate without an image: only what it said of itself."""

    url: str
    text: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """Everything that the page shows."""

    job_id: str
    profile: str
    crawl: str
    state: str
    why: tuple[str, ...]
    bundle: str
    version: str
    code_version: str
    wats: int
    funnel: tuple[FunnelRow, ...]
    totals: tuple[RoleTotal, ...]
    histograms: tuple[Histogram, ...] = ()
    sizes: SizeMap | None = None
    languages: tuple[Share, ...] = ()
    domains: tuple[Share, ...] = ()
    domains_counted: int = 0  # different domains seen, a lower bound where there are very many
    rate: Rate | None = None
    kept: tuple[GallerySample, ...] = ()
    dropped: Mapping[str, tuple[GallerySample, ...]] = field(default_factory=dict)  # by reason
    lost: Mapping[str, tuple[LostExample, ...]] = field(default_factory=dict)  # by reason
    unsafe_limit: float = 0.5
