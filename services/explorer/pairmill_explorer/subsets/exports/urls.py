"""URL and text as parquet, as downloaders take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pairmill.schemas import versioned
from pairmill_explorer.subsets.exports.job import PartRecord
from pairmill_explorer.subsets.exports.layout import part_name
from pairmill_explorer.subsets.exports.rows import columns_of
from pairmill_explorer.subsets.exports.sink import write_parquet
from pairmill_explorer.subsets.exports.writers import Target
from pairmill_explorer.subsets.order import Places, by_id, in_order
from pairmill_explorer.subsets.segments import Flags


class UrlWriter:
    """Writes parts in order of `sample_id`, which spreads hosts evenly over them."""

    at_once = 2

    def __init__(self, target: Target, chosen: Sequence[Flags]) -> None:
        self._target = target
        self._chosen = chosen

    def places(self) -> Iterator[Places]:
        """Yields all rows in order of `sample_id`."""
        return in_order(self._target.index.segments, self._chosen, by_id)

    def write(self, number: int, places: Places) -> PartRecord:
        """Writes a file with `url`, `caption` and `sample_id`."""
        self._target.check()
        rows = columns_of(self._target.index.segments, places, ["url", "text", "sample_id"])
        table = rows.rename_columns(["url", "caption", "sample_id"])
        table = table.cast(versioned(table.schema))
        written = self._target.sink.put(
            part_name(number, ".parquet"),
            len(table),
            lambda file: write_parquet(file, table),
        )
        self._target.advance(len(table), written.bytes)
        return PartRecord(number=number, rows=len(table), files=(written,))

    def close(self) -> None:
        """Nothing is open."""
