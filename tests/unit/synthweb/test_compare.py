"""A finished dataset beside the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pairmill.dataset.reader import Dataset
from pairmill_synthweb.truth.compare import compare_with_truth
from pairmill_synthweb.truth.counts import Counts
from pairmill_synthweb.truth.ends import End
from pairmill_synthweb.truth.table import TRUTH, Truth, read_truth, truth_of, write_truth
from tests.fakes.dataset import build_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    build_dataset(folder)
    return folder


def truth_by_dataset(folder: Path) -> Truth:
    """What the truth would be if the dataset were right in everything."""
    opened = Dataset.open(folder)
    counts: Counts = Counter()
    for row in opened.manifest.funnel:
        if row.stage in ("crawl", "plan") and row.outcome != "in":
            counts[row.stage, row.outcome, row.reason] += row.count
    rows = sorted(_rows(opened), key=lambda row: str(row["sample_id"]))
    return Truth(pa.Table.from_pylist(rows, schema=TRUTH), counts)


def _rows(opened: Dataset) -> Iterator[dict[str, Any]]:
    for batch in opened.shard_index():
        for row in batch.to_pylist():
            if row["outcome"] == "failed":
                yield _row(row, stage="download", text=row["caption"], outcome="failed")
    for batch in opened.samples():
        for row in batch.to_pylist():
            yield _row(
                row,
                stage="score",
                url=row["URL"],
                text=row["TEXT"],
                outcome=row["verdict"],
                width=row["WIDTH"],
                height=row["HEIGHT"],
            )


def _row(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    found = {name: row.get(name) for name in TRUTH.names} | {"kind": "any"} | fields
    if found["outcome"] == "failed":
        found |= dict.fromkeys(("cluster_id", "content_sha256", "width", "height"))
    return found | {"reason": found["reason"] or ""}


def changed(truth: Truth, change: Callable[[list[dict[str, Any]]], None]) -> Truth:
    rows = truth.rows.to_pylist()
    change(rows)
    return Truth(pa.Table.from_pylist(rows, schema=TRUTH), truth.counts)


def test_a_dataset_that_is_as_the_truth_says(dataset: Path) -> None:
    truth = truth_by_dataset(dataset)
    found = compare_with_truth(dataset, truth)
    assert found.differences == ()
    assert found.is_same
    assert found.candidates == truth.rows.num_rows > 0
    assert found.summary() == (
        f"every one of the {found.candidates} candidates ended as the truth table says"
    )
    assert found.largest_score_errors["similarity"] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("reason", "aspect_ratio"), ("outcome", "dead_letter")],
)
def test_another_end_is_named(dataset: Path, name: str, value: str) -> None:
    truth = changed(truth_by_dataset(dataset), lambda rows: rows[0].update({name: value}))
    found = compare_with_truth(dataset, truth)
    assert not found.is_same
    first = found.differences[0]
    assert (first.what, first.field, first.wanted) == (truth.rows["sample_id"][0].as_py(), name, value)
    assert value in str(first)
    assert found.summary().startswith(f"1 of the {found.candidates} candidates did not end")


@pytest.mark.parametrize("name", ["content_sha256", "cluster_id", "width", "height"])
def test_other_facts_of_a_sample_are_named(dataset: Path, name: str) -> None:
    truth = truth_by_dataset(dataset)
    place = truth.rows["outcome"].to_pylist().index("kept")
    other: object = 7 if name in ("width", "height") else "ab" * 16
    found = compare_with_truth(dataset, changed(truth, lambda rows: rows[place].update({name: other})))
    assert [difference.field for difference in found.differences] == [name]


def test_a_candidate_that_is_missing_or_too_much_is_named(dataset: Path) -> None:
    def rename(rows: list[dict[str, Any]]) -> None:
        rows[0]["sample_id"] = "00" * 16

    found = compare_with_truth(dataset, changed(truth_by_dataset(dataset), rename))
    assert {(one.field, one.found == "missing") for one in found.differences} == {
        ("row", True),
        ("row", False),
    }


def test_another_count_is_named(dataset: Path) -> None:
    truth = truth_by_dataset(dataset)
    counts = Counter(truth.counts)
    counts["crawl", "dropped", "bad_json"] += 1
    (difference,) = compare_with_truth(dataset, Truth(truth.rows, counts)).differences
    assert difference.what == "crawl dropped bad_json"
    assert isinstance(difference.wanted, int)
    assert difference.wanted == truth.counts["crawl", "dropped", "bad_json"] + 1


def test_the_truth_survives_its_file(tmp_path: Path) -> None:
    counts: Counts = Counter({("crawl", "dropped", "no_alt"): 3, ("plan", "passed", ""): 1})
    end = End(
        sample_id="ab" * 16,
        url="http://a/1",
        text="one",
        kind="png",
        stage="download",
        outcome="failed",
        reason="http_4xx",
    )
    truth = truth_of([end], counts)
    write_truth(truth, tmp_path / "truth.parquet")
    read = read_truth(tmp_path / "truth.parquet")
    assert read.rows.equals(truth.rows)
    assert read.counts == counts
    assert read.totals() == {("failed", "http_4xx"): 1}
    assert read.by_id()["ab" * 16]["cluster_id"] is None
