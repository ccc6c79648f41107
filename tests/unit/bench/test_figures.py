"""What is made of several runs."""

from __future__ import annotations

import pytest

from tests.bench.figures import Column, Figure, Result, markdown_table, number, plain_table

RATE = Figure("rows", "1/s")
MEMORY = Figure("peak memory", "MB")


def result() -> Result:
    small = Column(label="small", samples=[{RATE: 5.0}, {RATE: 1.0}, {RATE: 2.0}])
    large = Column(label="large", samples=[{RATE: 1234.5, MEMORY: 80.25}])
    return Result(name="made-up", setup="nothing at all", columns=[small, large])


def test_a_cell_is_the_median_with_the_range() -> None:
    assert markdown_table(result()).splitlines() == [
        "|  | unit | small (3 runs) | large (1 run) |",
        "| --- | --- | --: | --: |",
        "| rows | 1/s | 2 (1–5) | 1,234 |",
        "| peak memory | MB | – | 80.2 |",
    ]


def test_a_plain_table_names_the_benchmark_and_aligns_its_columns() -> None:
    title, *lines = plain_table(result()).splitlines()
    assert title == "made-up: nothing at all"
    assert len({len(line) for line in lines}) == 1


def test_json_holds_every_value_of_every_run() -> None:
    small, large = result().as_json()["columns"]
    assert [run[0]["value"] for run in small["runs"]] == [5.0, 1.0, 2.0]
    assert large["runs"] == [
        [
            {"name": "rows", "unit": "1/s", "value": 1234.5},
            {"name": "peak memory", "unit": "MB", "value": 80.25},
        ]
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.123, "0.12"), (2.0, "2"), (12.34, "12.3"), (123.4, "123"), (1234567.8, "1,234,568")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text
