"""Phase 4: the cluster of every copy.

`cluster_id` is the smallest id among a content's copies and its direct neighbours. There is no
transitive closure, so that one bridge between two pictures does not make them one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pairmill.idarrays import Words, array_of, ascending, find, first_per_key
from pairmill.ledger.phases import CLUSTERS_ROLE, CONTENTS_ROLE, NEIGHBOURS_ROLE
from pairmill_finaliser.contents import Contents, contents_from, representatives_of
from pairmill_finaliser.keys import by_id_range
from pairmill_finaliser.scatter import ids_of
from pairmill_finaliser.step import Step
from pairmill_finaliser.steps import SCHEMAS


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Contents with the id of their cluster, ascending by content."""

    content: Words  # (n, 4)
    cluster: Words  # (n, 2)


def find_clusters(step: Step) -> int:
    """Writes the cluster of every copy of a content prefix by id range; returns the copies read."""
    chosen = representatives_of(contents_from(table) for table in step.read(CONTENTS_ROLE))
    clusters = clusters_of(chosen, *_neighbours(step))
    copies = 0
    for table in step.read(CONTENTS_ROLE):
        found = clusters_of_copies(clusters, contents_from(table))
        step.sink(CLUSTERS_ROLE).add(found, by_id_range(ids_of(found), step.partitions))
        copies += len(table)
        step.advance(len(table))
    return copies


def clusters_of(chosen: Contents, sample: Words, neighbour: Words) -> Clusters:
    """Returns the cluster of each content.

    `chosen` are representatives, `sample` some of them with a `neighbour` each, which may occur more
    than once and is smaller.
    """
    best = first_per_key(sample, neighbour)
    sample, neighbour = sample[best], neighbour[best]
    order = ascending(sample)
    sample, neighbour = sample[order], neighbour[order]
    places = find(sample, chosen.sample)
    cluster = chosen.sample.copy()
    cluster[places >= 0] = neighbour[places[places >= 0]]
    by_content = ascending(chosen.content)
    return Clusters(content=chosen.content[by_content], cluster=cluster[by_content])


def clusters_of_copies(clusters: Clusters, copies: Contents) -> pa.Table:
    """Returns (id, cluster) of the copies whose cluster is not their own id."""
    cluster = clusters.cluster[find(clusters.content, copies.content)]
    other = (cluster != copies.sample).any(axis=1)
    columns = [array_of(copies.sample[other]), array_of(cluster[other])]
    return pa.table(columns, schema=SCHEMAS[CLUSTERS_ROLE])


def _neighbours(step: Step) -> tuple[Words, Words]:
    nothing = np.empty((0, 2), dtype=np.uint64)
    tables = list(step.read(NEIGHBOURS_ROLE))
    sample = np.concatenate([nothing, *(ids_of(table) for table in tables)])
    neighbour = np.concatenate([nothing, *(ids_of(table, "neighbour") for table in tables)])
    return sample, neighbour
