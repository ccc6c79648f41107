"""Every benchmark of a single stage at its smallest size: it does its work, and gives what it promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench import download, embed, extract, finalise_million, ledger, plan_million, score
from tests.bench.__main__ import main
from tests.bench.figures import Figure, Result
from tests.bench.isolated import CPU, MEMORY, SECONDS
from tests.bench.setup import Setup

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("benchmark", "rate"),
    [
        pytest.param(extract.benchmark, extract.CANDIDATES, id="extract"),
        pytest.param(plan_million.benchmark, plan_million.PER_SECOND, id="plan"),
        pytest.param(download.benchmark, download.PER_SECOND, id="download"),
        pytest.param(embed.benchmark, embed.PER_SECOND, id="embed"),
        pytest.param(finalise_million.benchmark, finalise_million.PER_SECOND, id="finalise"),
        pytest.param(ledger.benchmark, ledger.UNIT_MICROSECONDS, id="ledger"),
    ],
)
def test_a_benchmark_gives_its_rate_and_what_it_took(
    benchmark: Callable[[Setup], Result], rate: Figure, tmp_path: Path
) -> None:
    result = benchmark(Setup(work=tmp_path, scale=0.003, runs=1))
    for column in result.columns:
        (sample,) = column.samples
        assert all(sample[figure] > 0 for figure in (rate, SECONDS, CPU, MEMORY))


def test_the_command_prints_tables_and_writes_every_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "figures.json"
    options = ["--only", "score", "--scale", "0.001", "--runs", "2", "--json", str(target)]
    assert main([*options, "--work", str(tmp_path / "work")]) == 0
    assert "200 rows (2 runs)" in capsys.readouterr().out
    written = json.loads(target.read_text())
    (column,) = written["results"][0]["columns"]
    names = [[figure["name"] for figure in run] for run in column["runs"]]
    assert names[0] == names[1]
    assert score.PER_SECOND.name in names[0]
    assert written["machine"]["cores"]
