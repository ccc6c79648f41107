"""Random filters, and what they mean, said a second time over parquet."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pairmill_protos.explorer.v1.search_pb2 import Filters, Range, SafeMode

SCORES: Final = {
    "similarity": (-0.3, 0.5),
    "unsafe_score": (0.0, 1.0),
    "watermark_score": (0.0, 1.0),
    "aesthetic_score": (0.0, 10.0),
    "toxicity": (0.0, 1.0),
}
SIZES: Final = {"width": (64, 3000), "height": (0, 3000)}
LISTS: Final = {
    "buckets": ("bucket", ("en", "multi", "nolang")),
    "languages": ("language", ("en", "de", "fr", "ja", "es", "", "xx")),
    "verdicts": ("verdict", ("kept", "filtered", "failed")),
    "reasons": ("reason", ("", "low_similarity", "unsafe", "never")),
    "hosts": ("host", tuple(f"h{number}.example" for number in range(12))),
    "crawls": ("crawl", ("CC-MAIN-2024-10", "CC-MAIN-2024-18")),
    "licences": ("licence", ("", "CC0", "CC BY 4.0")),
}
TEXTS: Final = ("red", "BLUE", "katze", "été", "ÉTÉ", "赤い", "e", "<b>", "50%_OFF", "tree red", "nowhere")


def random_filters(draw: random.Random) -> Filters:
    """Returns filters of one to four conditions."""
    filters = Filters(safe_mode=draw.choice([SafeMode.SAFE_MODE_HIDE, SafeMode.SAFE_MODE_SHOW]))
    for _ in range(draw.randint(1, 4)):
        draw.choice([_add_list, _add_range, _add_range, _add_aspect, _add_time, _add_text])(filters, draw)
    return filters


def parquet_rows(rows: pa.Table, path: Path) -> ds.Dataset:
    """Returns rows as a parquet file that is read anew for each question."""
    plain = pa.table({name: _decoded(rows.column(name)) for name in rows.column_names})
    plain = plain.append_column("number", pa.array(range(len(plain))))
    pq.write_table(plain, path, row_group_size=3000)
    return ds.dataset(path)


def meaning(filters: Filters, max_unsafe_score: float) -> pc.Expression:
    """Returns filters as a condition on parquet rows."""
    condition = pc.scalar(True)
    for part in _parts(filters, max_unsafe_score):
        condition &= part
    return condition


def _parts(filters: Filters, max_unsafe_score: float) -> Iterator[pc.Expression]:
    for name, (column, _) in LISTS.items():
        if values := list(getattr(filters, name)):
            yield pc.field(column).isin(values)
    for name in (*SCORES, *SIZES):
        if filters.HasField(name):  # type: ignore[arg-type]  # fields by their names
            kind = pa.float32() if name in SCORES else pa.float64()
            yield from _within(pc.field(name), getattr(filters, name), kind)
    if filters.HasField("aspect"):
        least = pa.scalar(1, pa.int32())
        height = pc.if_else(pc.field("height") >= least, pc.field("height"), pa.scalar(None, pa.int32()))
        aspect = pc.field("width").cast(pa.float64()) / height.cast(pa.float64())
        yield from _within(pc.field("width"), Range(min=1), pa.float64())
        yield pc.is_valid(aspect)
        yield from _within(aspect, filters.aspect, pa.float64())
    if filters.HasField("fetched_at"):
        yield from _in_time(filters)
    if filters.text_contains:
        yield pc.match_substring(pc.utf8_lower(pc.field("text")), filters.text_contains.lower())
    if filters.safe_mode != SafeMode.SAFE_MODE_SHOW:
        yield from _within(pc.field("unsafe_score"), Range(max=max_unsafe_score), pa.float32())


def _within(value: pc.Expression, given: Range, kind: pa.DataType) -> Iterator[pc.Expression]:
    if given.HasField("min"):
        yield value >= pa.scalar(given.min, kind)
    if given.HasField("max"):
        yield value <= pa.scalar(given.max, kind)


def _in_time(filters: Filters) -> Iterator[pc.Expression]:
    kind = pa.timestamp("us", tz="UTC")
    start = getattr(filters.fetched_at, "from")
    if filters.fetched_at.HasField("from"):
        yield pc.field("fetched_at") >= pa.scalar(start.seconds * 1_000_000, pa.int64()).cast(kind)
    if filters.fetched_at.HasField("before"):
        end = filters.fetched_at.before
        yield pc.field("fetched_at") < pa.scalar(end.seconds * 1_000_000, pa.int64()).cast(kind)


def _add_list(filters: Filters, draw: random.Random) -> None:
    name = draw.choice(sorted(LISTS))
    values = LISTS[name][1]
    field: Any = getattr(filters, name)
    del field[:]
    field.extend(draw.sample(values, draw.randint(1, max(1, len(values) - 1))))


def _add_range(filters: Filters, draw: random.Random) -> None:
    name = draw.choice(sorted({**SCORES, **SIZES}))
    low, high = {**SCORES, **SIZES}[name]
    width = (high - low) * draw.choice([0.02, 0.1, 0.4, 0.8])
    start = round(draw.uniform(low, high - width), 2 if name in SCORES else 0)
    given: Range = getattr(filters, name)
    given.Clear()
    given.SetInParent()
    if draw.random() < 0.8:
        given.min = start
    if draw.random() < 0.8 or not given.HasField("min"):
        given.max = round(start + width, 2)


def _add_aspect(filters: Filters, draw: random.Random) -> None:
    filters.aspect.min = draw.uniform(0.2, 1.5)
    filters.aspect.max = filters.aspect.min * draw.choice([1.01, 1.5, 4.0])


def _add_time(filters: Filters, draw: random.Random) -> None:
    start = draw.randint(1_700_000_000, 1_729_000_000)
    filters.fetched_at.Clear()
    getattr(filters.fetched_at, "from").seconds = start
    if draw.random() < 0.7:
        filters.fetched_at.before.seconds = start + draw.choice([86_400, 5_000_000])


def _add_text(filters: Filters, draw: random.Random) -> None:
    filters.text_contains = draw.choice(TEXTS)


def _decoded(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
