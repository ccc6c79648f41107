"""What a dataset says of single samples, of what was dropped, of itself."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pairmill.dataset import roles
from pairmill.dataset.reader import Dataset
from pairmill.reasons import outcome_name, reason_name
from pairmill_explorer.datasets.dropped import FORM
from pairmill_explorer.desk import SearchDesk
from pairmill_explorer.errors import BadRequestError, NotFoundError, RequestError, TooLargeError
from pairmill_explorer.open import Explorer
from pairmill_explorer.search.cursors import Origin, cursor_at, query_digest
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode
from pairmill_protos.explorer.v1.search_service_pb2 import (
    GetFunnelRequest,
    GetSamplesRequest,
    ListDatasetsRequest,
    ListDroppedRequest,
    ReportKind,
    ReportSampleRequest,
    SearchRequest,
)
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options
from tests.fakes.dataset_versions import build_repair
from tests.fakes.dataset_world import make_world
from tests.integration.explorer.conftest import exploring, indexed

SHOW = Filters(safe_mode=SafeMode.SAFE_MODE_SHOW)


@pytest.fixture
def desk(explorer: Explorer) -> SearchDesk:
    return explorer.search


def all_ids(desk: SearchDesk) -> list[str]:
    return [hit.sample.sample_id for hit in desk.search(SearchRequest(filters=SHOW, page_size=1000)).hits]


def rows_of(folder: Path, role: str) -> dict[str, dict[str, object]]:
    """Returns the rows of a role by their id."""
    rows = pa.Table.from_batches(list(Dataset.open(folder).rows(role))).to_pylist()
    return {str(row["sample_id"]): row for row in rows}


def dropped(desk: SearchDesk, reason: str = "", page_size: int = 7) -> list[tuple[str, str]]:
    """Returns id and reason of all that was dropped, page by page."""
    found: list[tuple[str, str]] = []
    request = ListDroppedRequest(reason=reason, page_size=page_size)
    while True:
        answer = desk.list_dropped(request)
        found += [(one.sample_id, one.reason) for one in answer.dropped]
        if not answer.next_cursor:
            return found
        request.cursor = answer.next_cursor


def test_a_sample_comes_with_every_column_of_data_and_of_its_shards_index(
    desk: SearchDesk, folder: Path
) -> None:
    data, index = rows_of(folder, roles.SAMPLES), rows_of(folder, roles.SHARD_INDEX)
    wanted = all_ids(desk)[:20]
    details = desk.get_samples(GetSamplesRequest(sample_ids=wanted)).samples
    assert [detail.sample.sample_id for detail in details] == wanted
    for detail in details:
        for fields, row in ((detail.fields, data), (detail.evidence, index)):
            stored = row[detail.sample.sample_id]
            assert [field.name for field in fields] == list(stored)
            assert [field.name for field in fields if field.null] == [
                n for n, v in stored.items() if v is None
            ]
        by_name = {field.name: field.value for field in detail.fields}
        assert by_name["TEXT"] == detail.sample.text
        assert float(by_name["punsafe"]) == pytest.approx(detail.sample.unsafe_score, rel=1e-6)


def test_samples_come_in_the_order_asked_for_without_those_unknown(desk: SearchDesk) -> None:
    ids = all_ids(desk)
    asked = [ids[5], "00" * 16, ids[2], ids[5], ids[9]]
    found = desk.get_samples(GetSamplesRequest(sample_ids=asked)).samples
    assert [detail.sample.sample_id for detail in found] == [ids[5], ids[2], ids[9]]
    assert not desk.get_samples(GetSamplesRequest()).samples


@pytest.mark.parametrize(
    ("ids", "field", "kind"),
    [(["x"], "sample_ids[0]", BadRequestError), (["00" * 16] * 1001, "sample_ids", TooLargeError)],
    ids=["no-id", "too-many"],
)
def test_bad_ids_name_their_field_h2(
    desk: SearchDesk, ids: list[str], field: str, kind: type[RequestError]
) -> None:
    with pytest.raises(kind) as caught:
        desk.get_samples(GetSamplesRequest(sample_ids=ids))
    assert caught.value.field == field


def test_a_file_that_is_gone_costs_its_columns_alone(tmp_path: Path) -> None:
    out = indexed(tmp_path, lambda out: build_dataset(out, Options(world=make_world(20))))
    with exploring(out, tmp_path / "own") as explorer:
        for path in [*out.glob("data/*/*.parquet"), *out.glob("shards/*.parquet")]:
            path.unlink()
        ids = all_ids(explorer.search)
        detail = explorer.search.get_samples(GetSamplesRequest(sample_ids=ids[:1])).samples[0]
    assert detail.sample.sample_id == ids[0]
    assert not detail.fields
    assert not detail.evidence


def test_the_funnel_is_the_manifests(desk: SearchDesk, folder: Path) -> None:
    lines = desk.get_funnel(GetFunnelRequest(dataset="demo")).lines
    rows = Dataset.open(folder).manifest.funnel
    assert [(line.stage, line.outcome, line.reason, line.count) for line in lines] == [
        (row.stage, row.outcome, row.reason, row.count) for row in rows
    ]


def test_what_was_dropped_adds_up_to_the_funnel(desk: SearchDesk) -> None:
    counts = desk.list_dropped(ListDroppedRequest(page_size=1)).counts
    found = dropped(desk)
    assert len(found) == len({sample_id for sample_id, _ in found})
    assert Counter(reason for _, reason in found) == {reason_name(one.reason): one.rows for one in counts}
    assert {outcome_name(one.outcome) for one in counts} == {"failed"}
    for one in counts:
        name = reason_name(one.reason)
        assert dropped(desk, name) == [pair for pair in found if pair[1] == name]


def test_a_repair_leaves_out_what_it_ran_again(tmp_path: Path) -> None:
    world = make_world(60)
    again = [replace(one, failure="", retries=0) for one in world if one.failure == "http_4xx"]
    assert again
    out = indexed(tmp_path, lambda out: build_repair(out, Options(world=world), again))
    with exploring(out, tmp_path / "own") as explorer:
        found = dropped(explorer.search)
        counts = explorer.search.list_dropped(ListDroppedRequest()).counts
    assert "http_4xx" not in {reason for _, reason in found}
    assert Counter(reason for _, reason in found) == {reason_name(one.reason): one.rows for one in counts}


def test_a_reason_that_there_is_not_is_refused_h2(desk: SearchDesk) -> None:
    with pytest.raises(BadRequestError) as caught:
        desk.list_dropped(ListDroppedRequest(reason="because"))
    assert caught.value.field == "reason"


@pytest.mark.parametrize(
    "position", ["x.y", "-1.0", "0.-1", "7", f"0.{9 * 10**30}", "0." + "9" * 18, "9" * 9 + ".0"]
)
def test_a_position_made_up_is_refused_or_goes_on_behind_it_h2(desk: SearchDesk, position: str) -> None:
    version = desk.datasets.get("").manifest().dataset.manifest.version
    request = ListDroppedRequest()
    origin = Origin(query=query_digest(request, "cursor", "page_size"), version=version)
    request.cursor = cursor_at(position, origin)
    if FORM.fullmatch(position):
        whole = {one.sample_id for one in desk.list_dropped(ListDroppedRequest()).dropped}
        assert {one.sample_id for one in desk.list_dropped(request).dropped} <= whole
        return
    with pytest.raises(BadRequestError) as caught:
        desk.list_dropped(request)
    assert caught.value.field == "cursor"


def test_a_dataset_says_what_it_is(desk: SearchDesk, folder: Path) -> None:
    (info,) = desk.list_datasets(ListDatasetsRequest()).datasets
    dataset = Dataset.open(folder)
    verdicts = Counter(row["verdict"] for row in rows_of(folder, roles.SAMPLES).values())
    assert (info.dataset, info.dataset_version, info.trouble) == ("demo", dataset.manifest.version, "")
    assert (info.samples, info.kept) == (len(all_ids(desk)), verdicts["kept"])
    assert (info.dimensions, info.can_encode, info.max_unsafe_score) == (16, False, 0.5)
    assert sum(index.vectors for index in info.indices if index.modality == 1) == info.samples


def test_a_dataset_that_is_not_served_is_not_found(desk: SearchDesk) -> None:
    with pytest.raises(NotFoundError, match="one of: demo"):
        desk.search(SearchRequest(dataset="other"))


def test_a_report_is_filed_beside_the_dataset(desk: SearchDesk, folder: Path) -> None:
    sample_id = all_ids(desk)[0]
    answer = desk.report_sample(
        ReportSampleRequest(
            sample_id=sample_id,
            kind=ReportKind.REPORT_KIND_PRIVACY,
            message="das bin ich </script>",
            contact="a@example",
        )
    )
    (path,) = folder.glob(f"reports/20260101T120000Z-{answer.report_id}.json")
    record = json.loads(path.read_text())
    assert (record["sample_id"], record["kind"], record["message"]) == (
        sample_id,
        "privacy",
        "das bin ich </script>",
    )
    assert record["url"] == rows_of(folder, roles.SAMPLES)[sample_id]["URL"]
    assert record["filed_at"] == "2026-01-01T12:00:00.000000Z"
    assert answer.filed_at.ToJsonString() == "2026-01-01T12:00:00Z"


@pytest.mark.parametrize(
    ("changes", "field", "kind"),
    [
        ({"kind": ReportKind.REPORT_KIND_UNSPECIFIED}, "kind", BadRequestError),
        ({"message": "x" * 2001}, "message", TooLargeError),
        ({"contact": "x" * 201}, "contact", TooLargeError),
        ({"sample_id": "00" * 16}, "sample_id", NotFoundError),
        ({"sample_id": "../../x"}, "sample_id", BadRequestError),
    ],
    ids=["no-kind", "long-message", "long-contact", "unknown", "no-id"],
)
def test_a_bad_report_files_nothing_h2(
    desk: SearchDesk, folder: Path, changes: dict[str, str], field: str, kind: type[RequestError]
) -> None:
    before = list(folder.glob("reports/*"))
    fields = {"sample_id": all_ids(desk)[0], "kind": ReportKind.REPORT_KIND_RIGHTS, **changes}
    with pytest.raises(kind) as caught:
        desk.report_sample(ReportSampleRequest(**fields))  # type: ignore[arg-type]  # fields by their names
    assert caught.value.field == field
    assert list(folder.glob("reports/*")) == before
