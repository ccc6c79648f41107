"""What a stage says of its units on the topic `progress`: that they start, get on, or come back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pairmill.bus.port import Bus, Outgoing
from pairmill.stage.hand import UnitInHand
from pairmill.stage.messages import handed_back_message, progress_message, started_message
from pairmill.stage.port import UnitContext
from pairmill.stage.signs import SignsOfLife


class Announcer:
    """Publishes signs of units. Used by the loop's thread; raises RetriableError where the bus is away."""

    def __init__(self, bus: Bus, signs: SignsOfLife) -> None:
        self._bus = bus
        self._signs = signs
        self._given_back: list[Outgoing] = []

    @property
    def owes(self) -> bool:
        """Whether a hand-back is still to be published."""
        return bool(self._given_back)

    def starts(self, units: Sequence[tuple[UnitInHand, UnitContext]]) -> None:
        """Says that units start; returns once that is acknowledged, or it could not count crashes (U13).

        Once for each unit and process, so that waiting for the environment does not look like crashing.
        """
        new = [(unit, context) for unit, context in units if not unit.announced]
        self._bus.publish([started_message(self._bus, unit.task, context.attempt) for unit, context in new])
        for unit, context in new:
            unit.announced = context.attempt

    def progress(self, units: Iterable[UnitInHand]) -> None:
        """Says how far units are, as far as it is time for that."""
        due = self._signs.due()
        if not due:
            return
        signs = [
            progress_message(self._bus, unit.task, unit.context.attempt, due[unit.task.unit_id])
            for unit in units
            if unit.context is not None and unit.task.unit_id in due
        ]
        self._bus.publish(signs)

    def note_given_back(self, unit: UnitInHand) -> None:
        """A unit leaves the hand without an end: its start, if it was announced, is no crash."""
        if unit.announced:
            self._given_back.append(handed_back_message(self._bus, unit.task, unit.announced))
            unit.announced = ""

    def give_back(self) -> None:
        """Says which starts came back."""
        if self._given_back:
            self._bus.publish(self._given_back)
            self._given_back.clear()
