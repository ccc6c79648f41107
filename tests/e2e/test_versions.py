"""New versions of a finished dataset: other thresholds, another try."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pairmill.dataset.reader import Dataset
from tests.e2e.command import pairmill, succeed
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import Served, end_of, started


@pytest.fixture
def copy(undisturbed: Undisturbed, tmp_path: Path) -> Path:
    target = tmp_path / "copy"
    shutil.copytree(undisturbed.out, target)
    return target


def _verdicts(folder: Path) -> dict[str, tuple[str, str]]:
    return {
        row["sample_id"]: (row["verdict"], row["reason"])
        for batch in Dataset.open(folder).samples(["sample_id", "verdict", "reason"])
        for row in batch.to_pylist()
    }


def test_refilter_cuts_other_thresholds_in_seconds_and_asks_no_host(copy: Path) -> None:
    """No web is up and no bundle is given: there is nobody to ask."""
    before = Dataset.open(copy).manifest
    samples = [
        row
        for batch in Dataset.open(copy).samples(["sample_id", "similarity", "verdict"])
        for row in batch.to_pylist()
    ]
    similarities = sorted(row["similarity"] for row in samples if row["verdict"] == "kept")
    threshold = similarities[len(similarities) // 2]
    start = time.monotonic()
    ended = pairmill("refilter", copy, *_thresholds(copy, threshold))
    assert time.monotonic() - start < 30
    assert ended.code == 1, ended.err  # as incomplete as its base: one WAT of the world ends early
    after = _verdicts(copy)
    assert Dataset.open(copy).manifest.version != before.version
    for row in samples:
        if row["verdict"] == "kept":
            expected = row["similarity"] >= threshold
            assert (after[row["sample_id"]][0] == "kept") == expected
    assert pairmill("audit", copy).code == 0
    assert pairmill("audit", copy, "--version", _job(before.job)).code == 0


def _thresholds(folder: Path, threshold: float) -> list[str]:
    rules = Dataset.open(folder).manifest.job["score"]["min_similarity"]
    return [text for language in rules for text in ("--set", f"score.min_similarity.{language}={threshold}")]


def _job(job: Mapping[str, Any]) -> str:
    return str(job["job_id"])


def test_refilter_with_the_same_thresholds_changes_nothing(copy: Path) -> None:
    rules = Dataset.open(copy).manifest.job["score"]["min_similarity"]
    settings = [
        text for name, value in rules.items() for text in ("--set", f"score.min_similarity.{name}={value}")
    ]
    ended = succeed("refilter", copy, *settings, "--json")
    assert ended.json()["state"] == "unchanged"


def test_retry_failed_makes_the_dataset_of_a_web_that_was_well_from_the_start(
    served: Served, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """A first run that gives up at once misses what only later answers well; the retry brings it."""
    hasty = {"download.retry_delay_seconds": ""}
    order = served.order(tmp_path / "out", settings={**served.prepared.settings, **hasty})
    with started(order) as process:
        end_of(process)
    before = _verdicts(tmp_path / "out")
    routes = served.downloader_env["PAIRMILL_CONNECT_TO"].split(",")
    options = [text for route in routes for text in ("--connect-to", route)]
    for _ in range(3):
        ended = pairmill("retry-failed", tmp_path / "out", "--allow-network", "127.0.0.0/8", *options)
        assert ended.code in (0, 1), ended.err
    after = _verdicts(tmp_path / "out")
    assert before.keys() < after.keys()
    assert after == _verdicts(undisturbed.out)
    assert pairmill("audit", tmp_path / "out").code == 0
