"""Values that labels of measures can have: the closed sets that the code counts in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, get_args

from pairmill.reasons import outcome_name, reason_name
from pairmill.rpc.metrics import CODES
from pairmill.stage.observer import UnitEnding
from pairmill.telemetry.endings import possible_endings
from pairmill.units import STAGE_TOPICS
from pairmill_explorer.metrics import STATUSES
from pairmill_gateway.metrics import STATES, TIMES
from pairmill_gateway.ports import Repeat
from pairmill_indexer.verdicts import Refusal
from pairmill_models.triton_port import RequestEnding
from pairmill_protos.explorer.v1.search_service_pb2 import DESCRIPTOR
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.docs.settings import SERVICES

_ENDINGS: Final = {ending for stage in Stage.values() for ending in possible_endings(stage)}
_SEARCH: Final = DESCRIPTOR.services_by_name["SearchService"]

KNOWN: Final[Mapping[str, set[str]]] = {
    "outcome": {outcome_name(outcome) for outcome, _ in _ENDINGS},
    "reason": {reason_name(reason) for _, reason in _ENDINGS} | set(Refusal),
    "result": {*get_args(UnitEnding), *get_args(RequestEnding), "hit", "miss"},
    "cause": {"dependency", "breaker", "work", "quota", *get_args(Repeat)},
    "state": set(STATES),
    "service": set(SERVICES),
    "job": {"pairmill", "triton"},
    "code": {code.name for code in CODES},
    "status": {str(status) for status in STATUSES},
    "times": set(TIMES),
    "standing": {"open", "closed", "planned", "ended", "passed"},
    "topic": {topic for topics in STAGE_TOPICS.values() for topic in topics},
    "method": {f"{_SEARCH.full_name}/{method.name}" for method in _SEARCH.methods},
    "alertname": {"PairmillOutage"},
    "alertstate": {"firing", "pending"},
}
"""By label, of all measures together."""


def is_possible(label: str, pattern: str) -> bool:
    """Whether a label can have a value that is selected; alternatives are to be asked one by one."""
    return any(re.fullmatch(pattern, value) for value in KNOWN[label])
