"""The facts of a report: counted from the data, sampled by hash, the same for the same dataset."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pairmill.dataset.ledger_file import LedgerCount, LedgerRow
from pairmill.dataset.reader import Dataset
from pairmill_gateway.report import collect_facts, render_report
from pairmill_gateway.report.distributions import SHOWN_BINS, Distributions, shown_histogram, thresholds_of
from pairmill_gateway.report.model import ReportFacts, Threshold
from pairmill_gateway.report.rate import MAX_STEPS, rate_of, step_of
from pairmill_gateway.report.sampling import HeavyCounter, SmallestByHash
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, Stage
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, small_spec
from tests.fakes.dataset_world import make_world

WORLD = make_world(candidates=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    build_dataset(folder, Options(world=WORLD))
    return folder


@pytest.fixture(scope="module")
def facts(folder: Path) -> ReportFacts:
    return collect_facts(Dataset.open(folder))


def test_counts_are_those_of_the_candidates(facts: ReportFacts) -> None:
    languages = Counter(one.language or "nolang" for one in WORLD)
    assert {share.name: share.candidates for share in facts.languages} == languages
    domains = Counter(one.domain for one in WORLD)
    assert {share.name: share.candidates for share in facts.domains} == domains
    assert facts.domains_counted == len(domains)
    downloaded = sum(not one.failure for one in WORLD)
    assert sum(share.downloaded for share in facts.domains) == downloaded
    kept = sum(row.count for row in facts.funnel if row.stage == "dataset" and row.outcome == "kept")
    assert sum(share.kept for share in facts.domains) == kept
    assert sum(share.kept for share in facts.languages) == kept


def test_histograms_hold_every_downloaded_sample(facts: ReportFacts) -> None:
    downloaded = [one for one in WORLD if not one.failure]
    by_name = {histogram.name: histogram for histogram in facts.histograms}
    unsafe = by_name["punsafe"]
    assert sum(unsafe.kept) + sum(unsafe.dropped) + unsafe.unknown == len(downloaded)
    assert by_name["similarity"].unknown == sum(one.scores.similarity is None for one in downloaded)
    assert [rule.value for rule in by_name["similarity"].thresholds] == [pytest.approx(0.2)]
    assert sum(sum(row) for row in facts.sizes.counts) == len(downloaded) if facts.sizes else False


def test_galleries_show_kept_and_dropped_samples_with_pictures(facts: ReportFacts) -> None:
    assert facts.kept
    assert all(sample.thumbnail and sample.thumbnail.startswith(b"\xff\xd8") for sample in facts.kept)
    assert all(sample.reason == "" for sample in facts.kept)
    assert {"low_similarity", "unsafe"} <= set(facts.dropped)
    assert all(sample.reason == reason for reason, found in facts.dropped.items() for sample in found)
    assert {"http_4xx", "not_an_image", "no_alt", "bad_scheme"} <= set(facts.lost)


def test_h6_unsafe_and_unknown_are_hidden(facts: ReportFacts) -> None:
    assert all(sample.hidden for sample in facts.dropped["unsafe"])
    assert not any(sample.hidden for sample in facts.kept)
    assert facts.unsafe_limit == 0.5


def test_the_facts_do_not_depend_on_attempts_or_order(facts: ReportFacts, tmp_path: Path) -> None:
    build_dataset(tmp_path, Options(world=WORLD, attempt_seed=9, shuffled=True))
    other = collect_facts(Dataset.open(tmp_path))
    for name in ("histograms", "sizes", "languages", "domains", "kept", "dropped", "lost", "funnel"):
        assert getattr(other, name) == getattr(facts, name), name


def test_the_page_of_a_real_dataset_is_rendered(facts: ReportFacts) -> None:
    page = render_report(facts)
    assert "complete" in page
    assert page.count('<figure class="card">') == len(facts.kept) + sum(map(len, facts.dropped.values()))


@pytest.mark.parametrize("stage", [Stage.STAGE_DOWNLOAD, Stage.STAGE_EMBED])
def test_dead_letters_are_shown(stage: Stage.ValueType, tmp_path: Path) -> None:
    build_dataset(tmp_path, Options(world=WORLD, dead_stage=stage))
    facts = collect_facts(Dataset.open(tmp_path))
    assert facts.state == "incomplete"
    assert facts.lost["dead_letter"][0].detail == "RuntimeError: it broke"


def test_a_cancelled_job_has_facts(tmp_path: Path) -> None:
    build_dataset(tmp_path, Options(world=WORLD, cancel_after=8))
    facts = collect_facts(Dataset.open(tmp_path))
    assert (facts.state, facts.kept, facts.histograms) == ("cancelled", (), ())
    render_report(facts)


def test_missing_bytes_leave_the_report_without_pictures(folder: Path, tmp_path: Path) -> None:
    build_dataset(tmp_path, Options(world=WORLD))
    for path in (tmp_path / "shards").glob("*.tar"):
        path.unlink()
    facts = collect_facts(Dataset.open(tmp_path))
    assert facts.kept
    assert all(sample.thumbnail is None for sample in facts.kept)


# Sampling


def test_the_smallest_hashes_are_kept_whatever_the_order() -> None:
    keys = list(range(1000))
    random.Random(1).shuffle(keys)
    sample: SmallestByHash[str] = SmallestByHash(5)
    for key in keys:
        sample.add(key, f"item {key}")
    assert list(sample.items()) == [f"item {key}" for key in range(5)]


def test_counting_names_is_bounded_and_exact_for_the_frequent_ones() -> None:
    counter = HeavyCounter(room=1000)
    for batch in range(50):
        names = Counter({f"rare-{batch}-{number}": 1 for number in range(100)})
        names["often"] = 40
        counter.update(names)
        assert len(counter.counts) <= 1100
    assert counter["often"] == 2000
    assert counter.forgotten > 0


# Distributions


@pytest.mark.parametrize("name", ["similarity", "punsafe", "AESTHETIC_SCORE"])
@pytest.mark.parametrize("spread", [0.001, 0.1, 0.9])
def test_histograms_lose_nothing_and_stay_readable(name: str, spread: float) -> None:
    draw = np.random.default_rng(1)
    kept, dropped = np.zeros(4000, dtype=np.int64), np.zeros(4000, dtype=np.int64)
    middle = 2400
    for place in draw.integers(int(middle - 1500 * spread), int(middle + 1500 * spread) + 1, 500):
        (kept if draw.random() < 0.5 else dropped)[place] += 1
    thresholds = (Threshold(value=0.25, label=""),)
    histogram = shown_histogram(name, kept, dropped, thresholds, unknown=0)
    assert sum(histogram.kept) == kept.sum()
    assert sum(histogram.dropped) == dropped.sum()
    assert len(histogram.kept) == len(histogram.dropped) <= SHOWN_BINS + 2
    assert histogram.low <= 0.25 <= histogram.high


def test_thresholds_of_languages_are_named() -> None:
    spec = small_spec()
    spec.score.min_similarity.clear()
    spec.score.min_similarity.update({"*": 0.25, "en": 0.5, "nolang": 0.25})
    found = [(threshold.label, threshold.value) for threshold in thresholds_of(spec, "similarity")]
    assert found == [("others", 0.25), ("nolang", 0.25), ("en", 0.5)]


def test_no_rows_give_no_pictures() -> None:
    distributions = Distributions()
    assert list(distributions.histograms(small_spec())) == []
    assert distributions.sizes() is None
    assert distributions.languages(5) == ()
    distributions.take_index(
        pa.table({name: pa.array([], pa.string()) for name in ("outcome", "language", "domain")})
    )
    assert distributions.domains(5) == ()


# Rate


def _unit(stage: str, start: float, seconds: float, rows: int) -> LedgerRow:
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=start)
    return LedgerRow(
        seq=0,
        unit_id="u",
        stage=stage,
        kind="done",
        attempt="",
        input_digest=b"",
        rows_in=rows,
        counts=(
            LedgerCount(outcome="passed", reason="", rows=rows),
            LedgerCount(outcome="handed_on", reason="http_5xx", rows=99),
        ),
        outputs=(),
        error="",
        started_at=began,
        finished_at=began + timedelta(seconds=seconds),
        record=LedgerRecord(),
    )


def test_rows_are_spread_over_the_time_that_they_took() -> None:
    rows = [_unit("download", 0, 10, 100), _unit("download", 5, 0, 7), _unit("embed", 10, 5, 50)]
    rate = rate_of(lambda: rows)
    assert rate is not None
    assert rate.step_seconds == 1
    assert sum(rate.downloads) == pytest.approx(107)
    assert sum(rate.embedded) == pytest.approx(50)
    assert rate.downloads[0] == pytest.approx(10)
    assert rate.downloads[5] == pytest.approx(17)
    assert rate.embedded[10] == pytest.approx(10)
    assert sum(rate.downloads[11:]) == 0


def test_without_times_there_is_no_rate() -> None:
    assert rate_of(list) is None
    assert rate_of(lambda: [_unit("crawl", 0, 1, 5)]) is None


@pytest.mark.parametrize("seconds", [1, 60, 119, 3600, 86_400, 30 * 86_400])
def test_steps_are_round_and_few(seconds: float) -> None:
    assert seconds / step_of(seconds) <= MAX_STEPS
