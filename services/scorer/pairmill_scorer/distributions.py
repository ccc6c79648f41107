"""Distributions of scores as measures: whole columns at once, for there are thousands of rows a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from pairmill_scorer.similarity import Floats

_SIMILARITY: Final = (
    *(0.0, 0.05, 0.1, 0.15, 0.18, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3, 0.32, 0.34, 0.36, 0.4),
    *(0.5, 0.6, 0.7, 0.8, 0.9),
)
_PROBABILITY: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
_AESTHETIC: Final = (1, 2, 3, 3.5, 4, 4.25, 4.5, 4.75, 5, 5.25, 5.5, 5.75, 6, 6.5, 7, 8, 9)


class _Column:
    """How often values lay in each interval. Not thread-safe."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._names = [*(repr(float(bound)) for bound in bounds), "+Inf"]
        self._bounds = np.array(bounds, dtype=np.float32)
        self._counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        self._sum = 0.0

    def add(self, values: Floats) -> None:
        """Counts the values that are numbers."""
        known = values[np.isfinite(values)]
        places = np.searchsorted(self._bounds, known, side="left")  # a bound belongs to what is below it
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(known.sum(dtype=np.float64))

    def put_into(self, family: HistogramMetricFamily) -> None:
        """Gives a family its one sample."""
        counts = np.cumsum(self._counts).tolist()
        family.add_metric([], list(zip(self._names, map(float, counts), strict=True)), self._sum)


class ScoreDistributions(Collector):
    """Counts scores by value. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._columns = {
            "similarity": _Column(_SIMILARITY),
            "unsafe_score": _Column(_PROBABILITY),
            "watermark_score": _Column(_PROBABILITY),
            "toxicity": _Column(_PROBABILITY),
            "aesthetic_score": _Column(_AESTHETIC),
        }

    def add(self, table: pa.Table) -> None:
        """Counts the scores of rows; those that have none are left out."""
        found = {name: _numbers(table[name]) for name in self._columns}
        with self._lock:
            for name, values in found.items():
                self._columns[name].add(values)

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Yields the families without values."""
        yield from _families().values()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yields the distributions of all rows so far."""
        families = _families()
        with self._lock:
            for name, column in self._columns.items():
                column.put_into(families[name])
        yield from families.values()


def _numbers(column: pa.ChunkedArray[Any]) -> Floats:
    return np.asarray(column.to_numpy(), dtype=np.float32)  # null becomes NaN


def _families() -> dict[str, HistogramMetricFamily]:
    """Returns a family for each score by its column."""
    return {
        "similarity": HistogramMetricFamily(
            "pairmill_similarity_score", "Cosine of image and text of the rows that were scored."
        ),
        "unsafe_score": HistogramMetricFamily(
            "pairmill_unsafe_score", "How likely the images of these rows are unsafe, 0 to 1."
        ),
        "watermark_score": HistogramMetricFamily(
            "pairmill_watermark_score", "How likely these images carry a watermark, 0 to 1."
        ),
        "toxicity": HistogramMetricFamily(
            "pairmill_toxicity_score", "How likely the texts of these rows are toxic, 0 to 1."
        ),
        "aesthetic_score": HistogramMetricFamily(
            "pairmill_aesthetic_score", "How good people would find these images, about 1 to 10."
        ),
    }
