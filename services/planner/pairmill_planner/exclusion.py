"""The exclusion list: `url_id`s that a job leaves out, named by digest (U8)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from pairmill.errors import InvalidRecordError
from pairmill.idarrays import Flags, Words, ascending, find, words_of_bytes
from pairmill.ids import ID_BYTES

_PIECE_BYTES: Final = 4 * 2**20


def excluded_urls(path: Path, wanted: Words) -> Flags:
    """Returns which URLs, given ascending and each once, stand on a list of sorted 16-byte values.

    Reads the list in pieces. Raises InvalidRecordError if it is no such list.
    """
    found = np.zeros(len(wanted), dtype=np.bool_)
    last = np.empty((0, 2), dtype=np.uint64)
    with path.open("rb") as file:
        while data := file.read(_PIECE_BYTES):
            if len(data) % ID_BYTES:
                raise InvalidRecordError(f"exclusion list: its size is no multiple of {ID_BYTES} bytes")
            piece = np.concatenate([last, words_of_bytes(data, ID_BYTES)])
            if not np.array_equal(ascending(piece), np.arange(len(piece))):
                raise InvalidRecordError("exclusion list: its ids are not sorted")
            found |= find(piece, wanted) >= 0
            last = piece[-1:]
    return found
