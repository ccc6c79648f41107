from __future__ import annotations

import random
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.errors import CorruptObjectError, CutOffError, InvalidRecordError, RetriableError
from pairmill.ids import bucket_of, url_id
from pairmill.placement.place import part_bucket
from pairmill.schemas import DOWNLOAD_ROWS
from pairmill.units import first_bucket_of_range, range_of_bucket, task_partition
from pairmill_planner.config import PlannerConfig
from pairmill_planner.handler import PlanHandler
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules, JobSpec, PlanRules
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.unit.arrays.memory_store import MemoryStore
from tests.unit.planner.waves import Planner, Row, link, naive_plan

DOMAINS = [f"d{number}.test" for number in range(6)]


def job(*, delay: float = 1.0, **plan: Any) -> JobSpec:
    rules: dict[str, Any] = {"ranges": 1, "captions_per_url": 3, "unit_rows": 8, "unit_seconds": 3} | plan
    return JobSpec(job_id="j1", plan=PlanRules(**rules), download=DownloadRules(host_delay_seconds=delay))


links = st.builds(
    link,
    st.sampled_from(DOMAINS),
    st.integers(0, 4),
    st.sampled_from("abcdef"),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
)
waves = st.lists(st.lists(links, max_size=60), min_size=1, max_size=3)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    waves=waves,
    ranges=st.integers(1, 4),
    sample_rate=st.none() | st.floats(0.1, 1.0),
    limit=st.none() | st.integers(1, 20),
    excluded=st.sets(st.sampled_from([url_id(f"https://img.{domain}/1.jpg") for domain in DOMAINS])),
)
def test_plans_over_waves_equal_those_made_one_link_at_a_time(
    waves: list[list[Row]],
    ranges: int,
    sample_rate: float | None,
    limit: int | None,
    excluded: set[bytes],
) -> None:
    spec = job(ranges=ranges, sample_rate=sample_rate, limit_per_range=limit)
    assert_plans_of(waves, spec, excluded)


@pytest.mark.parametrize("seed", range(4))
def test_plans_over_crowded_waves_equal_those_made_one_link_at_a_time(seed: int) -> None:
    """Few URLs with many texts and copies, so that every rule decides about many links."""
    source = random.Random(seed)
    draw = source.randrange
    waves = [
        [
            link(
                source.choice(DOMAINS[:3]),
                draw(4 + 8 * wave),
                source.choice("abcdef"),
                draw(3),
                draw(3),
                draw(3),
            )
            for _ in range(250)
        ]
        for wave in range(2)
    ]
    spec = job(ranges=2, sample_rate=0.8, limit_per_range=18)
    tally = assert_plans_of(
        waves, spec, {url_id("https://img.d0.test/1.jpg"), url_id("https://img.d1.test/9.jpg")}
    )
    assert {Reason.Name(reason) for _, reason in tally} == {  # type: ignore[arg-type] # an enum's number
        "REASON_UNSPECIFIED",
        "REASON_DUPLICATE_SAMPLE",
        "REASON_SEEN_BEFORE",
        "REASON_EXCLUDED_URL",
        "REASON_TOO_MANY_CAPTIONS",
        "REASON_NOT_SAMPLED",
        "REASON_OVER_LIMIT",
    }


def assert_plans_of(waves: list[list[Row]], spec: JobSpec, excluded: set[bytes]) -> Counter[tuple[int, int]]:
    """Every range of every wave is planned as the naive plan has it; returns the tally of all."""
    ranges, total = spec.plan.ranges, Counter[tuple[int, int]]()
    seen: dict[int, set[bytes]] = {index: set() for index in range(ranges)}
    with tempfile.TemporaryDirectory() as folder:
        planner = Planner(spec, Path(folder), config=PlannerConfig(whole_file_bytes=0))
        planner.store.put("exclusion", b"".join(sorted(excluded)))
        ref = planner.store.refer("exclusion", rows=len(excluded), role="exclusion")
        spec.plan.exclusion_list.CopyFrom(ref)
        for wave, rows in enumerate(waves):
            refs = planner.put_wave(
                wave, [[row for row in rows if row["wat_index"] == wat] for wat in range(4)]
            )
            for index in range(ranges):
                mine = [row for row in rows if range_of_bucket(row["bucket"], ranges) == index]
                expected, tally = naive_plan(mine, spec, seen[index], excluded)
                result = planner.plan(wave, index, refs)
                units = planner.units(result)
                assert {key: count for key, count in result.tally.items() if count} == tally
                assert result.rows_in == len(mine)
                assert_plan(units, expected, spec)
                seen[index] |= {row["url_id"] for row in expected}
                total += tally
    return total


def assert_plan(units: list[list[Row]], expected: list[Row], spec: JobSpec) -> None:
    """The candidates are those expected, in units that keep the rules."""
    counters = {"attempts_used": 0, "retry_round": 0, "retry_after_rounds": 0, "last_reason": None}
    found = sorted((row for unit in units for row in unit), key=lambda row: (row["url_id"], row["sample_id"]))
    assert found == [row | counters for row in expected]
    admitted = int(spec.plan.unit_seconds / spec.download.host_delay_seconds)
    for unit in units:
        assert 0 < len(unit) <= spec.plan.unit_rows
        assert unit == sorted(unit, key=lambda row: (row["url_id"], row["sample_id"]))
        urls = Counter(domain for domain, _ in {(row["domain"], row["url_id"]) for row in unit})
        assert all(count <= admitted for count in urls.values())
    together = [(row["url_id"], number) for number, unit in enumerate(units) for row in unit]
    assert len({url for url, _ in together}) == len(set(together))  # the texts of a URL stand in one unit


def a_wave(size: int = 400) -> list[list[Row]]:
    source = random.Random(7)
    rows = [
        link(source.choice(DOMAINS), source.randrange(80), source.choice("abcdef"), wat, offset)
        for wat in range(5)
        for offset in range(size // 5)
    ]
    return [[row for row in rows if row["wat_index"] == wat] for wat in range(5)]


def test_a10_the_order_of_files_and_of_threads_does_not_matter(tmp_path: Path) -> None:
    planner = Planner(job(ranges=2), tmp_path)
    refs = planner.put_wave(0, a_wave())
    handler = PlanHandler(PlannerConfig())
    shuffled = [random.Random(seed).sample(refs, len(refs)) for seed in range(4)]
    contexts = [planner.context(0, index, order) for order in [refs, *shuffled] for index in (0, 1)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(handler.handle, contexts))
    for index in (0, 1):
        mine = results[index::2]
        assert all(planner.units(result) == planner.units(mine[0]) for result in mine)
        assert all(result.tally == mine[0].tally for result in mine)
        plans = {planner.store.objects[result.outputs[0].key] for result in mine}
        assert len(plans) == 1  # not even the bytes differ
        assert len({result.outputs[0].key for result in mine}) == len(mine)  # names do: U4


def test_download_units_are_named_and_routed_by_their_range(tmp_path: Path) -> None:
    spec = job(ranges=4)
    planner = Planner(spec, tmp_path)
    refs = planner.put_wave(0, a_wave())
    for index in range(4):
        result = planner.plan(0, index, refs)
        for number, task in enumerate(result.follow_ups):
            download = task.input.download
            assert task.stage == Stage.STAGE_DOWNLOAD
            assert task.unit_id == f"j1/w0000/r{index:04d}/d{number:05d}"
            assert (download.row_group, download.retry_round, download.waits) == (number, 0, False)
            assert download.first_bucket == first_bucket_of_range(index, 4)
            assert task.rows == len(planner.units(result)[number])
            assert download.rows == result.outputs[0]
            # One partition per range, however many there are: one owner per host (U10).
            assert task_partition(task, 48, 4) == index * 12


def test_a_range_reads_its_row_groups_alone(tmp_path: Path) -> None:
    planner = Planner(job(ranges=64), tmp_path, config=PlannerConfig(whole_file_bytes=0))
    rows = [link(f"s{number}.test", number, "text " * 40, 0, number) for number in range(8000)]
    refs = planner.put_wave(0, [rows])
    result = planner.plan(0, 5, refs)
    assert result.rows_in == sum(range_of_bucket(row["bucket"], 64) == 5 for row in rows) > 50
    assert planner.store.range_bytes < 0.6 * refs[0].bytes


def test_more_than_64_files_and_runs_come_by_a_list(tmp_path: Path) -> None:
    planner = Planner(job(), tmp_path)
    files = [[link(DOMAINS[wat % 6], wat, "a", wat, 0)] for wat in range(70)]
    result = planner.plan(0, 0, planner.put_wave(0, files))
    assert result.tally == {(Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED): 70}


def test_a_very_large_domain_is_split_by_url(tmp_path: Path) -> None:
    spec = job(ranges=8, unit_rows=100, unit_seconds=40, very_large_domains={"d0.test": 4})
    planner = Planner(spec, tmp_path)
    own = range_of_bucket(bucket_of("d0.test"), 8)
    near = next(
        name for name in (f"n{k}.test" for k in range(999)) if range_of_bucket(bucket_of(name), 8) == own
    )
    rows = [link("d0.test", number, text, 0, number) for number in range(200) for text in "ab"]
    rows += [link(near, number, "a", 0, number) for number in range(30)]
    result = planner.plan(0, own, planner.put_wave(0, [rows]))
    units = planner.units(result)
    assert sum(len(unit) for unit in units) == 430
    homes = {part_bucket("d0.test", part, 4) for part in range(4)}
    for task, unit in zip(result.follow_ups, units, strict=True):
        assert {row["bucket"] for row in unit if row["domain"] == "d0.test"} <= homes
        home = range_of_bucket(unit[0]["bucket"], 8)
        assert task.input.download.first_bucket == first_bucket_of_range(home, 8)
        assert all(range_of_bucket(row["bucket"], 8) == home for row in unit)
        assert (
            len({row["url_id"] for row in unit if row["domain"] == "d0.test"}) <= 10
        )  # a quarter of the rate
        assert home == own or all(row["domain"] == "d0.test" for row in unit)


def test_a_wave_without_links_leaves_the_seen_index_as_it_is(tmp_path: Path) -> None:
    planner = Planner(job(), tmp_path)
    planner.plan(0, 0, planner.put_wave(0, a_wave()))
    before = planner.seen[0]
    result = planner.plan(1, 0, planner.put_wave(1, [[]]))
    assert list(result.outputs) == before
    assert result.follow_ups == []
    assert result.rows_in == 0


def test_the_plan_declares_the_columns_of_download_rows(tmp_path: Path) -> None:
    planner = Planner(job(), tmp_path)
    result = planner.plan(0, 0, planner.put_wave(0, a_wave()))
    assert list(planner.units(result)[0][0]) == DOWNLOAD_ROWS.names
    assert result.outputs[0].role == "plan"
    assert result.outputs[0].key.startswith("steps/plan/j1.w0000.r0000-")
    assert all(ref.key.startswith("steps/seen/j1.w0000.r0000-") for ref in planner.seen[0])


@pytest.mark.parametrize("whole", [0, 10**9], ids=["by range", "whole"])
def test_g4_a_flipped_bit_in_a_candidate_file_is_noticed(tmp_path: Path, whole: int) -> None:
    planner = Planner(job(ranges=2), tmp_path, config=PlannerConfig(whole_file_bytes=whole))
    refs = planner.put_wave(0, a_wave())
    data = bytearray(planner.store.objects[refs[0].key])
    data[60] ^= 1
    planner.store.objects[refs[0].key] = bytes(data)
    first = min(range_of_bucket(bucket_of(domain), 2) for domain in DOMAINS)
    with pytest.raises(CorruptObjectError):
        planner.plan(0, first, refs)


def test_a3_a_plan_that_is_cut_off_is_delivered_again(tmp_path: Path) -> None:
    planner = Planner(job(), tmp_path)
    context = planner.context(0, 0, planner.put_wave(0, a_wave()))
    context.cut_off.set()
    with pytest.raises(CutOffError):
        PlanHandler(PlannerConfig()).handle(context)


class StoreThatIsAway(MemoryStore):
    def get_range(self, key: str, start: int, length: int) -> bytes:
        raise RetriableError("away")


def test_g2_a_store_that_is_away_is_no_fault_of_the_unit(tmp_path: Path) -> None:
    away = StoreThatIsAway()
    planner = Planner(job(ranges=2), tmp_path, store=away, config=PlannerConfig(whole_file_bytes=0))
    with pytest.raises(RetriableError):
        planner.plan(0, 0, planner.put_wave(0, a_wave()))


@pytest.mark.parametrize("data", [b"x" * 17, b"b" * 16 + b"a" * 16], ids=["size", "order"])
def test_an_exclusion_list_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    planner = Planner(job(), tmp_path)
    planner.store.put("exclusion", data)
    planner.spec.plan.exclusion_list.CopyFrom(planner.store.refer("exclusion", rows=1, role="exclusion"))
    with pytest.raises(InvalidRecordError):
        planner.plan(0, 0, planner.put_wave(0, a_wave()))


def test_the_self_test_passes() -> None:
    PlanHandler(PlannerConfig()).self_test()
