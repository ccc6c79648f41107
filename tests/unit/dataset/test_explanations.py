"""Every reason has an explanation, and it is the one that stands in the schema."""

from __future__ import annotations

import re

import pytest

from pairmill.dataset.explanations import describe, reason_descriptions
from pairmill.reasons import reason_name
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.conftest import REPOSITORY

_ENTRY = re.compile(r"((?:  //[^\n]*\n)+)  REASON_(\w+) = \d+;")
_STAGE = re.compile(
    r"(Crawl and download|Crawl|Plan|Download|Embed|Score|Finalise|Any stage)(?:, [a-z ]+)?[:.] (.*)"
)


def _comments() -> dict[str, str]:
    schema = (REPOSITORY / "protos/pairmill/common/v1/outcome.proto").read_text()
    body = schema.partition("enum Reason {")[2].partition("\n}")[0]
    return {
        name.lower(): " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        for comment, name in _ENTRY.findall(body)
        if name != "UNSPECIFIED"
    }


def test_all_reasons_are_described() -> None:
    names = [reason_name(number) for number in Reason.values() if number]
    assert list(reason_descriptions()) == names


@pytest.mark.parametrize("name", list(reason_descriptions()))
def test_the_description_is_the_comment_of_the_schema(name: str) -> None:
    found = _STAGE.fullmatch(_comments()[name])
    assert found is not None
    text = found[2][0].upper() + found[2][1:]
    assert (describe(name).stage, describe(name).text) == (found[1].lower(), text)


def test_u17_an_unknown_reason_is_said_to_be_unknown() -> None:
    assert "does not know" in describe("reason_999").text
