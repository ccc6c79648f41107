"""What a recipe cuts, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.search.found import NO_SCORE, Found
from pairmill_explorer.search.samples import samples_of
from pairmill_explorer.search.table import numbers
from pairmill_explorer.subsets.choice import total
from pairmill_explorer.subsets.cut import cut_of, with_images
from pairmill_explorer.subsets.draws import draws_of
from pairmill_explorer.subsets.recipe import Checked
from pairmill_explorer.subsets.segments import Flags, SegmentRows, ids_at, runs
from pairmill_protos.explorer.v1.subset_service_pb2 import PreviewSubsetResponse

EXAMPLES: Final = 12
_SAMPLE_BYTES: Final = 5 * 1024  # of a sample's text, facts and headers, about


def preview_of(snapshot: Snapshot, checked: Checked, rate: float) -> PreviewSubsetResponse:
    """Returns counts, bytes and examples; `rate` is that of exports before, bytes per second."""
    cut = cut_of(snapshot, checked)
    held = with_images(snapshot, cut.chosen)
    image_bytes, with_image = stored_bytes(snapshot.index.segments, held), total(held)
    return PreviewSubsetResponse(
        matching=cut.matching,
        samples=cut.samples,
        image_bytes=image_bytes,
        without_image=cut.samples - with_image,
        estimated_seconds=(image_bytes + with_image * _SAMPLE_BYTES) / rate,
        examples=samples_of(snapshot.index, _some(snapshot, cut.chosen, checked.recipe.seed), snapshot.rules),
    )


def stored_bytes(segments: Sequence[SegmentRows], flags: Sequence[Flags]) -> int:
    """Returns the bytes of the images of rows whose flag is set."""
    found = 0
    for segment, one in zip(segments, flags, strict=True):
        sizes = numbers(segment.table, "tar_size")
        for rows in runs(one):
            found += int(np.nan_to_num(sizes[rows]).sum())
    return found


def _some(snapshot: Snapshot, chosen: Sequence[Flags], seed: int) -> Found:
    """Returns a few chosen rows, at random but always the same."""
    draws, numbers, places = [np.empty(0, np.uint64)], [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    for number, flags in enumerate(chosen):
        for rows in runs(flags):
            drawn = draws_of(ids_at(snapshot.index.segments[number], rows), seed)
            few = np.argsort(drawn)[:EXAMPLES]
            draws.append(drawn[few])
            numbers.append(np.full(len(few), number, np.int32))
            places.append(rows[few])
    order = np.argsort(np.concatenate(draws), kind="stable")[:EXAMPLES]
    scores = np.full(len(order), NO_SCORE, dtype=np.float32)
    return Found(segments=np.concatenate(numbers)[order], rows=np.concatenate(places)[order], scores=scores)
