"""What two exports have and have not in common: a merge of their sorted ids, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from pairmill.dataset.source import files_of
from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.idarrays import Words, find, hex_of
from pairmill.store.local import folder_of
from pairmill.store.port import ObjectStore
from pairmill_explorer.subsets.exports.idfile import read_ids, words_in
from pairmill_explorer.subsets.exports.layout import ids_key

_STEP: Final = 1 << 20


@dataclass(slots=True)
class Difference:
    """Counts of ids, and some of those that one side alone has."""

    common: int = 0
    added: int = 0
    removed: int = 0
    added_ids: list[str] = field(default_factory=list)
    removed_ids: list[str] = field(default_factory=list)


def diff_of(
    store: ObjectStore, old: str, new: str, examples: int, *, scratch: Path, step: int = _STEP
) -> Difference:
    """Returns what two complete exports of a store have in common; raises CorruptObjectError for no ids.

    `scratch` is a folder for copies of ids that lie in a bucket.
    """
    files, found = files_of(folder_of(store) or store, scratch=scratch), Difference()
    try:
        with files.local(ids_key(old)) as old_path, files.local(ids_key(new)) as new_path:
            left, right = words_in(read_ids(old_path), step), words_in(read_ids(new_path), step)
            for before, after in _abreast(left, right):
                _compare(before, after, found, examples)
    except (ValueError, ObjectMissingError) as error:
        raise CorruptObjectError(f"the ids of an export cannot be read: {error}") from error
    return found


def _compare(before: Words, after: Words, found: Difference, examples: int) -> None:
    added = after[find(before, after) < 0]
    removed = before[find(after, before) < 0]
    found.common += len(after) - len(added)
    found.added += len(added)
    found.removed += len(removed)
    found.added_ids += _some(added, examples - len(found.added_ids))
    found.removed_ids += _some(removed, examples - len(found.removed_ids))


def _some(ids: Words, count: int) -> list[str]:
    return [str(text) for text in hex_of(ids[:count]).to_pylist()]


def _abreast(left: Iterator[Words], right: Iterator[Words]) -> Iterator[tuple[Words, Words]]:
    """Yields runs of both sides that cover the same interval of ids."""
    nothing = np.empty((0, 2), dtype=np.uint64)
    before, after = next(left, nothing), next(right, nothing)
    while len(before) and len(after):
        end = min(_last(before), _last(after))
        yield _upto(before, end), _upto(after, end)
        before, after = _behind(before, end), _behind(after, end)
        before = before if len(before) else next(left, nothing)
        after = after if len(after) else next(right, nothing)
    while len(before) or len(after):
        yield before, after
        before, after = next(left, nothing), next(right, nothing)


def _last(ids: Words) -> tuple[int, int]:
    return int(ids[-1, 0]), int(ids[-1, 1])


def _upto(ids: Words, end: tuple[int, int]) -> Words:
    return ids[: _count_upto(ids, end)]


def _behind(ids: Words, end: tuple[int, int]) -> Words:
    return ids[_count_upto(ids, end) :]


def _count_upto(ids: Words, end: tuple[int, int]) -> int:
    """Returns how many ids are not above an end."""
    first = int(np.searchsorted(ids[:, 0], np.uint64(end[0]), side="left"))
    level = int(np.searchsorted(ids[:, 0], np.uint64(end[0]), side="right"))
    return first + int(np.searchsorted(ids[first:level, 1], np.uint64(end[1]), side="right"))
