"""A few samples whose clusters and verdicts are known: what the finaliser tests itself with (U14)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from pairmill_finaliser.bands import neighbours_of
from pairmill_finaliser.clusters import clusters_of
from pairmill_finaliser.contents import bands_of, contents_from, representatives
from pairmill_finaliser.judge import Lookup
from pairmill_finaliser.rows import ROWS
from pairmill_finaliser.samples import Decisions, final_verdicts, samples_of
from pairmill_finaliser.scatter import contents_of, ids_of
from pairmill_protos.job.v1.job_pb2 import ScoreRules

_DISTANCE: Final = 4
_HASHES: Final = ("00000000000000ff", "00000000000000f0", "ffffffff00000000")
"""The first two differ in 4 bits."""


def check_known_good() -> None:
    """Finalises four samples of three pictures, two of them alike; raises if that goes wrong."""
    rows = pa.Table.from_pylist([_row(1, 0), _row(2, 0), _row(3, 1), _row(4, 2)], ROWS)
    contents = representatives(contents_from(contents_of(rows)))
    neighbours, _ = neighbours_of(bands_of(contents, _DISTANCE), _DISTANCE, 10)
    clusters = clusters_of(contents, ids_of(neighbours), ids_of(neighbours, "neighbour"))
    nothing = np.empty((0, 2), dtype=np.uint64)
    decisions = Decisions(
        clustered=Lookup.of(nothing),
        clusters=nothing,
        lost=Lookup.of(nothing),
        reasons=np.empty(0, dtype=np.int32),
    )
    samples = samples_of(rows, final_verdicts(rows, ScoreRules(min_similarity={"*": 0.25}), decisions))
    found = clusters.cluster[:, 1].tolist(), samples.column("verdict").to_pylist()
    expected = [1, 1, 4], ["filtered", "filtered", "kept", "kept"]
    if found != expected:
        raise RuntimeError(f"the finalisation of known samples is wrong: {found}, not {expected}")


def _row(number: int, picture: int) -> dict[str, Any]:
    return dict.fromkeys(ROWS.names) | {
        "sample_id": number.to_bytes(16, "big"),
        "url_id": number.to_bytes(16, "big"),
        "url": f"https://a.test/{number}.jpg",
        "text": "text",
        "outcome": "kept",
        "similarity": number / 10,
        "content_sha256": f"{picture:064x}",
        "phash": _HASHES[picture],
    }
