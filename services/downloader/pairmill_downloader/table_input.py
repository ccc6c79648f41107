"""Reading tables of any of the usual kinds in bounded memory, cut into the rows of shards."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from pairmill.errors import ConfigurationError

BATCH_ROWS: Final = 10_000
_BLOCK_BYTES: Final = 8 * 2**20
_GZIP: Final = ".gz"

_UNREADABLE: Final = (
    pa.ArrowException,
    OSError,
    EOFError,  # a compressed file ends early
    zlib.error,
    UnicodeDecodeError,
    csv.Error,
    RecursionError,  # of JSON that is nested too deep
    KeyError,  # of a column that is there twice
)

Batches = Iterator[pa.Table]


def input_files(tables: Sequence[Path]) -> list[Path]:
    """Returns the files to read, those of a folder by name; raises ConfigurationError if one is unknown."""
    files: list[Path] = []
    for table in tables:
        if table.is_dir():
            found = sorted(path for path in table.iterdir() if _kind(path) in _READERS)
            if not found:
                kinds = ", ".join(_READERS)
                raise ConfigurationError(f"TABLE: there is no table in folder {table}; known are {kinds}")
            files += found
        else:
            files.append(table)
    unknown = [path for path in files if _kind(path) not in _READERS]
    if unknown:
        raise ConfigurationError(
            "\n".join(
                f"TABLE: {path} is of no known kind; known are {', '.join(_READERS)}" for path in unknown
            )
        )
    return files


def rows_of(files: Sequence[Path], columns: Sequence[str]) -> Batches:
    """Yields the columns of all files, in order, in tables of bounded size.

    Raises ConfigurationError where a column is missing or a file cannot be read.
    """
    for path in files:
        with _reading(path):
            yield from _READERS[_kind(path)](path, columns)


def count_rows(files: Sequence[Path]) -> int | None:
    """Returns the number of rows, or None where that would take reading them.

    Raises ConfigurationError where a file cannot be read.
    """
    if any(_kind(path) != ".parquet" for path in files):
        return None
    rows = 0
    for path in files:
        with _reading(path):
            rows += pq.read_metadata(path).num_rows
    return rows


def shards_of(batches: Batches, rows: int) -> Iterator[pa.Table]:
    """Yields tables of exactly so many rows, the last one with fewer."""
    held: list[pa.Table] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += len(batch)
        while count >= rows:
            whole = _joined(held)
            yield whole.slice(0, rows)
            held, count = [whole.slice(rows)], count - rows
    if count:
        yield _joined(held)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Returns tables as one; a column whose types differ from file to file is told value by value."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:
        names = tables[0].column_names
        return pa.table(
            {name: _column([value for one in tables for value in one[name].to_pylist()]) for name in names}
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Says of a file that breaks whatever reads it that it cannot be read."""
    try:
        yield
    except _UNREADABLE as error:
        raise ConfigurationError(f"TABLE: {path} cannot be read: {error}") from error


def _kind(path: Path) -> str:
    name = path.name.lower()
    return Path(name.removesuffix(_GZIP)).suffix


def _parquet(path: Path, columns: Sequence[str]) -> Batches:
    with pq.ParquetFile(path) as file:
        _require(path, columns, file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            table = pa.Table.from_batches([batch]).select(list(columns))
            table.validate(full=True)  # or a text that is no UTF-8 breaks whatever looks at it
            yield table


def _delimited(delimiter: str) -> Callable[[Path, Sequence[str]], Batches]:
    def read(path: Path, columns: Sequence[str]) -> Batches:
        with _open(path) as head:
            names = next(_csv_names(head, delimiter), [])
        _require(path, columns, names)
        options = pc.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        )
        with (
            _open(path) as file,
            pc.open_csv(
                file,
                read_options=pc.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=options,
            ) as reader,
        ):
            for batch in reader:
                yield pa.Table.from_batches([batch])

    return read


def _csv_names(file: IO[bytes], delimiter: str) -> Iterator[list[str]]:
    lines = (line.decode("utf-8-sig") for line in file)
    yield from csv.reader(lines, delimiter=delimiter)


def _json_lines(path: Path, columns: Sequence[str]) -> Batches:
    with _open(path) as file:
        yield from _of_objects(path, columns, (line for line in file if line.strip()))


def _json_array(path: Path, columns: Sequence[str]) -> Batches:
    with _open(path) as file:
        try:
            items = json.load(file)
        except ValueError as error:
            raise ConfigurationError(f"TABLE: {path} is no JSON: {error}") from error
    if not isinstance(items, list):
        raise ConfigurationError(f"TABLE: {path} is no array of objects; lines of JSON are called .jsonl")
    yield from _of_objects(path, columns, iter(items))


def _text(path: Path, columns: Sequence[str]) -> Batches:
    """A URL a line."""
    _require(path, columns[1:], [])
    with _open(path) as file:
        lines = (line.decode().strip() for line in file)
        for values in _grouped(line for line in lines if line):
            yield pa.table({columns[0]: pa.array(values, pa.string())})


def _of_objects(path: Path, columns: Sequence[str], items: Iterator[Any]) -> Batches:
    known: set[str] = set()
    rows = (_object(path, number, item) for number, item in enumerate(items, 1))
    for batch in _grouped(rows):
        for row in batch:
            known.update(row)
        _require(path, columns, sorted(known))
        yield pa.table({name: _column([row.get(name) for row in batch]) for name in columns})


def _object(path: Path, number: int, item: Any) -> dict[str, Any]:
    try:
        row = json.loads(item) if isinstance(item, bytes) else item
    except ValueError as error:
        raise ConfigurationError(f"TABLE: {path} line {number} is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise ConfigurationError(f"TABLE: {path} row {number} is no object")
    return row


def _column(values: list[Any]) -> pa.Array[Any]:
    """Returns values as a column; what has no common type as its JSON."""
    try:
        column: pa.Array[Any] = pa.array(values)
        return column
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return pa.array([None if value is None else _as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str:
    """Returns a value as text that a file may hold: no lone surrogates."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.encode(errors="replace").decode()


def _grouped(items: Iterator[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    for item in items:
        group.append(item)
        if len(group) >= BATCH_ROWS:
            yield group
            group = []
    if group:
        yield group


def _require(path: Path, columns: Sequence[str], found: Sequence[str]) -> None:
    missing = [name for name in columns if name not in found]
    if missing:
        there = ", ".join(found[:50]) or "none"
        raise ConfigurationError(
            f"TABLE: {path} has no column {', '.join(missing)}; it has: {there}. "
            "Name yours with --url-column, --caption-column and --save-additional-columns"
        )


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.name.lower().endswith(_GZIP) else path.open("rb")  # type: ignore[return-value] # a binary file too


_READERS: Final = {
    ".parquet": _parquet,
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_array,
    ".txt": _text,
}
