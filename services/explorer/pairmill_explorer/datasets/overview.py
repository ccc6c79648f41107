"""What there is to say of a dataset that is served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pairmill.errors import RetriableError
from pairmill_explorer.datasets.served import ServedDataset, Snapshot
from pairmill_explorer.search.clauses import OneOf
from pairmill_explorer.search.conditions import Conditions
from pairmill_explorer.search.masks import MaskCache, Masks
from pairmill_index.manifest import EXACT, Modality, Segment
from pairmill_index.opened import OpenSegment
from pairmill_protos.explorer.v1.search_pb2 import Modality as ModalityCode
from pairmill_protos.explorer.v1.search_service_pb2 import DatasetInfo, IndexInfo

_CODES = {Modality.IMAGE: ModalityCode.MODALITY_IMAGE, Modality.TEXT: ModalityCode.MODALITY_TEXT}
_KEPT = Conditions(buckets=frozenset(), clauses=frozenset({OneOf("verdict", frozenset({"kept"}))}))


def info_of(served: ServedDataset, masks: MaskCache) -> DatasetInfo:
    """Returns what is known of a dataset, also where it cannot be searched."""
    info = DatasetInfo(dataset=served.name, trouble=served.trouble)
    try:
        manifest = served.manifest()
        info.dataset_version = manifest.dataset.manifest.version
        info.max_unsafe_score = manifest.rules.max_unsafe_score
        with served.use() as snapshot:
            _add_index(info, snapshot, masks)
    except RetriableError:
        pass  # `trouble` says so
    return info


def _add_index(info: DatasetInfo, snapshot: Snapshot, masks: MaskCache) -> None:
    index = snapshot.index
    info.index_version = index.version
    info.model = index.manifest.model
    info.dimensions = index.manifest.dimensions
    info.samples = sum(int(np.count_nonzero(segment.alive)) for segment in index.segments)
    kept = Masks(snapshot.name, masks).all_of(index, _KEPT)
    info.kept = sum(int(np.count_nonzero(mask)) for mask in kept)
    info.can_encode = snapshot.encoder is not None
    for bucket, segments in index.buckets.items():
        info.indices.extend(_indices(bucket, segments))


def _indices(bucket: str, segments: Sequence[OpenSegment]) -> Iterator[IndexInfo]:
    """Yields what is said of each modality of a bucket; of several segments the largest speaks."""
    largest: Segment = max((one.segment for one in segments), key=lambda segment: segment.rows)
    for modality, code in _CODES.items():
        try:
            index = largest.index(modality)
        except KeyError:
            continue
        found = IndexInfo(
            bucket=bucket,
            modality=code,
            vectors=sum(segment.rows for segment in segments),
            kind=index.kind or EXACT,
            segments=len(segments),
        )
        if index.measured is not None:
            found.recall_at_1 = index.measured.recall_at_1
            found.recall_at_10 = index.measured.recall_at_10
            found.recall_at_100 = index.measured.recall_at_100
        yield found
