"""Removing samples from an index: a longer list of ids that count no more, at once and for ever (G8)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.idarrays import Words, find
from pairmill.store.port import ObjectStore
from pairmill_index.contest import withheld
from pairmill_index.errors import LostPublicationError
from pairmill_index.files import LocalFiles
from pairmill_index.manifest import IndexVersion
from pairmill_index.old import OldSegment
from pairmill_index.progress import Progress, no_progress
from pairmill_index.publish import changing, current_of, publish, read_version
from pairmill_index.removed import read_removed, united, write_removed
from pairmill_index.withdraw import published_files
from pairmill_index.workplace import workplace


def remove_samples(
    store: ObjectStore, ids: Words, *, scratch: Path, progress: Progress = no_progress
) -> IndexVersion:
    """Removes samples by their ids, `(n, 2) uint64`, publishes the new version and returns it.

    From then on no search and no look-up finds them; their vectors and columns leave the disk at the next
    compaction. The list stays with all later versions and builds, so ids that are not in the index yet do not
    come into it later either. Returns the version that serves where all are removed already.
    """
    with changing(store), workplace(scratch) as folder:
        current = current_of(store)
        base = read_version(store, current)
        known = read_removed(store, base.removed)
        if not len(ids) or bool((find(known, ids) >= 0).all()):
            return base
        removed = united(known, ids)
        files = LocalFiles(store, folder)
        old = [OldSegment(segment=one, files=files, dimensions=base.dimensions) for one in base.segments]
        version = withheld(base, old, write_removed(store, removed), removed)
        try:
            publish(store, version, current, progress)
        except LostPublicationError:
            if version.removed is not None and version.removed.path not in published_files(store):
                store.delete(version.removed.path)
            raise
    return version


def ids_of_urls(store: ObjectStore, urls: Sequence[str], *, scratch: Path) -> dict[str, Words]:
    """Returns, for each of these addresses, the ids of all samples of the index whose image has it."""
    base = read_version(store, current_of(store))
    wanted = list(dict.fromkeys(urls))
    found = {url: [np.empty((0, 2), dtype=np.uint64)] for url in wanted}
    with workplace(scratch) as folder:
        files = LocalFiles(store, folder)
        for segment in base.segments:
            old = OldSegment(segment=segment, files=files, dimensions=base.dimensions)
            places = pc.index_in(old.table()["url"], value_set=pa.array(wanted, pa.string()))
            rows = np.flatnonzero(places.is_valid().to_numpy())
            ids, numbers = np.array(old.ids()[rows]), places.drop_null().to_numpy()
            for number in np.unique(numbers):
                found[wanted[number]].append(ids[numbers == number])
    return {url: united(*ids) for url, ids in found.items()}
