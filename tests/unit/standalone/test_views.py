"""What a person sees while work goes on, without a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from pairmill_standalone.cli.count_view import log_lines
from pairmill_standalone.cli.progress_view import LogView, facts_of
from tests.fakes.clock import ManualClock

STATUS: dict[str, Any] = {
    "state": "draining",
    "candidates": 100,
    "ended": 40,
    "in_progress": 5,
    "passed": 20,
    "counts": {
        "download/failed/http_4xx": 9,
        "download/failed/reset": 1,
        "score/filtered/unsafe": 3,
        "score/filtered/low_similarity": 8,
        "crawl/dropped/no_alt": 1000,
    },
}


def test_the_most_frequent_reasons_are_named() -> None:
    assert facts_of(STATUS) == "20 passed (http_4xx 9, low_similarity 8, unsafe 3)"
    assert facts_of({"passed": 0, "counts": {}}) == "0 passed"


def test_a_line_comes_now_and_then_and_at_each_change_of_state(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    view = LogView(clock)
    for state, seconds in (("crawling", 0), ("crawling", 1), ("draining", 1), ("draining", 20)):
        clock.sleep(seconds)
        view.show(STATUS | {"state": state})
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["crawling", "draining", "draining"]
    assert "40 of 100 candidates" in lines[0]


def test_a_single_stage_says_a_line_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    show = log_lines("extracting", clock)
    for second in range(25):
        clock.sleep(1)
        show(second, 30, "7 links")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "pairmill: extracting: 9 of 30, 7 links",
        "pairmill: extracting: 19 of 30, 7 links",
    ]
