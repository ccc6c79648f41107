"""Distributions of scores, sizes, languages and domains, added up batch by batch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.dataset.domains import host_of
from pairmill.dataset.funnel import KEPT, PASSED
from pairmill.dataset.verdicts import SCORE_NAMES
from pairmill.domains import registrable_domain
from pairmill.verdict import float_column, one_array
from pairmill_gateway.report.model import Histogram, Share, SizeMap, Threshold
from pairmill_gateway.report.sampling import HeavyCounter, value_counts
from pairmill_protos.job.v1.job_pb2 import JobSpec

FINE_BINS: Final = 4_000
SHOWN_BINS: Final = 50
SIZE_EDGES: Final = tuple(round(2 ** (4 + step / 2)) for step in range(21))  # 16 to 16,384 pixels

_RANGES: Final = {  # what fine bins cover; values outside stand in the outermost
    "similarity": (-1.0, 1.0),
    "punsafe": (0.0, 1.0),
    "pwatermark": (0.0, 1.0),
    "toxicity": (0.0, 1.0),
    "AESTHETIC_SCORE": (-5.0, 15.0),
}
_CROPPED: Final = frozenset({"similarity", "AESTHETIC_SCORE"})  # shown where values are; others whole
_STEPS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_NOTHING_KNOWN: Final = "nolang"


class Distributions:
    """Takes the rows of `data/` and of the shard indexes; holds sums alone."""

    def __init__(self) -> None:
        self._bins = {name: np.zeros((2, FINE_BINS), dtype=np.int64) for name in SCORE_NAMES}
        self._unknown: Counter[str] = Counter()
        self._sizes = np.zeros((len(SIZE_EDGES) - 1, len(SIZE_EDGES) - 1), dtype=np.int64)
        self._languages: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
        self._domains = {name: HeavyCounter() for name in _COUNTED}

    def take_samples(self, table: pa.Table) -> None:
        """Takes rows of `data/`."""
        kept = np.array([verdict == KEPT for verdict in table.column("verdict").to_pylist()], dtype=np.bool_)
        for name in SCORE_NAMES:
            self._take_scores(name, float_column(table, name), kept)
        self._take_sizes(table)
        chosen = table.filter(pa.array(kept))
        self._languages["kept"].update(value_counts(one_array(chosen, "LANGUAGE")))
        hosts = Counter(host_of(url or "") for url in one_array(chosen, "URL").to_pylist())
        by_domain: Counter[str] = Counter()
        for host, count in hosts.items():
            by_domain[registrable_domain(host)] += count
        self._domains["kept"].update(by_domain)

    def take_index(self, table: pa.Table) -> None:
        """Takes rows of a shard index."""
        passed = pa.array([outcome == PASSED for outcome in table.column("outcome").to_pylist()], pa.bool_())
        for name, rows in (("candidates", table), ("downloaded", table.filter(passed))):
            self._languages[name].update(value_counts(one_array(rows, "language")))
            self._domains[name].update(value_counts(one_array(rows, "domain")))

    def _take_scores(self, name: str, scores: npt.NDArray[np.float32], kept: npt.NDArray[np.bool_]) -> None:
        known = np.isfinite(scores)
        self._unknown[name] += int((~known).sum())
        low, high = _RANGES[name]
        places = ((scores[known].astype(np.float64) - low) / (high - low) * FINE_BINS).astype(np.int64)
        places = np.clip(places, 0, FINE_BINS - 1)
        for row, flags in enumerate((kept[known], ~kept[known])):
            self._bins[name][row] += np.bincount(places[flags], minlength=FINE_BINS)

    def _take_sizes(self, table: pa.Table) -> None:
        columns = (one_array(table, name).fill_null(0) for name in ("WIDTH", "HEIGHT"))
        width, height = (np.asarray(column.to_numpy(zero_copy_only=False)) for column in columns)
        edges = np.array(SIZE_EDGES, dtype=np.float64)
        edges[-1] = np.inf
        inside = (width > 0) & (height > 0)
        places = [
            np.clip(np.searchsorted(edges, side[inside], side="right") - 1, 0, len(SIZE_EDGES) - 2)
            for side in (height, width)
        ]
        np.add.at(self._sizes, (places[0], places[1]), 1)

    def histograms(self, spec: JobSpec) -> Iterator[Histogram]:
        """Yields the scores that are known of any sample, or that a rule of the job asks for."""
        for name in SCORE_NAMES:
            kept, dropped = self._bins[name]
            thresholds = tuple(thresholds_of(spec, name))
            if kept.sum() + dropped.sum() or (thresholds and self._unknown[name]):
                yield shown_histogram(name, kept, dropped, thresholds, self._unknown[name])

    def sizes(self) -> SizeMap | None:
        """Returns the sizes of fetched images; None where there is no image."""
        if not self._sizes.sum():
            return None
        counts = tuple(tuple(int(count) for count in row) for row in self._sizes)
        return SizeMap(edges=SIZE_EDGES, counts=counts)

    def languages(self, most: int) -> tuple[Share, ...]:
        """Returns the languages with most candidates; an undetermined one is named `nolang`."""
        found = self._languages
        names = sorted(found["candidates"], key=lambda name: (-found["candidates"][name], name))
        return tuple(
            Share(
                name=name or _NOTHING_KNOWN,
                candidates=found["candidates"][name],
                downloaded=found["downloaded"][name],
                kept=found["kept"][name],
            )
            for name in names[:most]
        )

    def domains(self, most: int) -> tuple[Share, ...]:
        """Returns the registrable domains with most candidates."""
        found = self._domains
        counts = found["candidates"].counts
        names = sorted(counts, key=lambda name: (-counts[name], name))
        return tuple(
            Share(
                name=name,
                candidates=counts[name],
                downloaded=found["downloaded"][name],
                kept=found["kept"][name],
            )
            for name in names[:most]
        )

    def domains_counted(self) -> int:
        """Returns how many different domains were seen, a lower bound where there are very many."""
        return len(self._domains["candidates"].counts)


def shown_histogram(
    name: str,
    kept: npt.NDArray[np.int64],
    dropped: npt.NDArray[np.int64],
    thresholds: tuple[Threshold, ...],
    unknown: int,
) -> Histogram:
    """Returns fine bins put together to at most SHOWN_BINS, cropped to where values and thresholds are."""
    low, high = _RANGES[name]
    width = (high - low) / FINE_BINS
    filled = np.flatnonzero(kept + dropped)
    if name in _CROPPED and len(filled):
        ends = [low + width * filled[0], low + width * (filled[-1] + 1), *(rule.value for rule in thresholds)]
        low, high = min(ends), max(ends)
    step = next((step for step in _STEPS if (high - low) / step <= SHOWN_BINS + 1e-6), _STEPS[-1])
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    first, last = max(first, round(_RANGES[name][0] / step)), min(last, round(_RANGES[name][1] / step))
    start, per_bin = round((first * step - _RANGES[name][0]) / width), round(step / width)
    count = max(1, last - first)
    shown = [_merged(bins, start, per_bin, count) for bins in (kept, dropped)]
    return Histogram(
        name=name,
        low=first * step,
        high=(first + count) * step,
        kept=shown[0],
        dropped=shown[1],
        unknown=unknown,
        thresholds=thresholds,
    )


def _merged(bins: npt.NDArray[np.int64], start: int, per_bin: int, count: int) -> tuple[int, ...]:
    edges = np.clip(start + per_bin * np.arange(count + 1), 0, len(bins))
    total = np.concatenate([[0], np.cumsum(bins)])
    return tuple(int(number) for number in np.diff(total[edges]))


_COUNTED: Final = ("candidates", "downloaded", "kept")


def thresholds_of(spec: JobSpec, score: str) -> Iterator[Threshold]:
    """Yields where the job's rules cut a score, ascending."""
    rules = spec.score
    if score == "similarity":
        for language, value in sorted(rules.min_similarity.items(), key=lambda item: (item[1], item[0])):
            named = {"*": "others" if len(rules.min_similarity) > 1 else ""}.get(language, language)
            yield Threshold(value=value, label=named)
        return
    field = {
        "punsafe": "max_unsafe_score",
        "pwatermark": "max_watermark_score",
        "toxicity": "max_toxicity",
        "AESTHETIC_SCORE": "min_aesthetic_score",
    }[score]
    if rules.HasField(field):  # type: ignore[arg-type]  # one of four literal names
        yield Threshold(value=getattr(rules, field), label="")
