"""Shards: tar and index of each unit, against each other and against the ledger (G6)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset import roles
from pairmill.dataset.audit.identity import check_ids
from pairmill.dataset.audit.work import Work, batches, spread
from pairmill.dataset.funnel import FAILED, PASSED
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.recount import Fact
from pairmill.dataset.tars import IMAGE_EXTENSIONS, BadTarError, Member, is_image, members
from pairmill.idarrays import words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.schemas import SHARD_INDEX

SHARD_ROLES: Final = (roles.SHARD, roles.SHARD_INDEX, roles.SHARD_STATS, roles.KEPT_SHARD)
SPOT_CHECKS: Final = 50
_COLUMNS: Final = [
    "key",
    "sample_id",
    "url_id",
    "url",
    "caption",
    "status",
    "outcome",
    "reason",
    "tar_offset",
    "tar_size",
]


@dataclass(slots=True)
class Indexed:
    """What an index says of the tar beside it, as far as it could be read."""

    images: dict[str, tuple[int, int, str]] = field(default_factory=dict)  # (offset, size, caption) by key
    is_read: bool = False
    order: list[str] | None = None  # keys in the order that the tar has to have


def check_shards(work: Work) -> None:
    """Checks all shards, one after the other; the manifest's order puts a unit's files together."""
    entries = work.dataset.files(*SHARD_ROLES)
    for _, group in groupby(entries, key=lambda entry: unit_name(entry.path)):
        _check_unit({entry.role: entry for entry in group}, work)


def unit_name(path: str) -> str:
    """Returns what the names of a unit's files share: the path without extension and `_stats`."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{name.rpartition('.')[0].removesuffix('_stats')}"


def _check_unit(entries: Mapping[str, FileEntry], work: Work) -> None:
    indexed = Indexed()
    index, tar = entries.get(roles.SHARD_INDEX), entries.get(roles.SHARD)
    if index is not None:
        _check_index(index, indexed, work)
    elif tar is not None:
        work.findings.add("shard", tar.path, "the shard has no index")
    if tar is not None:
        check_tar(tar, indexed, work)
    if roles.KEPT_SHARD in entries:
        check_tar(entries[roles.KEPT_SHARD], Indexed(), work)
    if roles.SHARD_STATS in entries:
        work.check(entries[roles.SHARD_STATS])


def _check_index(entry: FileEntry, indexed: Indexed, work: Work) -> None:
    tally: Counter[tuple[str, str]] = Counter()
    number, rank = work.recount.file(entry.path), work.lineage.rank(entry)

    def inspect(file: pq.ParquetFile) -> None:
        last = ""
        for table in batches(file, _COLUMNS):
            last = _check_order(entry, [key or "" for key in table.column("key").to_pylist()], last, work)
            _check_rows(entry, table, work)
            check_ids(entry, table.take([*spread(len(table), SPOT_CHECKS)]), "url", "caption", work)
            outcomes, reasons = table.column("outcome").to_pylist(), table.column("reason").to_pylist()
            ends = [(outcome or "", reason or "") for outcome, reason in zip(outcomes, reasons, strict=True)]
            tally.update(ends)
            facts = [Fact.PASSED if outcome == PASSED else Fact.FAILED for outcome in outcomes]
            work.recount.add(
                words_of_hex(table.column("sample_id").combine_chunks(), ID_BYTES),
                np.array(facts, dtype=np.int8),
                file=number,
                rank=rank,
                ends=[work.recount.end(*end) for end in ends],
            )
            passed = pa.array([outcome == PASSED for outcome in outcomes], pa.bool_())
            indexed.images |= images_of(table.filter(passed))
        indexed.is_read = True
        work.compare_tally(entry, tally)

    work.check_parquet(entry, SHARD_INDEX, inspect)


def _check_order(entry: FileEntry, keys: list[str], last: str, work: Work) -> str:
    for key in keys:
        if key <= last:
            problem = "stands twice" if key == last else "does not follow in order"
            work.findings.add("shard", entry.path, f"key {key} {problem}")
            break
        last = key
    return max([last, *keys])


def _check_rows(entry: FileEntry, table: pa.Table, work: Work) -> None:
    """Rows whose columns contradict each other."""
    wrong: dict[str, list[str]] = {}
    for row in table.select(["key", "sample_id", "status", "outcome", "reason"]).to_pylist():
        for problem in _contradictions(row):
            wrong.setdefault(problem, []).append(str(row["key"]))
    for problem, keys in wrong.items():
        work.findings.add_rows("shard", entry.path, problem, keys, len(keys))


def _contradictions(row: Mapping[str, str | None]) -> Iterator[str]:
    outcome, reason, status = row["outcome"], row["reason"] or "", row["status"] or ""
    if row["key"] != row["sample_id"]:
        yield "key and sample_id differ"
    if outcome not in (PASSED, FAILED):
        yield f"the outcome {outcome!r} is neither passed nor failed"
    elif (outcome == PASSED) != (not reason):
        yield "a failed row needs a reason, a passed one has none"
    elif (outcome == PASSED) != (status == "success"):
        yield "status and outcome contradict each other"


def images_of(table: pa.Table) -> dict[str, tuple[int, int, str]]:
    """Returns (tar_offset, tar_size, caption) by key; -1 where an index says nothing."""
    columns = (table.column(name).to_pylist() for name in ("key", "tar_offset", "tar_size", "caption"))
    return {
        key: (offset if offset is not None else -1, size if size is not None else -1, caption or "")
        for key, offset, size, caption in zip(*columns, strict=True)
    }


def check_tar(entry: FileEntry, indexed: Indexed, work: Work) -> None:
    """Checks a tar's members, and that they are what its index says, if that was read."""

    def inspect(path: Path) -> None:
        try:
            samples = grouped(path)
        except BadTarError as error:
            work.findings.add("shard", entry.path, str(error))
            return
        work.compare_rows(entry, len(samples))
        for problem, keys in _incomplete(samples).items():
            work.findings.add_rows("shard", entry.path, problem, keys, len(keys))
        if indexed.order is not None and list(samples) != indexed.order:
            work.findings.add("shard", entry.path, "its samples are not those of its index, in order")
        if indexed.is_read:
            _compare_with_index(entry, samples, indexed, work)
        _spot_check(entry, path, samples, indexed, work)

    work.check(entry, inspect)


def grouped(path: Path) -> dict[str, dict[str, Member]]:
    """Returns the members of each key by extension, in the tar's order.

    Raises BadTarError if a key's members do not stand together or one stands twice.
    """
    samples: dict[str, dict[str, Member]] = {}
    last = ""
    for member in members(path):
        if member.key in samples and (member.key != last or member.extension in samples[member.key]):
            raise BadTarError(f"key {member.key} stands twice in the tar")
        samples.setdefault(member.key, {})[member.extension] = member
        last = member.key
    return samples


def _incomplete(samples: Mapping[str, Mapping[str, Member]]) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    for key, parts in samples.items():
        images = parts.keys() & IMAGE_EXTENSIONS
        if len(images) != 1:
            wrong.setdefault("a sample needs one image", []).append(key)
        for extension in ("txt", "json"):
            if extension not in parts:
                wrong.setdefault(f"a sample has no .{extension}", []).append(key)
        if extra := parts.keys() - IMAGE_EXTENSIONS - {"txt", "json"}:
            wrong.setdefault(f"a sample has a .{min(extra)}", []).append(key)
    return wrong


def _compare_with_index(
    entry: FileEntry, samples: Mapping[str, Mapping[str, Member]], indexed: Indexed, work: Work
) -> None:
    for problem, keys in (
        ("in the tar, but not in the index as downloaded", samples.keys() - indexed.images.keys()),
        ("downloaded by the index, but not in the tar", indexed.images.keys() - samples.keys()),
    ):
        if keys:
            work.findings.add_rows("shard", entry.path, problem, sorted(keys), len(keys))
    astray = []
    for key, (offset, size, _) in indexed.images.items():
        image = image_of(samples.get(key, {}))
        if image is not None and (image.offset, image.size) != (offset, size):
            astray.append(key)
    if astray:
        problem = "tar_offset and tar_size of the index do not point at the image"
        work.findings.add_rows("shard", entry.path, problem, astray, len(astray))


def image_of(parts: Mapping[str, Member]) -> Member | None:
    """Returns the image among the members of a sample, if there is one."""
    return next((parts[name] for name in sorted(parts.keys() & IMAGE_EXTENSIONS)), None)


def _spot_check(
    entry: FileEntry, path: Path, samples: Mapping[str, Mapping[str, Member]], indexed: Indexed, work: Work
) -> None:
    """Reads some samples: is the image one, the text the caption, the JSON about this key?"""
    keys = list(samples)
    with path.open("rb") as file:

        def read(member: Member, most: int) -> bytes:
            file.seek(member.offset)
            return file.read(min(member.size, most))

        for place in spread(len(keys), SPOT_CHECKS):
            key = keys[place]
            parts = samples[key]
            image = image_of(parts)
            if image is not None and not is_image(read(image, 16), image.extension):
                work.findings.add("shard", entry.path, f"{image.name} is no {image.extension} image")
            if "txt" in parts and key in indexed.images:
                text = read(parts["txt"], parts["txt"].size).decode(errors="replace")
                if text != indexed.images[key][2]:
                    work.findings.add("shard", entry.path, f"{key}.txt is not the caption of the index")
            if "json" in parts and not _is_about(read(parts["json"], parts["json"].size), key):
                work.findings.add("shard", entry.path, f"{key}.json is not about this sample")


def _is_about(data: bytes, key: str) -> bool:
    try:
        fields = json.loads(data)
    except ValueError:
        return False
    return isinstance(fields, dict) and key in (fields.get("key"), fields.get("sample_id"))
