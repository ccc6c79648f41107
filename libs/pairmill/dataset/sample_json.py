"""The `.json` member of a sample in a tar: the same keys and types in every sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa


def sample_json(facts: Mapping[str, Any], schema: pa.Schema) -> bytes:
    """Returns the same bytes for the same facts, keys sorted.

    What is unknown is written as an empty text, -1 or 0.0, as the schema's type has it: readers such as
    Hugging Face `datasets` take each key's type from the first samples, where a null would stand for
    no type at all.
    """
    plain = {name: _known(value, schema, name) for name, value in facts.items()}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def _known(value: Any, schema: pa.Schema, name: str) -> Any:
    place = schema.get_field_index(name)
    if value is not None or place < 0:
        return value
    kind = schema.field(place).type
    if pa.types.is_integer(kind):
        return -1
    return 0.0 if pa.types.is_floating(kind) else ""
