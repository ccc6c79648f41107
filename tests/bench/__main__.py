"""Every benchmark, one after the other: `python -m tests.bench --help`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local.errors import MissingToolError
from pairmill.memory import give_back_freed_memory
from tests.bench import (
    download,
    downloaders,
    embed,
    extract,
    finalise_million,
    ledger,
    plan_million,
    score,
    search_add,
    search_build,
    search_filter,
    search_serve,
    triton,
    whole_run,
)
from tests.bench.figures import Result, plain_table
from tests.bench.machine import machine_facts, machine_line
from tests.bench.page import PAGE, write_result
from tests.bench.setup import Setup

BENCHMARKS: Final[Mapping[str, Callable[[Setup], Result]]] = {
    "extract": extract.benchmark,
    "plan": plan_million.benchmark,
    "download": download.benchmark,
    "downloaders": downloaders.benchmark,
    "embed": embed.benchmark,
    "score": score.benchmark,
    "triton": triton.benchmark,
    "finalise": finalise_million.benchmark,
    "ledger": ledger.benchmark,
    "runs": whole_run.benchmark,
    "search-build": search_build.benchmark,
    "search-serve": search_serve.benchmark,
    "search-filter": search_filter.benchmark,
    "search-add": search_add.benchmark,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmarks asked for and prints their tables; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.write and options.scale != 1:
        sys.stderr.write("--write: the page holds figures of full size; leave out --scale\n")
        return 2
    results = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in options.only or BENCHMARKS:
            setup = Setup(work=Path(options.work or folder), scale=options.scale, runs=options.runs)
            try:
                results.append(BENCHMARKS[name](setup))
            except MissingToolError as error:
                sys.stdout.write(f"{name}: left out. {error}\n\n")
                continue
            sys.stdout.write(f"{plain_table(results[-1])}\n\n")
            sys.stdout.flush()
            if options.write:
                write_result(PAGE, results[-1], machine_line())
    sys.stdout.write(f"{machine_line()}\n")
    if options.json:
        facts = {"machine": machine_facts(), "results": [result.as_json() for result in results]}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures Pairmill.")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="one benchmark; repeatable")
    parser.add_argument("--scale", type=float, default=1.0, help="sizes in relation to the recorded ones")
    parser.add_argument("--runs", type=int, default=3, help="runs of each size; the largest run is made once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value of every run")
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep inputs and outputs in an empty folder")
    return parser


if __name__ == "__main__":
    give_back_freed_memory()  # as the command that is measured does; all measured processes inherit it
    sys.exit(main())
