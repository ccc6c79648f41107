"""What a stage of a cluster asks the gateway before work, and what it does without an answer (U2a)."""

from __future__ import annotations

from collections.abc import Sequence

from pairmill.errors import RetriableError
from pairmill.stage.asking import GatewayRegistry
from pairmill.stage.standing import Standing
from pairmill_protos.gateway.v1.unit_service_pb2 import UnitKey, UnitStanding
from tests.fakes.clock import ManualClock
from tests.fakes.ledger import toy_root

TASKS = list(toy_root(3, 3, 1).crawl_tasks(0))


class ScriptedGateway:
    """Answers that only the first unit is wanted, and that it was started twice; or is away."""

    def __init__(self) -> None:
        self.away = False
        self.asked: list[list[str]] = []

    def ask(self, units: Sequence[UnitKey]) -> Sequence[UnitStanding]:
        self.asked.append([unit.unit_id for unit in units])
        if self.away:
            raise RetriableError("away")
        first = UnitStanding(wanted=True, starts=2)
        return [first, *(UnitStanding(wanted=False) for _ in units[1:])]


def test_u2a_all_units_are_asked_for_in_one_call() -> None:
    gateway = ScriptedGateway()
    standings = GatewayRegistry(gateway, ManualClock()).ask(TASKS)
    assert standings == [Standing(wanted=True, starts=2), Standing(wanted=False), Standing(wanted=False)]
    assert gateway.asked == [[task.unit_id for task in TASKS]]


def test_u2a_without_an_answer_all_is_wanted() -> None:
    gateway = ScriptedGateway()
    gateway.away = True
    assert GatewayRegistry(gateway, ManualClock()).ask(TASKS) == [Standing(wanted=True)] * 3


def test_f1_a_gateway_that_is_away_is_asked_ever_more_rarely() -> None:
    gateway, clock = ScriptedGateway(), ManualClock()
    gateway.away = True
    registry = GatewayRegistry(gateway, clock, draw=lambda: 1.0)
    for _ in range(600):
        registry.ask(TASKS)
        clock.sleep(0.1)
    assert len(gateway.asked) <= 8
    gateway.away = False
    clock.sleep(30.0)
    assert not registry.ask(TASKS)[1].wanted
    clock.sleep(0.01)
    assert not registry.ask(TASKS)[1].wanted, "it answers again, so it is asked each time"
