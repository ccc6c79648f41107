"""Usage preferences."""

from __future__ import annotations

import pytest

from pairmill_downloader.fetching.aipref import forbids_training, parse_usage_rule, usage_forbids_training


@pytest.mark.parametrize(
    ("expressions", "forbids"),
    [
        (["train-ai=n"], True),
        (["search=y, train-ai=n"], True),
        (["train-ai=n;scope=all"], True),
        (['train-ai="n"'], True),
        (["train-ai=y"], False),
        (["train-ai=n", "train-ai=y"], False),
        (["ai=n, train-ai=y"], False),
        (["genai=n"], True),
        (["bots=n"], True),
        (["tdm=y"], False),
        (["search=yes, ai-train=no"], True),
        (["ai-train=yes"], False),
        (["search=n"], None),
        (["train-ai"], None),
        (["train-ai=maybe"], None),
        (["=n, train-ai=, ,;"], None),
        ([""], None),
        ([], None),
    ],
)
def test_d10_usage_expression(expressions: list[str], forbids: bool | None) -> None:
    assert usage_forbids_training(expressions) is forbids


def test_most_specific_line_decides() -> None:
    lines = [parse_usage_rule("train-ai=n"), parse_usage_rule("/open/ train-ai=y")]
    rules = [line for line in lines if line is not None]
    assert forbids_training(rules, "/img/a.jpg")
    assert not forbids_training(rules, "/open/a.jpg")


def test_line_that_says_nothing_of_training_decides_nothing() -> None:
    lines = [parse_usage_rule("train-ai=n"), parse_usage_rule("/open/ search=y")]
    assert forbids_training([line for line in lines if line is not None], "/open/a.jpg")


def test_line_without_an_expression_is_passed_over() -> None:
    assert parse_usage_rule("/only/a/path") is None
    assert parse_usage_rule("") is None
