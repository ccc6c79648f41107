"""Figures in their place on a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.__main__ import BENCHMARKS, main
from tests.bench.figures import Column, Figure, Result
from tests.bench.page import PAGE, with_result, write_result


def result(name: str) -> Result:
    samples = [{Figure("rows", "1/s"): 7.0}]
    return Result(name=name, setup=r"a \1 backslash", columns=[Column(label="all", samples=samples)])


def test_only_the_benchmarks_own_section_is_replaced() -> None:
    before = "# Page\n<!-- a: begin -->\nold\n<!-- a: end -->\ntext\n<!-- b: begin -->\nb\n<!-- b: end -->\n"
    after = with_result(before, result("a"), "on a machine")
    assert after.startswith("# Page\n<!-- a: begin -->\nA \\1 backslash.\n\n|  | unit | all (1 run) |\n")
    assert after.endswith(
        "| rows | 1/s | 7 |\n\nMeasured: on a machine.\n<!-- a: end -->\ntext\n"
        "<!-- b: begin -->\nb\n<!-- b: end -->\n"
    )
    assert with_result(after, result("a"), "on a machine") == after


def test_a_page_without_the_place_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(LookupError, match="a: begin"):
        write_result(page, result("a"), "on a machine")
    assert page.read_text() == "nothing here"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_page_has_a_place_for_every_benchmark(name: str) -> None:
    assert "Measured: on a machine." in with_result(PAGE.read_text(), result(name), "on a machine")


def test_figures_of_another_size_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    before = PAGE.read_text()
    assert main(["--write", "--scale", "0.5"]) == 2
    assert "--scale" in capsys.readouterr().err
    assert PAGE.read_text() == before
