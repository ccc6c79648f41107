"""Queries of an index of faiss, one at a time, on one core: run by the peers' interpreter.

Writes the rows that were found as an array, and prints milliseconds of processor time per query as JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from typing import Any

import numpy as np


def main() -> int:
    """Searches and prints its facts in the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index")
    parser.add_argument("queries")
    parser.add_argument("found")
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--mapped", action="store_true", help="map the index instead of reading it")
    parser.add_argument(
        "--reconstruct", action="store_true", help="also give the vectors, as clip-retrieval does"
    )
    given = parser.parse_args()
    faiss: Any = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if given.mapped else 0
    index = faiss.read_index(given.index, flags)
    search = index.search_and_reconstruct if given.reconstruct else index.search
    queries = np.load(given.queries)
    found, milliseconds = [], []
    for query in queries:
        started = time.thread_time()
        _, rows, *_ = search(query[None], given.depth)
        milliseconds.append((time.thread_time() - started) * 1000)
        found.append(rows[0])
    np.save(given.found, np.array(found))
    sys.stdout.write(f"\n{json.dumps({'p50_ms': float(np.median(milliseconds))})}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
