"""autofaiss' `build_index` over a folder of embeddings: run by the peers' interpreter.

Prints what it took as JSON. It is given the same budgets as Pairmill.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import sys
import time
from typing import Any


def main() -> int:
    """Builds an index and prints its facts in the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("embeddings")
    parser.add_argument("index")
    parser.add_argument("--index-memory", required=True, help="as autofaiss reads it, such as 128MB")
    parser.add_argument("--available-memory", required=True)
    parser.add_argument("--milliseconds", type=float, required=True, help="of a query")
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    autofaiss: Any = importlib.import_module("autofaiss")
    before, start = _cpu_seconds(), time.monotonic()
    autofaiss.build_index(
        embeddings=given.embeddings,
        index_path=given.index,
        index_infos_path=f"{given.index}.json",
        max_index_memory_usage=given.index_memory,
        current_memory_available=given.available_memory,
        max_index_query_time_ms=given.milliseconds,
        nb_cores=given.threads,
        metric_type="ip",
    )
    took = {"seconds": time.monotonic() - start, "cpu_seconds": _cpu_seconds() - before}
    sys.stdout.write(f"\n{json.dumps(took)}\n")
    return 0


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
