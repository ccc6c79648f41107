"""Numbers of rows: the protocol knows no 128-bit ids.

A number is good for one version of the index: the place of the segment in it, and the row. It has at most 53
bits, so that JavaScript reads it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pairmill_explorer.errors import NotFoundError
from pairmill_explorer.search.found import NO_SCORE, Found
from pairmill_index.opened import OpenIndex, OpenSegment

ROW_BITS: Final = 40
_ROWS: Final = 1 << ROW_BITS


def numbers_of(found: Found) -> list[int]:
    """Returns the number of each row."""
    numbers: list[int] = ((found.segments.astype(np.int64) << ROW_BITS) | found.rows).tolist()
    return numbers


def found_by(numbers: Sequence[int], index: OpenIndex) -> Found:
    """Returns the rows with these numbers; raises NotFoundError for one that this version does not have.

    A row that was removed has its number still, which can be guessed: it is not there either.
    """
    for place, number in enumerate(numbers):
        segment, row = divmod(number, _ROWS)
        if not (0 <= segment < len(index.segments) and _is_there(index.segments[segment], row)):
            raise NotFoundError(f"ids[{place}]", f"{number} is no id of this version of the index")
    given = np.asarray(numbers, dtype=np.int64)
    return Found(
        segments=(given >> ROW_BITS).astype(np.int32),
        rows=given & (_ROWS - 1),
        scores=np.full(len(given), NO_SCORE, dtype=np.float32),
    )


def _is_there(segment: OpenSegment, row: int) -> bool:
    return row < segment.rows and bool(segment.alive[row])
