"""An explorer's line of exports in a process of its own, to be killed: `export_child DATASET SCRATCH`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fakes.subset_desks import opened_desk


def main() -> None:
    """Goes on with what was asked for until it is done."""
    with opened_desk(Path(sys.argv[1]), Path(sys.argv[2])) as opened:
        while opened.line.is_busy:
            opened.line.wait(0.05)


if __name__ == "__main__":
    main()
