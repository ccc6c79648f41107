"""Samples with all that is known of them: every column of `data/`, and how the fetch went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pairmill.idarrays import words_of_bytes
from pairmill.ids import ID_BYTES, from_hex
from pairmill_explorer.datasets.columns_read import ColumnReader
from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError, TooLargeError
from pairmill_explorer.search.found import Found, in_segment, joined
from pairmill_explorer.search.samples import columns_of, id_words_of, samples_of
from pairmill_index.opened import OpenIndex
from pairmill_protos.explorer.v1.search_service_pb2 import SampleDetail

MAX_IDS: Final = 1000


def found_ids(index: OpenIndex, sample_ids: Sequence[str], field: str = "sample_ids") -> Found:
    """Returns where samples are, in the order asked for, each once; unknown ids are left out.

    Raises BadRequestError for what is no id, TooLargeError for too many.
    """
    if len(sample_ids) > MAX_IDS:
        raise TooLargeError(field, f"has {len(sample_ids):,} ids; at most {MAX_IDS:,} are taken")
    raw = []
    for place, sample_id in enumerate(dict.fromkeys(sample_ids)):
        try:
            raw.append(from_hex(sample_id))
        except ValueError as error:
            message = f"{sample_id[:80]!r} is no id; 32 hex digits are wanted"
            raise BadRequestError(f"{field}[{place}]", message) from error
    wanted = words_of_bytes(b"".join(raw), ID_BYTES)
    asked, parts = [], []
    for place, segment in enumerate(index.segments):
        rows = segment.find(wanted)
        there = np.flatnonzero(rows >= 0)
        asked.append(there)
        parts.append(in_segment(place, rows[there]))
    return joined(parts)[np.argsort(np.concatenate(asked), kind="stable")] if parts else joined(parts)


def details_of(snapshot: Snapshot, found: Found, reader: ColumnReader) -> list[SampleDetail]:
    """Returns found samples with all that is known.

    Where a file cannot be read, its columns are left out; so are those of samples that lie in more places
    than are read for one request, which say so.
    """
    where = columns_of(snapshot.index, found, ("data_file", "data_row", "shard_index"))
    data = reader.data(snapshot, where)
    evidence = reader.evidence(snapshot, where["shard_index"], id_words_of(snapshot.index, found))
    return [
        SampleDetail(
            sample=sample,
            fields=data.fields.get(place, ()),
            evidence=evidence.fields.get(place, ()),
            incomplete=place in data.left_out or place in evidence.left_out,
        )
        for place, sample in enumerate(samples_of(snapshot.index, found, snapshot.rules))
    ]
