"""What is worth another try: what failed for a reason that may heal, as the latest version has it (U16)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pairmill.dataset.reader import Dataset
from pairmill.dataset.retriable import RETRIABLE_REASONS, retriable_rows
from pairmill.ids import bucket_of
from pairmill.schemas import DOWNLOAD_ROWS
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options
from tests.fakes.dataset_versions import build_repair
from tests.fakes.dataset_world import make_world

WORLD = make_world(candidates=50, seed=3)
BROKEN = frozenset({"http_4xx"})


def _rows(folder: Path, reasons: frozenset[str] = RETRIABLE_REASONS, *, failed: bool = True) -> pa.Table:
    tables = list(retriable_rows(Dataset.open(folder), reasons, failed=failed))
    return pa.concat_tables([DOWNLOAD_ROWS.empty_table(), *tables])


def _keys(table: pa.Table) -> set[str]:
    return {value.hex() for value in table.column("sample_id").to_pylist() if value is not None}


def test_rows_are_those_of_the_reasons_with_all_they_came_with(tmp_path: Path) -> None:
    build_dataset(tmp_path, Options(world=WORLD))
    table = _rows(tmp_path, BROKEN)
    failed = {one.key: one for one in WORLD if one.failure in BROKEN}
    assert _keys(table) == set(failed)
    assert table.schema.equals(DOWNLOAD_ROWS)
    for row in table.to_pylist():
        candidate = failed[row["sample_id"].hex()]
        assert (row["url"], row["text"]) == (candidate.url, candidate.text)
        assert row["bucket"] == bucket_of(row["domain"])
        assert (row["attempts_used"], row["retry_round"], row["last_reason"]) == (0, 0, None)
        assert row["page_url"]
        assert row["wat_index"] == candidate.wat


def test_what_cannot_heal_is_left_alone(tmp_path: Path) -> None:
    build_dataset(tmp_path, Options(world=WORLD))
    assert not len(_rows(tmp_path))


def test_what_a_repair_healed_is_not_tried_again(tmp_path: Path) -> None:
    failed = [one for one in WORLD if one.failure in BROKEN]
    again = [replace(one, failure="", retries=0) for one in failed[:-1]] + failed[-1:]
    build_repair(tmp_path, Options(world=WORLD), again)
    assert _keys(_rows(tmp_path, BROKEN)) == {failed[-1].key}


def test_dead_letters_are_tried_again_whatever_the_reasons(tmp_path: Path) -> None:
    for stage in (Stage.STAGE_DOWNLOAD, Stage.STAGE_SCORE):
        folder = tmp_path / str(stage)
        build_dataset(folder, Options(world=WORLD, dead_stage=stage))
        dead = {
            identifier
            for batch in Dataset.open(folder).rows("dead_letters", ["sample_id"])
            for identifier in batch.column("sample_id").to_pylist()
        }
        assert dead
        table = _rows(folder, frozenset(), failed=False)
        assert _keys(table) == dead
        assert all(table.column("host").to_pylist())
        assert _keys(_rows(folder, BROKEN)) > dead
