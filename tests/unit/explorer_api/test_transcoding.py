"""Messages as JSON and back."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any, Final

import msgspec
import pytest
from google.protobuf.json_format import ParseDict, ParseError
from hypothesis import given
from hypothesis import strategies as st

from pairmill.rpc.refusals import InvalidRequestError, Violation
from pairmill_explorer.http.clip.messages import KnnRequest, read_request
from pairmill_explorer.http.transcoding import json_of, message_of, violation_of
from pairmill_protos.explorer.v1.search_pb2 import Filters, QueryPart, Range, SafeMode, Vector
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest
from pairmill_protos.explorer.v1.subset_service_pb2 import PreviewSubsetRequest

SIZE: Final = 24 * 2**20
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=10,
)
_FIELDS = st.sampled_from(["dataset", "parts", "modality", "filters", "collapse", "page_size", "cursor", "x"])


def test_a_message_is_the_same_after_a_round_trip() -> None:
    request = SearchRequest(
        dataset="é赤",
        parts=[QueryPart(image=b"\xff\x00", weight=-1.5), QueryPart(vector=Vector(values=[0.5, -2.0]))],
        filters=Filters(languages=[""], similarity=Range(min=0.25), safe_mode=SafeMode.SAFE_MODE_SHOW),
        page_size=7,
    )
    assert message_of(SearchRequest, json_of(request)) == request


@given(
    st.lists(
        st.integers(-(10**40), 10**40)
        | st.floats(allow_nan=False)
        | st.booleans()
        | st.text(max_size=3)
        | st.none(),
        max_size=6,
    )
)
def test_a_vector_is_read_as_protobuf_reads_it(values: list[object]) -> None:
    facts = {"parts": [{"text": "a"}, {"vector": {"values": values}, "weight": 2}]}
    body = msgspec.json.encode(facts)
    try:
        wanted: Any = ParseDict(msgspec.json.decode(body), SearchRequest())
    except (ParseError, OverflowError, ValueError, TypeError):
        wanted = None
    for kind, outer in ((SearchRequest, None), (PreviewSubsetRequest, "recipe")):
        whole = body if outer is None else b'{"%s":' % outer.encode() + body + b"}"
        if wanted is None:
            with pytest.raises(InvalidRequestError) as caught:
                message_of(kind, whole)
            assert caught.value.violations[0].field.removeprefix("recipe.").startswith("parts")
        else:
            found: Any = message_of(kind, whole)
            parts = found.parts if outer is None else found.recipe.parts
            assert list(parts) == list(wanted.parts)


def test_an_empty_body_is_an_empty_message() -> None:
    assert message_of(SearchRequest, b"") == SearchRequest()


@given(st.dictionaries(_FIELDS, _JSON, max_size=4))
def test_h2_whatever_json_comes_is_a_message_or_refused_with_a_field(value: dict[str, object]) -> None:
    violations = violations_in(json.dumps(value).encode())
    assert all(one.field and one.description for one in violations)


def violations_in(body: bytes) -> tuple[Violation, ...]:
    """Returns what is said of a body that is refused; a refusal that says nothing shows as an empty one."""
    try:
        message_of(SearchRequest, body)
    except InvalidRequestError as error:
        return error.violations or (Violation(field="", description=""),)
    return ()


@pytest.mark.parametrize("kind", ["message", "clip"])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * SIZE,
        b'{"a":' * (SIZE // 5),
        b'{"parts":[' + b"[]," * (SIZE // 3),
        b'{"parts":[' + b"{}," * (SIZE // 3),
        b'{"filters":{"hosts":[' + b'"",' * (SIZE // 3),
        b'{"embedding_input":[' + b"1," * (SIZE // 2) + b"1]}",
    ],
    ids=["deep lists", "deep objects", "lists", "objects", "texts", "numbers"],
)
def test_h2_a_body_that_would_unpack_into_very_much_is_refused_unread(body: bytes, kind: str) -> None:
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(InvalidRequestError) as caught:
            message_of(SearchRequest, body) if kind == "message" else read_request(KnnRequest, body)
        seconds, most_bytes = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.violations[0].field == "request"
    assert seconds < 2
    assert most_bytes < 2**20


def test_a_request_with_as_much_as_is_taken_is_read() -> None:
    filters = Filters(hosts=[f"h{number}.test" for number in range(10_000)], languages=["en"] * 10_000)
    request = SearchRequest(filters=filters, parts=[QueryPart(vector=Vector(values=[0.5] * 1024))] * 16)
    assert message_of(SearchRequest, json_of(request)) == request


@pytest.mark.parametrize(
    ("text", "field", "description"),
    [
        (
            "Failed to parse filters field: Failed to parse similarity field: Couldn't parse float: a at "
            "SearchRequest.filters.similarity.min..",
            "filters.similarity.min",
            "Couldn't parse float: a",
        ),
        (
            'Message type "p.SearchRequest" has no field named "bogus" at "SearchRequest".\n Available …',
            "bogus",
            "is no field of this message",
        ),
        ("something else", "request", "something else"),
    ],
)
def test_what_the_parser_says_is_said_of_a_field(text: str, field: str, description: str) -> None:
    found = violation_of(text)
    assert (found.field, found.description) == (field, description)
