"""Dead letters of a run: units that were given up, and messages that were no tasks (U13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pairmill.bus.factory import open_bus
from pairmill.bus.port import Message, TopicPartition
from pairmill.dataset import roles
from pairmill.dataset.funnel import closing_rows
from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.units import DEAD_LETTERS_TOPIC
from pairmill_standalone.workspace import STATE_FOLDER

SHOWN_ROWS: Final = 20
SHOWN_BYTES: Final = 256
_BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter."""

    name: str  # the unit, or topic:partition:offset of a message
    stage: str  # of a unit; the topic of a message
    rows: int  # candidates that a unit held; 0 for a message
    error: str
    raw: bytes = b""  # the message as it was

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        facts = asdict(self)
        del facts["raw"]
        return facts


def letters_of(folder: Path, state_dir: Path | None) -> list[Letter]:
    """Returns the dead letters of a dataset and of the queue that made it, as far as both are there."""
    has_dataset = (folder / MANIFEST_NAME).exists()
    queue = (state_dir or folder / STATE_FOLDER) / "bus.db"
    if not has_dataset and not queue.exists():
        raise ConfigurationError(f"DIR: {folder}: there is neither a dataset nor a run here")
    units = list(_units(Dataset.open(folder))) if has_dataset else []
    return [*units, *(_messages(queue) if queue.exists() else ())]


def contents_of(folder: Path, letter: Letter) -> Mapping[str, Any]:
    """Returns what a letter holds: the first candidates of a unit, or the start of a message."""
    if letter.raw:
        return {"bytes": len(letter.raw), "raw_hex": letter.raw[:SHOWN_BYTES].hex()}
    rows: list[dict[str, Any]] = []
    for batch in Dataset.open(folder).rows(roles.DEAD_LETTERS, ["unit_id", "sample_id", "url", "text"]):
        for row in batch.to_pylist():
            if row.pop("unit_id") == letter.name and len(rows) < SHOWN_ROWS:
                rows.append(row)
    return {"candidates": rows}


def _units(dataset: Dataset) -> Iterator[Letter]:
    for row in closing_rows(dataset.ledger()):
        if row.kind == "failed":
            yield Letter(name=row.unit_id, stage=row.stage, rows=row.rows_in, error=row.error)


def _messages(queue: Path) -> Iterator[Letter]:
    with open_bus(f"sqlite://{queue.absolute()}") as bus:
        for partition in range(bus.partitions(DEAD_LETTERS_TOPIC)):
            source, position = TopicPartition(DEAD_LETTERS_TOPIC, partition), 0
            while messages := bus.read(source, start=position, max_records=_BATCH):
                yield from map(_letter, messages)
                position = messages[-1].offset + 1


def _letter(message: Message) -> Letter:
    facts = {name: value.decode(errors="replace") for name, value in message.headers}
    topic = facts.get("dlq-topic", "")
    return Letter(
        name=f"{topic}:{facts.get('dlq-partition', '')}:{facts.get('dlq-offset', '')}",
        stage=topic,
        rows=0,
        error=facts.get("dlq-error", ""),
        raw=message.value or b"\0",
    )
