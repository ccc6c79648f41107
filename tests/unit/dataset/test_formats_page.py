"""docs/formats.md names every column of every file, and every role."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from pairmill import schemas
from pairmill.dataset.dead_letters import DEAD_LETTERS
from pairmill.dataset.ledger_file import LEDGER_FILE
from pairmill.dataset.manifest_files import MANIFEST_FILES
from pairmill.dataset.roles import ROLES
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "formats.md").read_text()


def _section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[0]


@pytest.mark.parametrize(
    ("title", "schema"),
    [
        ("`dataset.json`", MANIFEST_FILES),
        ("`data/`", schemas.SAMPLES),
        ("`shards/`", schemas.SHARD_INDEX),
        ("`embeddings/`", schemas.EMBEDDING_METADATA),
        ("`train/`", schemas.TRAIN_INDEX),
        ("`ledger/`", LEDGER_FILE),
        ("`ledger/`", DEAD_LETTERS),
        ("Examples of what was left out", schemas.DROP_SAMPLES),
    ],
)
def test_every_column_is_named(title: str, schema: pa.Schema) -> None:
    named = set(re.findall(r"`([^`]+)`", _section(title)))
    assert set(schema.names) <= named


def test_every_role_is_named() -> None:
    missing = [role for role in ROLES if not re.search(rf"\b{role}\b", PAGE)]
    assert missing == []
