"""Messages are written as JSON exactly as protobuf's own library writes them."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill_explorer.http.json_form import plain
from pairmill_explorer.rpc.procedures import SEARCH, SUBSET
from pairmill_protos.explorer.v1.search_pb2 import Histogram, Sample, Vector
from pairmill_protos.explorer.v1.search_service_pb2 import ReportSampleResponse, SearchResponse

KINDS = [
    GetMessageClass(kind)
    for service in (SEARCH, SUBSET)
    for method in service.methods
    for kind in (method.input_type, method.output_type)
]
_LEAST_SECONDS, _MOST_SECONDS = -62_135_596_800, 253_402_300_799


@st.composite
def messages(draw: st.DrawFn, descriptor: Any, depth: int = 0) -> Message:
    """Draws a message with any of its fields set."""
    if descriptor.full_name == "google.protobuf.Timestamp":
        nanos = draw(st.sampled_from([0, 5, 5_000, 5_000_000]) | st.integers(0, 999_999_999))
        seconds = draw(st.integers(_LEAST_SECONDS, _MOST_SECONDS))
        return GetMessageClass(descriptor)(seconds=seconds, nanos=nanos)
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if not draw(st.booleans()):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name).update(draw(st.dictionaries(st.text(max_size=3), st.floats())))
        elif field.is_repeated:
            if depth < 3:
                getattr(message, field.name).extend(
                    [draw(_value(field, depth)) for _ in range(draw(st.integers(0, 2)))]
                )
        elif field.message_type is not None:
            if depth < 3:
                getattr(message, field.name).CopyFrom(draw(_value(field, depth)))
        else:
            setattr(message, field.name, draw(_value(field, depth)))
    return message


def _value(field: Any, depth: int) -> st.SearchStrategy[Any]:
    kinds = {
        field.CPPTYPE_STRING: st.binary(max_size=5)
        if field.type == field.TYPE_BYTES
        else st.text(max_size=5),
        field.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        field.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        field.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        field.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        field.CPPTYPE_BOOL: st.booleans(),
        field.CPPTYPE_ENUM: st.integers(0, 3) | st.just(77),
        field.CPPTYPE_FLOAT: st.floats(width=32, allow_subnormal=False),
        field.CPPTYPE_DOUBLE: st.floats(),
    }
    if field.cpp_type == field.CPPTYPE_MESSAGE:
        return messages(field.message_type, depth + 1)
    return kinds[field.cpp_type]


@settings(max_examples=8)
@given(st.data())
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_message_of_the_services_is_written_as_by_protobuf(
    kind: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages(kind.DESCRIPTOR))
    wanted = MessageToDict(message, preserving_proto_field_name=True)
    assert msgspec.json.encode(plain(message)) == msgspec.json.encode(wanted)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_a_number_of_32_bits_is_written_as_short_as_it_can_be(value: float) -> None:
    written = plain(Vector(values=[value]))["values"][0]
    assert Vector(values=[written]).values[0] == value
    assert written == MessageToDict(Vector(values=[value]))["values"][0]


def test_what_is_no_number_is_a_text() -> None:
    message = Histogram(edges=[math.nan, math.inf, -math.inf, 0.1])
    assert plain(message) == {"edges": ["NaN", "Infinity", "-Infinity", 0.1]}


def test_a_message_of_defaults_says_what_was_set() -> None:
    sample = Sample(similarity=0.0, width=0)
    assert plain(sample) == MessageToDict(sample, preserving_proto_field_name=True)
    assert plain(SearchResponse()) == {}
    assert json.loads(msgspec.json.encode(plain(ReportSampleResponse(report_id="r")))) == {"report_id": "r"}


def test_a_kind_whose_form_is_not_known_is_a_bug_that_shows() -> None:
    with pytest.raises(TypeError, match="Struct"):
        plain(Struct())
