"""The services as JSON over HTTP."""

from __future__ import annotations

import json

import grpc
import pytest

from pairmill.errors import CorruptObjectError, NoSpaceError, RetriableError
from pairmill.rpc.callers import Role
from pairmill_explorer.rpc.methods import METHODS, WATCH_EXPORT
from pairmill_protos.explorer.v1.search_pb2 import Modality
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest
from pairmill_protos.explorer.v1.subset_service_pb2 import ExportState, WatchExportRequest
from pairmill_protos.explorer.v1.subset_service_pb2_grpc import SubsetServiceStub
from tests.fakes.explorer_served import Explored

CALLS = {name.rpartition(".")[2]: method for name, method in METHODS.items() if name != WATCH_EXPORT}
SEARCH = "SearchService/Search"


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_answered(one: Explored, name: str) -> None:
    answer = one.call(name, {}, caller="admin")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(answer.json, dict)
    assert one.measured("pairmill_http_requests_total", route=name, status="200") == 1.0


@pytest.mark.parametrize("name", CALLS)
def test_h3_every_call_asks_for_a_token_and_for_its_role(one: Explored, name: str) -> None:
    assert one.call(name, {}).status == 401
    assert one.call(name, {}, Authorization="Bearer pmt_wrong").status == 401
    needed = CALLS[name].role
    assert needed is not None
    for role in Role:
        status = one.call(name, {}, caller=role.name.lower()).status
        assert status == (200 if role >= needed else 403), role


def test_a_request_is_read_by_the_names_of_the_schemas(local: Explored) -> None:
    request = {
        "dataset": "demo",
        "parts": [{"text": "x", "weight": -0.5}, {"image": "//8="}, {"vector": {"values": [1, 2.5]}}],
        "modality": "MODALITY_TEXT",
        "filters": {"languages": ["en"], "similarity": {"min": 0.3}, "safe_mode": "SAFE_MODE_BLUR"},
        "page_size": 2,
    }
    answer = local.call(SEARCH, request)
    (asked,) = local.desk.asked
    assert isinstance(asked, SearchRequest)
    assert asked.parts[0].weight == -0.5
    assert asked.parts[1].image == b"\xff\xff"
    assert [*asked.parts[2].vector.values] == [1.0, 2.5]
    assert asked.modality == Modality.MODALITY_TEXT
    assert asked.filters.similarity.min == 0.3
    assert not asked.filters.similarity.HasField("max")
    assert [hit["sample"]["sample_id"] for hit in answer.json["hits"]] == [f"{n:032x}" for n in range(2)]
    assert answer.json["matching"] == str(2**40)  # as proto3 JSON writes what JavaScript would round


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "request"),
        (b"[]", "request"),
        (b"[" * 100_000, "request"),
        (b'{"parts": ' + b'[{"parts": ' * 200, "request"),
        (b'{"page": 1}', "page"),
        (b'{"page_size": "many"}', "page_size"),
        (b'{"page_size": 1e12}', "page_size"),
        (b'{"page_size": 0}', "page_size"),
        (b'{"parts": [{"text": "a"}, {"word": "b"}]}', "parts[1].word"),
        (b'{"parts": [{"text": "a", "image": "bb"}]}', "parts[0]"),
        (b'{"filters": {"similarity": {"min": "low"}}}', "filters.similarity.min"),
        (b'{"modality": "SOUND"}', "modality"),
        (b'{"dataset": "\\ud800"}', "request"),
        (b"\xff\xfe", "request"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_h2_a_body_that_is_no_request_is_refused_with_the_field(
    one: Explored, body: bytes, field: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = one.ask("POST", f"/api/v1/{SEARCH}", body, caller="read", headers=headers)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_ARGUMENT")
    assert [violation["field"] for violation in answer.json["violations"]] == [field]


def test_h2_too_much_is_refused_and_the_server_lives(laptop: Explored) -> None:
    headers = {"Content-Type": "application/json"}
    small = json.dumps({"dataset": "x" * 200_000}).encode()
    answer = laptop.ask("POST", "/api/v1/SearchService/GetFunnel", small, headers=headers)
    assert (answer.status, answer.json["code"]) == (413, "RESOURCE_EXHAUSTED")
    answer = laptop.call(SEARCH, {"page_size": 10**9})
    assert (answer.status, answer.json["violations"][0]["field"]) == (413, "page_size")
    assert laptop.call(SEARCH, {}).status == 200


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RetriableError("away"), 503, "UNAVAILABLE"),
        (NoSpaceError("full"), 507, "RESOURCE_EXHAUSTED"),
        (CorruptObjectError("spoilt"), 500, "DATA_LOSS"),
        (KeyError("secret"), 500, "INTERNAL"),
    ],
    ids=str,
)
def test_what_goes_wrong_has_a_status_and_no_secret(
    local: Explored, error: Exception, status: int, code: str
) -> None:
    def fail() -> None:
        raise error

    local.desk.before_answer = fail
    answer = local.call(SEARCH, {})
    assert (answer.status, answer.json["code"]) == (status, code)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert "secret" not in answer.json["message"]
    assert answer.headers["X-Request-Id"]


def test_a_dataset_that_is_not_there_is_named(laptop: Explored) -> None:
    answer = laptop.call("SearchService/GetFunnel", {"dataset": "other"})
    assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND")
    assert answer.json["violations"][0]["field"] == "dataset"


def test_what_there_is_no_address_for_is_said_as_json(laptop: Explored) -> None:
    for verb, path, status in (
        ("GET", "/nothing", 404),
        ("POST", "/api/v1/SearchService/DropTables", 404),
        ("POST", f"/api/v1/{WATCH_EXPORT.rpartition('.')[2]}", 404),
        ("GET", f"/api/v1/{SEARCH}", 405),
        ("DELETE", "/", 405),
        ("GET", "/static/../config.py", 404),
    ):
        answer = laptop.ask(verb, path)
        assert (answer.status, set(answer.json)) == (status, {"code", "message", "violations"}), path


def test_a_long_answer_is_compressed_for_who_can_read_that(laptop: Explored) -> None:
    plain = laptop.call(SEARCH, {"page_size": 100})
    packed = laptop.call(SEARCH, {"page_size": 100}, **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.json == plain.json
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 4


def test_a_watch_of_an_export_is_a_stream_until_it_has_ended(served: Explored) -> None:
    served.desk.steps = 3
    with grpc.insecure_channel(served.target) as channel:
        stub = SubsetServiceStub(channel)
        stream = stub.WatchExport(
            WatchExportRequest(export_id="e1"), timeout=10.0, metadata=served.metadata("read")
        )
        said = [answer.export for answer in stream]
    assert [export.samples_done for export in said] == [1, 2, 3]
    assert said[-1].state == ExportState.EXPORT_STATE_COMPLETE
