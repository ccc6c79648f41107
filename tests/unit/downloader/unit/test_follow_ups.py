"""Names and times of the units that follow (U9)."""

from __future__ import annotations

import pytest

from pairmill.ledger.paths import ancestors
from pairmill.units import flat_name
from pairmill_downloader.follow_ups import (
    deadline_seconds,
    has_lost_patience,
    put_off_task,
    retry_task,
    times_put_off,
)
from pairmill_protos.job.v1.job_pb2 import DownloadRules
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef
from tests.fakes.download import UNIT, download_task

REST = ObjectRef(key="steps/rest/x.parquet", sha256=b"r" * 32)
RULES = DownloadRules(unit_deadline_seconds=600.0)


@pytest.mark.parametrize(
    ("unit_id", "times"),
    [
        (UNIT, 0),
        (f"{UNIT}.d1", 1),
        (f"{UNIT}.d1.r1", 1),
        (f"{UNIT}.d1.r1.d2.d2", 2),
        (f"{UNIT}.r1.d1.d2", 2),
        (f"{UNIT}.d12.r3", 12),
    ],
)
def test_an_id_says_how_often_its_rows_were_put_off(unit_id: str, times: int) -> None:
    assert times_put_off(unit_id) == times


def test_ids_append_and_name_their_parent() -> None:
    task = download_task(REST)
    put_off = put_off_task(task, REST, 0, 3, cut_off=False)
    cut_off = put_off_task(put_off, REST, 0, 3, cut_off=True)
    retried = retry_task(cut_off, REST, 1, 2)
    assert retried.unit_id == f"{UNIT}.d1.d1.r1"
    assert next(ancestors(retried.unit_id)) == cut_off.unit_id
    assert retried.input.download.retry_round == 1
    assert retried.input_digest != cut_off.input_digest


def test_ids_stay_short_however_slow_a_host_is() -> None:
    """A host that is asked every 30 s, with as many rows as a unit holds of a fast one."""
    task, rows = download_task(REST), 1200
    while rows > 0:
        rows -= max(1, int(deadline_seconds(task.unit_id, RULES) / 30))
        task = put_off_task(task, REST, 0, max(rows, 0), cut_off=False)
    assert len(flat_name(task.unit_id)) < 150


def test_patience_is_counted_in_the_time_of_units() -> None:
    rules = DownloadRules(unit_deadline_seconds=600.0, patience_seconds=1500.0)
    lost = [has_lost_patience(f"{UNIT}{suffix}", rules) for suffix in ("", ".d1", ".d1.d2")]
    assert lost == [False, False, True]
    assert not has_lost_patience(f"{UNIT}.d99", RULES)
