"""The ledger file: what the walk counted, so that it can be walked again."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pairmill.dataset import roles
from pairmill.dataset.funnel import closing_rows
from pairmill.dataset.ledger_file import LEDGER_FILE, listed_objects, read_ledger, write_ledger
from pairmill.dataset.reader import Dataset
from pairmill.errors import CorruptObjectError
from pairmill_protos.common.v1.outcome_pb2 import Count, Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import (
    Cancel,
    LedgerRecord,
    ObjectRef,
    References,
    Stage,
    UnitDone,
    UnitFailed,
)
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options
from tests.fakes.dataset_world import make_world


def _no_lists(ref: ObjectRef) -> bytes:
    raise AssertionError(f"nothing is listed, {ref.key} was asked for")


def _done(outputs: References | None = None) -> LedgerRecord:
    return LedgerRecord(
        done=UnitDone(
            job_id="job",
            stage=Stage.STAGE_DOWNLOAD,
            unit_id="job/w0000/r0000/d00000",
            input_digest=b"d" * 16,
            attempt="0123abcd",
            rows_in=5,
            counts=[
                Count(outcome=Outcome.OUTCOME_PASSED, rows=3),
                Count(outcome=Outcome.OUTCOME_FAILED, reason=Reason.REASON_HTTP_4XX, rows=2),
            ],
            outputs=outputs,
        )
    )


def test_columns_say_what_the_record_says(tmp_path: Path) -> None:
    ref = ObjectRef(key="shards/a.tar", bytes=7, sha256=b"\1" * 32, rows=3, role="shard")
    record = _done(References(inline=[ref]))
    assert write_ledger(tmp_path / "ledger.parquet", [(4, record)], _no_lists) == 1
    (row,) = read_ledger(tmp_path / "ledger.parquet")
    assert (row.seq, row.kind, row.stage, row.attempt, row.rows_in) == (4, "done", "download", "0123abcd", 5)
    assert [(count.outcome, count.reason, count.rows) for count in row.counts] == [
        ("passed", "", 3),
        ("failed", "http_4xx", 2),
    ]
    (output,) = row.outputs
    assert (output.key, output.bytes, output.sha256, output.rows) == ("shards/a.tar", 7, "01" * 32, 3)
    assert row.record == record


def test_u17_unknown_numbers_are_carried_through(tmp_path: Path) -> None:
    record = _done()
    record.done.stage = 99  # type: ignore[assignment]  # a stage of a later version
    record.done.counts[1].reason = 9999  # type: ignore[assignment]  # a reason of a later version
    write_ledger(tmp_path / "ledger.parquet", [(0, record)], _no_lists)
    (row,) = read_ledger(tmp_path / "ledger.parquet")
    assert row.stage == "stage_99"
    assert row.counts[1].reason == "reason_9999"
    assert row.record == record


def test_u19_outputs_that_stand_in_a_list_are_written_out(tmp_path: Path) -> None:
    refs = [ObjectRef(key=f"shards/{number}.tar", sha256=b"\1" * 32) for number in range(70)]
    listed = ObjectRef(key="ledger/lists/x.binpb")
    data = References(inline=refs).SerializeToString()
    record = _done(References(listed=listed))
    write_ledger(tmp_path / "ledger.parquet", [(0, record)], lambda ref: data)
    (row,) = read_ledger(tmp_path / "ledger.parquet")
    assert len(row.outputs) == 70
    assert [ref.key for ref in listed_objects(row.record)] == ["ledger/lists/x.binpb"]


def test_failures_and_cancel_have_rows(tmp_path: Path) -> None:
    records = [(number, LedgerRecord(failed=_failed(str(number)))) for number in range(3)]
    records.append((3, LedgerRecord(cancel=Cancel(job_id="job"))))
    write_ledger(tmp_path / "ledger.parquet", records, _no_lists)
    rows = list(read_ledger(tmp_path / "ledger.parquet"))
    assert [row.kind for row in rows] == ["failed", "failed", "failed", "cancel"]
    assert rows[0].error == "E: e"
    assert [row.seq for row in closing_rows(rows)] == [2, 3]


def _failed(attempt: str) -> UnitFailed:
    return UnitFailed(
        job_id="job",
        stage=Stage.STAGE_EMBED,
        unit_id="job/w0000/x",
        input_digest=b"d" * 16,
        attempt=attempt,
        error_class="E",
        error="e",
        rows=8,
    )


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    records = [(number, _done()) for number in range(5000)]
    for name in ("one", "two"):
        write_ledger(tmp_path / name, iter(records), _no_lists)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert pq.ParquetFile(tmp_path / "one").metadata.num_row_groups > 1
    assert pq.read_schema(tmp_path / "one").names == LEDGER_FILE.names


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.parquet").write_bytes(b"PAR1 or so")
    with pytest.raises(CorruptObjectError):
        list(read_ledger(tmp_path / "ledger.parquet"))


def test_u13_candidates_of_dead_units_keep_their_rows(tmp_path: Path) -> None:
    options = Options(world=make_world(candidates=40), dead_stage=Stage.STAGE_DOWNLOAD)
    manifest = build_dataset(tmp_path, options)
    counted = {(row.stage, row.outcome): row.count for row in manifest.funnel}
    rows = [row for batch in Dataset.open(tmp_path).rows(roles.DEAD_LETTERS) for row in batch.to_pylist()]
    assert len(rows) == counted["dataset", "dead_letter"] > 0
    assert {row["sample_id"] for row in rows} <= {candidate.key for candidate in options.world}
    assert {(row["stage"], row["outcome"], row["detail"]) for row in rows} == {
        ("download", "dead_letter", "RuntimeError: it broke")
    }
    assert all(row["wat_file"] and row["text"] for row in rows)
