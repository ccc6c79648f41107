"""Names of an index's files, relative to the dataset's folder or prefix.

Names of segments and versions are never used twice for other bytes (U4); `CURRENT` and notes are replaced.
"""

from __future__ import annotations

from typing import Final

from pairmill_index.manifest import Modality

FOLDER: Final = "index"
CURRENT: Final = "index/current.json"  # names the version that serves; written last
ROWS: Final = "rows.arrow"
IDS: Final = "ids.npy"
VECTORS: Final = "{}.npy"  # of a modality
GRAPH: Final = "{}.faiss"
LISTS: Final = "{}.lists.npy"


def version_key(version: str) -> str:
    """Returns the key of a version's manifest."""
    return f"{FOLDER}/versions/{version}.json"


def removed_key(digest: str) -> str:
    """Returns the key of a list of removed ids, sorted, `(n, 2) <u8`."""
    return f"{FOLDER}/removed/{digest}.npy"


def segment_prefix(segment_id: str) -> str:
    """Returns the prefix of a segment's files."""
    return f"{FOLDER}/segments/{segment_id}/"


def rows_key(segment_id: str) -> str:
    """Returns the key of a segment's table of samples, an Arrow file without compression."""
    return segment_prefix(segment_id) + ROWS


def name_of(key: str) -> str:
    """Returns what a segment's file is, such as `rows.arrow`.

    Segments may share files, so a segment's files need not lie under its own prefix.
    """
    return key.rsplit("/", 1)[-1]


def ids_key(segment_id: str) -> str:
    """Returns the key of a segment's ids, `(2, rows) <u8`: the high words of all, then the low ones."""
    return segment_prefix(segment_id) + IDS


def graph_key(segment_id: str, modality: Modality) -> str:
    """Returns the key of a segment's faiss index, whose ids are row numbers; none where search is exact."""
    return segment_prefix(segment_id) + GRAPH.format(modality)
