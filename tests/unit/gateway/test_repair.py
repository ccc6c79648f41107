"""Candidates that run again are cut into units as a planner would cut them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.ids import bucket_of, sample_id, url_id
from pairmill.schemas import DOWNLOAD_ROWS
from pairmill.store.directory import DirectoryStore
from pairmill.units import first_bucket_of_range, input_digest, range_of_bucket
from pairmill_gateway.repair import RepairPlan, plan_repair
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import FollowUps, UnitTask
from tests.fakes.dataset_options import small_spec


def _table(rows: int, hosts: int = 9) -> pa.Table:
    made = []
    for number in range(rows):
        host = f"h{number % hosts}.example.org"
        url, text = f"https://{host}/{number // 2}.jpg", f"text {number}"
        row = dict.fromkeys(DOWNLOAD_ROWS.names) | {
            "sample_id": sample_id(url, text),
            "url_id": url_id(url),
            "url": url,
            "text": text,
            "host": host,
            "domain": host,
            "bucket": bucket_of(host),
            "wat_index": 0,
            "wat_offset": number,
            "link_index": 0,
            "attempts_used": 0,
            "retry_round": 0,
            "retry_after_rounds": 0,
        }
        made.append(row)
    return pa.Table.from_pylist(made, schema=DOWNLOAD_ROWS)


def _spec() -> JobSpec:
    spec = small_spec()
    spec.plan.ranges = 4
    spec.plan.unit_rows = 10
    return spec


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


def _plan(tables: list[pa.Table], store: DirectoryStore, scratch: Path, spec: JobSpec) -> RepairPlan:
    scratch.mkdir()
    plan = plan_repair(tables, spec, store, scratch)
    assert plan is not None
    return plan


def _tasks(plan: RepairPlan, store: DirectoryStore) -> list[UnitTask]:
    return list(FollowUps.FromString(store.get(plan.tasks.key, sha256=plan.tasks.sha256)).inline)


def test_every_candidate_is_in_one_unit_of_its_range(store: DirectoryStore, tmp_path: Path) -> None:
    table, spec = _table(120), _spec()
    plan = _plan([table.slice(0, 50), table.slice(50)], store, tmp_path / "scratch", spec)
    tasks = _tasks(plan, store)
    assert plan.rows == sum(task.rows for task in tasks) == 120
    path = tmp_path / "rows.parquet"
    rows = tasks[0].input.download.rows
    store.fetch(rows.key, path, sha256=rows.sha256)
    seen: list[bytes] = []
    with pq.ParquetFile(path) as file:
        for task in tasks:
            group = file.read_row_group(task.input.download.row_group)
            assert len(group) == task.rows <= spec.plan.unit_rows
            ids = [value for value in group.column("url_id").to_pylist() if value is not None]
            assert ids == sorted(ids)
            index = int(task.unit_id.split("/")[1].removeprefix("r"))
            buckets = [range_of_bucket(int(bucket), 4) for bucket in group.column("bucket").to_numpy()]
            assert set(buckets) == {index}
            assert task.input.download.first_bucket == first_bucket_of_range(index, 4)
            assert task.input_digest == input_digest(task.input)
            seen += [value for value in group.column("sample_id").to_pylist() if value is not None]
    assert len(seen) == len(set(seen))
    assert set(seen) == set(table.column("sample_id").to_pylist())


def test_the_same_candidates_make_the_same_names_in_whatever_order(
    store: DirectoryStore, tmp_path: Path
) -> None:
    table = _table(60)
    first = _plan([table], store, tmp_path / "one", _spec())
    again = _plan([table.slice(30), table.slice(0, 30)], store, tmp_path / "two", _spec())
    assert first == again


def test_no_unit_holds_more_of_a_host_than_its_rate_admits(store: DirectoryStore, tmp_path: Path) -> None:
    spec = _spec()
    spec.plan.unit_seconds, spec.download.host_delay_seconds = 3, 1.0
    plan = _plan([_table(40, hosts=1)], store, tmp_path / "scratch", spec)
    assert all(task.rows <= 2 * 3 for task in _tasks(plan, store))  # 3 addresses with 2 texts each


def test_without_candidates_nothing_is_stored(store: DirectoryStore, tmp_path: Path) -> None:
    assert plan_repair([], _spec(), store, tmp_path) is None
    assert list(store.list("")) == []
