"""Is a finished dataset what the truth says, row by row and count by count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pairmill.dataset import roles
from pairmill.dataset.reader import Dataset
from pairmill.store.port import ObjectStore
from pairmill_synthweb.truth.counts import Counts
from pairmill_synthweb.truth.table import Truth

_PLANNED_STAGES: Final = ("crawl", "plan")
_EXACT: Final = ("outcome", "reason", "content_sha256", "width", "height", "cluster_id")
_SCORES: Final = ("similarity", "unsafe_score", "watermark_score", "toxicity", "aesthetic_score")
_SAMPLE_COLUMNS: Final = {
    "sample_id": "sample_id",
    "verdict": "outcome",
    "reason": "reason",
    "content_sha256": "content_sha256",
    "WIDTH": "width",
    "HEIGHT": "height",
    "cluster_id": "cluster_id",
    "similarity": "similarity",
    "punsafe": "unsafe_score",
    "pwatermark": "watermark_score",
    "toxicity": "toxicity",
    "AESTHETIC_SCORE": "aesthetic_score",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as the truth says."""

    what: str  # id of a candidate, or `stage outcome reason` of a count
    field: str
    wanted: object
    found: object
    kind: str = ""  # class of links of a candidate
    url: str = ""
    detail: str = ""  # what the dataset says of it

    def __str__(self) -> str:
        where = f" [{self.kind}] {self.url}" if self.kind else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.what}{where}: {self.field} is {self.found}, not {self.wanted}{detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison found."""

    candidates: int  # in the truth
    differences: tuple[Difference, ...]
    largest_score_errors: Mapping[str, float] = field(default_factory=dict)  # by score, for information

    @property
    def is_same(self) -> bool:
        """Whether every candidate ended as the truth says, and every count agrees."""
        return not self.differences

    def summary(self) -> str:
        """Returns the result in one line."""
        if self.is_same:
            return f"every one of the {self.candidates} candidates ended as the truth table says"
        wrong = {difference.what for difference in self.differences if difference.kind}
        others = sum(1 for difference in self.differences if not difference.kind)
        return (
            f"{len(wrong)} of the {self.candidates} candidates did not end as the truth table says, "
            f"and {others} counts differ"
        )


def compare_with_truth(dataset: Path | ObjectStore, truth: Truth) -> Comparison:
    """Returns how a finished dataset differs from the truth; raises ConfigurationError without one."""
    opened = Dataset.open(dataset)
    found: dict[str, dict[str, Any]] = {}
    rows: Counter[str] = Counter()
    for identifier, row in _rows_of(opened):
        found[identifier] = row
        rows[identifier] += 1
    wanted = truth.by_id()
    errors: dict[str, float] = {}
    differences = [
        *(_doubled(identifier, count) for identifier, count in rows.items() if count > 1),
        *_of_candidates(wanted, found, errors),
        *_of_counts(truth, opened),
    ]
    return Comparison(candidates=len(wanted), differences=tuple(differences), largest_score_errors=errors)


def _doubled(identifier: str, count: int) -> Difference:
    return Difference(what=identifier, field="rows", wanted=1, found=count)


def _rows_of(dataset: Dataset) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields every candidate of a dataset with its end: failed downloads, dead letters, samples."""
    for batch in dataset.shard_index(["sample_id", "outcome", "reason", "detail"]):
        yield from ((row["sample_id"], row) for row in batch.to_pylist() if row["outcome"] == "failed")
    for batch in dataset.rows(roles.DEAD_LETTERS, ["sample_id", "outcome", "reason", "detail"]):
        yield from ((row["sample_id"], row) for row in batch.to_pylist())
    for batch in dataset.samples(list(_SAMPLE_COLUMNS)):
        for row in batch.to_pylist():
            renamed = {_SAMPLE_COLUMNS[name]: value for name, value in row.items()}
            yield renamed["sample_id"], renamed


def _of_candidates(
    wanted: Mapping[str, dict[str, Any]], found: Mapping[str, dict[str, Any]], errors: dict[str, float]
) -> Iterator[Difference]:
    for identifier, row in wanted.items():
        other = found.get(identifier)
        if other is None:
            yield _difference(row, "row", "one", "missing", "")
            continue
        yield from _of_candidate(row, other)
        _note_errors(row, other, errors)
    for identifier in found.keys() - wanted.keys():
        yield Difference(what=identifier, field="row", wanted="none", found=found[identifier].get("outcome"))


def _of_candidate(wanted: dict[str, Any], found: dict[str, Any]) -> Iterator[Difference]:
    detail = str(found.get("detail") or "")
    for name in _EXACT:
        # What failed has neither bytes nor a cluster to compare; an empty reason may stand as null.
        if wanted[name] is not None and (found.get(name) or "") != wanted[name]:
            yield _difference(wanted, name, wanted[name], found.get(name), detail)


def _difference(row: dict[str, Any], name: str, wanted: object, found: object, detail: str) -> Difference:
    return Difference(
        what=row["sample_id"],
        field=name,
        wanted=wanted,
        found=found,
        kind=row["kind"],
        url=row["url"],
        detail=detail,
    )


def _note_errors(wanted: dict[str, Any], found: dict[str, Any], errors: dict[str, float]) -> None:
    for name in _SCORES:
        one, other = wanted[name], found.get(name)
        if one is not None and other is not None:
            errors[name] = max(errors.get(name, 0.0), abs(one - other))


def _of_counts(truth: Truth, dataset: Dataset) -> Iterator[Difference]:
    """Compares the funnel: what crawl and plan count, and how the candidates ended."""
    wanted: Counts = Counter(truth.counts)
    wanted.update({("dataset", *end): count for end, count in truth.totals().items()})
    found: Counts = Counter()
    for row in dataset.manifest.funnel:
        if row.stage in (*_PLANNED_STAGES, "dataset") and row.outcome != "in":
            found[row.stage, row.outcome, row.reason] += row.count
    for key in sorted(wanted.keys() | found.keys()):
        if wanted[key] != found[key]:
            what = " ".join(part for part in key if part)
            yield Difference(what=what, field="count", wanted=wanted[key], found=found[key])
