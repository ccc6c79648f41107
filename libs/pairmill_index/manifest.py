"""The manifest of an index version: what `index/versions/<version>.json` says.

A version is a list of segments per language bucket. A segment is written once: a table of samples in order
of `sample_id`, the vectors of both modalities in the same order, and for each modality a faiss index unless
it is small enough to be searched exactly. Adding samples appends a segment that shares the trained part of
the one before; removing samples adds their ids to `removed`; compaction writes segments anew without them.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from pairmill_index.options import BuildOptions

SCHEMA_VERSION: Final = 1
EXACT: Final = "exact"  # kind of a vector index that is the vectors themselves


class Modality(StrEnum):
    """Which of a pair's embeddings."""

    IMAGE = "image"
    TEXT = "text"


class IndexFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an index."""

    path: str
    bytes: int
    sha256: str


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a vector index finds, against exact search over the same vectors.

    Queries are held-out samples, whose vectors were left out of training: half of them ask with their own
    vector of this modality, found without themselves, half with that of the other one. Recall@1 and 10 and
    latency are of searches for ten results, recall@100 of searches for a hundred.
    """

    queries: int
    recall_at_1: float
    recall_at_10: float
    recall_at_100: float
    p50_ms: float  # of one query
    p95_ms: float


class VectorIndex(msgspec.Struct, frozen=True, kw_only=True):
    """How the vectors of one modality are searched."""

    modality: Modality
    kind: str  # EXACT, or a faiss factory string
    lists: int = 0  # inverted lists; 0 for EXACT
    probes: int = 0  # lists looked into per query
    candidates: int = 0  # neighbours that are compared again with the stored vectors
    trained_on: int = 0  # vectors
    trained_by: str = ""  # segment whose training this one shares; its own id if it was trained for it
    measured: Measured | None = None  # None for EXACT


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Samples that were indexed together."""

    segment_id: str
    bucket: str  # en, multi or nolang
    rows: int
    files: tuple[IndexFile, ...]
    indices: tuple[VectorIndex, ...]
    gone_rows: int = 0  # that the dataset does not have any more

    def index(self, modality: Modality) -> VectorIndex:
        """Returns how a modality is searched; raises KeyError where it is not there."""
        for found in self.indices:
            if found.modality == modality:
                return found
        raise KeyError(modality)


class Unpaired(msgspec.Struct, frozen=True, kw_only=True):
    """What is in no segment for want of its other half."""

    embeddings: int  # embedded samples without a row in `data/`
    rows: int  # rows of `data/` without an embedding, but for those whose verdict is `failed`


class IndexVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the index."""

    dataset_version: str
    bundle_digest: str
    model: str  # name and revision of the bundle
    dimensions: int
    segments: tuple[Segment, ...]
    removed: IndexFile | None = None  # ids that count no more, of all segments
    removed_rows: int = 0
    served_rows: int | msgspec.UnsetType = msgspec.UNSET  # that count; unset by earlier versions of Pairmill
    unpaired: Unpaired | msgspec.UnsetType = msgspec.UNSET  # unset where it was not counted
    sources: tuple[str, ...] = ()  # numbers `<n>` of the embedding files that are in it, sorted
    samples_digest: str = ""  # of the names and checksums of the files of `data/` that columns come from
    options: BuildOptions = BuildOptions()
    schema_version: int = SCHEMA_VERSION
    code_version: str = ""

    @property
    def rows(self) -> int:
        """Rows of all segments, removed ones included."""
        return sum(segment.rows for segment in self.segments)

    @property
    def samples(self) -> int:
        """Samples that are found; where the manifest does not say, at most so many."""
        if self.served_rows is not msgspec.UNSET:
            return self.served_rows
        gone = sum(segment.gone_rows for segment in self.segments)
        return max(0, self.rows - self.removed_rows - gone)

    @property
    def recall(self) -> float:
        """Lowest recall@10 that was measured; 1 where all search is exact."""
        found = (index.measured for segment in self.segments for index in segment.indices)
        return min((measured.recall_at_10 for measured in found if measured is not None), default=1.0)

    def encoded(self) -> bytes:
        """Returns the manifest's bytes: equal versions have equal bytes."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)

    def version(self) -> str:
        """Returns the version's name, a digest of its content."""
        return hashlib.sha256(self.encoded()).hexdigest()[:32]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A version that served before and is still there."""

    version: str
    sha256: str
    until: datetime  # when it was replaced


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """Which version serves: the content of `index/current.json`."""

    version: str
    sha256: str  # of the version's manifest
    past: tuple[Past, ...] = ()  # the latest first
