"""Images as they are shown: as stored, or smaller."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

import structlog

from pairmill.dataset.tars import IMAGE_EXTENSIONS, is_image
from pairmill.errors import CorruptObjectError
from pairmill_explorer.caching import ByteCache
from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError
from pairmill_explorer.images.children import ImageChildren
from pairmill_explorer.images.stored import ImagePlace, read_image
from pairmill_explorer.images.work import ToThumbnail
from pairmill_explorer.search.conditions import hides_unsafe
from pairmill_explorer.search.found import one_row
from pairmill_explorer.search.query import sample_row
from pairmill_explorer.search.samples import columns_of, samples_of
from pairmill_protos.explorer.v1.search_pb2 import SafeMode

SIDES: Final = (128, 192, 256, 320, 480, 640, 1024, 2048)
"""Sides that thumbnails are made with: any other would be made and kept once more."""

_SMALL_BYTES: Final = 48 * 2**10

log = structlog.get_logger(__name__)


class Thumbnails:
    """Shows stored images. Thread-safe."""

    def __init__(self, children: ImageChildren, *, max_bytes: int) -> None:
        """At most so many bytes of small images are kept."""
        self._children = children
        self.cache: ByteCache[Hashable, bytes] = ByteCache(max_bytes, len)

    def image(
        self, snapshot: Snapshot, sample_id: str, max_side: int, safe_mode: SafeMode.ValueType
    ) -> bytes | None:
        """Returns an image file of at most about `max_side` pixels a side; as stored without one (0).

        None where no bytes are stored, where they are damaged, and where the mode hides the sample (H6).
        Raises RequestError for what is wrong, RetriableError while the store or all children are busy.
        """
        side = _side(max_side)
        index = snapshot.index
        place, row = sample_row(index, sample_id, "sample_id")
        found = one_row(place, row)
        sample = samples_of(index, found, snapshot.rules)[0]
        if not sample.has_image or (sample.unsafe and hides_unsafe(safe_mode, "safe_mode")):
            return None
        where = columns_of(index, found, ("shard", "tar_offset", "tar_size"))
        stored = ImagePlace(tar=where["shard"][0], offset=where["tar_offset"][0], size=where["tar_size"][0])
        key = (snapshot.name, stored, side)
        shown = self.cache.get(key)
        if shown is None:
            shown = self._shown(snapshot, stored, sample.sample_id, max(sample.width, sample.height), side)
            if shown is not None and side:
                self.cache.put(key, shown)
        return shown

    def _shown(
        self, snapshot: Snapshot, place: ImagePlace, sample_id: str, longest: int, side: int
    ) -> bytes | None:
        try:
            data = read_image(snapshot.store, place, sample_id)
        except CorruptObjectError as error:
            log.warning("image_damaged", dataset=snapshot.name, sample_id=sample_id, error=str(error))
            return None
        if data is None or not any(is_image(data, extension) for extension in IMAGE_EXTENSIONS):
            return None
        if not side or (longest <= side and len(data) <= _SMALL_BYTES):
            return data
        made = self._children.ask(ToThumbnail(data=data, side=side))
        return made if isinstance(made, bytes) else None


def _side(max_side: int) -> int:
    """Returns the side that a thumbnail is made with: the next larger one that there is; 0 for as stored."""
    if max_side < 0 or max_side > SIDES[-1]:
        raise BadRequestError(
            "side", f"is {max_side:,}; 1 to {SIDES[-1]:,} is wanted, or 0 for the image as stored"
        )
    return next(side for side in (0, *SIDES) if side >= max_side)
