from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from pairmill.dataset.sample_json import sample_json

FIELDS: list[pa.Field[Any]] = [
    pa.field("text", pa.string()),
    pa.field("width", pa.int32()),
    pa.field("confidence", pa.float32()),
]
SCHEMA = pa.schema(FIELDS)


def test_an_unknown_value_keeps_the_type_of_its_column() -> None:
    known = json.loads(sample_json({"text": "a", "width": 3, "confidence": 0.5}, SCHEMA))
    unknown = json.loads(sample_json({"text": None, "width": None, "confidence": None}, SCHEMA))
    assert unknown == {"text": "", "width": -1, "confidence": 0.0}
    assert {name: type(value) for name, value in unknown.items()} == {
        name: type(value) for name, value in known.items()
    }


def test_what_is_no_column_stays_as_it_is() -> None:
    assert json.loads(sample_json({"licence of the user": None}, SCHEMA)) == {"licence of the user": None}


def test_the_order_of_facts_does_not_change_the_bytes() -> None:
    assert sample_json({"width": 1, "text": "é"}, SCHEMA) == sample_json({"text": "é", "width": 1}, SCHEMA)
