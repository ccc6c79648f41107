"""Filters, queries and counts over the samples of a fake explorer, one sample after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Final

from PIL import Image

from pairmill_protos.explorer.v1.search_pb2 import (
    Facet,
    Filters,
    Histogram,
    QueryPart,
    Range,
    SafeMode,
    Sample,
    ValueCount,
)
from tests.fakes.explorer_world import COLOURS, World

LISTS: Final = {
    "buckets": "bucket",
    "languages": "language",
    "verdicts": "verdict",
    "reasons": "reason",
    "hosts": "host",
    "crawls": "crawl",
    "licences": "licence",
}
ENDS: Final = {
    "similarity": (-0.2, 1.0),
    "unsafe_score": (0.0, 1.0),
    "watermark_score": (0.0, 1.0),
    "aesthetic_score": (0.0, 10.0),
    "toxicity": (0.0, 1.0),
    "width": (0.0, 1200.0),
    "height": (0.0, 1200.0),
    "aspect": (0.0, 5.0),
}
BINS: Final = 40


def admits(filters: Filters, sample: Sample) -> bool:
    """Whether a sample meets all that is set."""
    if sample.unsafe and filters.safe_mode in (SafeMode.SAFE_MODE_UNSPECIFIED, SafeMode.SAFE_MODE_HIDE):
        return False
    for field, column in LISTS.items():
        wanted = getattr(filters, field)
        if wanted and getattr(sample, column) not in wanted:
            return False
    if filters.text_contains.lower() not in sample.text.lower():
        return False
    ranges = {entry.name: value for entry, value in filters.ListFields() if entry.name in ENDS}
    if not all(_within(bounds, number(sample, field)) for field, bounds in ranges.items()):
        return False
    return _in_time(filters, sample)


def number(sample: Sample, field: str) -> float | None:
    """Returns a number of a sample by the field of `Filters`."""
    if field == "aspect":
        return sample.width / sample.height
    if field in ("width", "height"):
        return float(getattr(sample, field))
    known = {entry.name: value for entry, value in sample.ListFields()}
    return float(known[field]) if field in known else None


def score(parts: Iterable[QueryPart], sample: Sample, world: World) -> float:
    """Returns how near a sample is to a query: words in common."""
    total = 0.0
    for part in parts:
        weight = part.weight if part.HasField("weight") else 1.0
        wanted = _words(part, world)
        found = set(sample.text.lower().split())
        if part.WhichOneof("what") == "sample_id" and part.sample_id == sample.sample_id:
            total += weight
        else:
            total += weight * len(wanted & found) / (len(wanted | found) or 1)
    return total


def facets(samples: list[Sample], values: int) -> list[Facet]:
    """Returns counts of every list."""
    counted = []
    for field, column in LISTS.items():
        counts = Counter(getattr(sample, column) for sample in samples).most_common()
        shown = [ValueCount(value=value, count=rows) for value, rows in counts[:values]]
        counted.append(Facet(field=field, values=shown, others=sum(rows for _, rows in counts[values:])))
    return counted


def histograms(samples: list[Sample], fields: Iterable[str]) -> list[Histogram]:
    """Returns distributions over fixed intervals."""
    return [_histogram(samples, field) for field in fields if field in ENDS]


def _histogram(samples: list[Sample], field: str) -> Histogram:
    low, high = ENDS[field]
    counts = [0] * BINS
    unknown = 0
    for sample in samples:
        value = number(sample, field)
        if value is None:
            unknown += 1
        else:
            counts[min(BINS - 1, max(0, int((value - low) / (high - low) * BINS)))] += 1
    edges = [low + (high - low) * at / BINS for at in range(BINS + 1)]
    return Histogram(field=field, edges=edges, counts=counts, unknown=unknown)


def _within(bounds: Range, value: float | None) -> bool:
    if value is None:
        return False
    low = bounds.min if bounds.HasField("min") else float("-inf")
    high = bounds.max if bounds.HasField("max") else float("inf")
    return low <= value <= high


def _in_time(filters: Filters, sample: Sample) -> bool:
    bounds = filters.fetched_at
    moment = sample.fetched_at.ToNanoseconds()
    if bounds.HasField("from") and moment < getattr(bounds, "from").ToNanoseconds():
        return False
    return not bounds.HasField("before") or moment < bounds.before.ToNanoseconds()


def _words(part: QueryPart, world: World) -> set[str]:
    readers: Mapping[str, Callable[[], str]] = {
        "text": lambda: part.text,
        "image": lambda: _colour(part.image),
        "sample_id": lambda: getattr(world.find(part.sample_id), "text", ""),
    }
    return set(readers[part.WhichOneof("what") or "text"]().lower().split())


def _colour(image: bytes) -> str:
    """Names the colour in the middle of an image, which is all that this model sees."""
    with Image.open(BytesIO(image)) as opened:
        picture = opened.convert("RGB")
    pixel = picture.getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], pixel, strict=True)))
