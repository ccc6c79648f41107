"""Writes what is generated of the chart: `python -m tests.unit.chart.write`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tests.unit.chart import topics_file, values_pages, variables_file
from tests.unit.chart.rendering import EXAMPLES, golden_text

GOLDEN: Final = Path(__file__).parent / "golden"


def main() -> int:
    """Writes variables, topics, the table of values, and a rendering of each example."""
    variables_file.PATH.write_text(variables_file.variables_file())
    topics_file.PATH.write_text(topics_file.topics_file())
    values_pages.README.write_text(values_pages.readme())
    GOLDEN.mkdir(exist_ok=True)
    for example in EXAMPLES:
        (GOLDEN / f"{example}.yaml").write_text(golden_text(example))
    return 0


if __name__ == "__main__":
    sys.exit(main())
