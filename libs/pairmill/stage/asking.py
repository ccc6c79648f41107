"""Asks the gateway of a cluster for the standing of units (U2a)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from pairmill.clock import Clock
from pairmill.errors import RetriableError
from pairmill.stage.breaker import Backoff
from pairmill.stage.standing import Standing
from pairmill_protos.gateway.v1.unit_service_pb2 import UnitKey, UnitStanding
from pairmill_protos.unit.v1.unit_pb2 import UnitTask

log = structlog.get_logger(__name__)


class Gateway(Protocol):
    """Whoever answers for the gateway."""

    def ask(self, units: Sequence[UnitKey]) -> Sequence[UnitStanding]:
        """Returns the standing of each unit, in order; raises RetriableError where there is no answer."""
        ...


class GatewayRegistry:
    """The registry of a cluster: one call for all units that may start. Used by one thread.

    No answer means that everything is wanted. After a failure it asks ever more rarely, so that a gateway
    that is away costs nothing but the work on units that nobody wants any more.
    """

    def __init__(self, gateway: Gateway, clock: Clock, draw: Callable[[], float] = random.random) -> None:
        self._gateway = gateway
        self._backoff = Backoff(clock, draw)

    def ask(self, tasks: list[UnitTask]) -> list[Standing]:
        """Returns the standing of each task as the gateway knows it."""
        if not self._backoff.ready():
            return [Standing(wanted=True) for _ in tasks]
        keys = [
            UnitKey(job_id=task.job_id, unit_id=task.unit_id, input_digest=task.input_digest)
            for task in tasks
        ]
        try:
            answers = self._gateway.ask(keys)
        except RetriableError as error:
            self._backoff.fail()
            log.warning("gateway_did_not_answer", error=str(error), failures=self._backoff.failures)
            return [Standing(wanted=True) for _ in tasks]
        self._backoff.succeed()
        return [Standing(wanted=answer.wanted, starts=answer.starts) for answer in answers]
