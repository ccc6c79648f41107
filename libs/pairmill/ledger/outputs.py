"""What counted units wrote, as far as a barrier will ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from pairmill.ledger.phases import SCORES_ROLE
from pairmill_protos.unit.v1.unit_pb2 import References, Stage, UnitDone

CANDIDATES_ROLE: Final = "candidates"
SEEN_ROLE: Final = "seen"

_ROLE_READ: Final = {
    Stage.STAGE_CRAWL: CANDIDATES_ROLE,
    Stage.STAGE_PLAN: SEEN_ROLE,
    Stage.STAGE_SCORE: SCORES_ROLE,
    Stage.STAGE_FINALISE: "",  # every role may be read by a later phase
}


class CountedOutputs:
    """The outputs of counted units that barriers read, serialised.

    Messages of one type merge when their bytes are joined (a rule of protobuf): so the outputs of
    many units are parsed as one message, in an order chosen when they are asked for.
    """

    def __init__(self) -> None:
        self._inline: dict[str, bytes] = {}
        self._listed: dict[str, bytes] = {}  # an object lists them: such messages must not be merged

    def keep(self, unit_id: str, stage: Stage.ValueType, record: UnitDone) -> None:
        """Keeps what a barrier reads of a counted unit's outputs."""
        role = _ROLE_READ.get(stage)
        if role is None:
            return
        if record.outputs.HasField("listed"):
            part = UnitDone(outputs=References(listed=record.outputs.listed))
            self._listed[unit_id] = part.SerializeToString()
            return
        refs = [ref for ref in record.outputs.inline if not role or ref.role == role]
        if refs:
            self._inline[unit_id] = UnitDone(outputs=References(inline=refs)).SerializeToString()

    def of(self, unit_ids: Iterable[str]) -> Iterator[UnitDone]:
        """Yields records with the units' outputs in the order of the units, and nothing else in them."""
        for is_listed, group in groupby(unit_ids, self._listed.__contains__):
            if is_listed:
                yield from (UnitDone.FromString(self._listed[unit_id]) for unit_id in group)
            else:
                yield UnitDone.FromString(b"".join(self._inline.get(unit_id, b"") for unit_id in group))

    def drop(self, unit_ids: Iterable[str]) -> None:
        """Forgets outputs that no barrier will ask for any more."""
        for unit_id in unit_ids:
            self._inline.pop(unit_id, None)
            self._listed.pop(unit_id, None)
