"""Makes the effects of units durable, in the one order that loses nothing (U2)."""

from __future__ import annotations

from collections.abc import Sequence

from pairmill.bus.port import Bus
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.datasets import dataset_store
from pairmill.stage.hand import PendingEffect, UnitInHand
from pairmill.store.port import ObjectStore


class EffectPublisher:
    """Publishes effects. Raises RetriableError where bus or store are away; the same again does no harm.

    What has ended together is acknowledged together: waiting for the broker is most of what a small unit
    costs.
    """

    def __init__(self, bus: Bus, store: ObjectStore, checkpoints: Checkpoints) -> None:
        """`store` holds the datasets of all jobs."""
        self._bus = bus
        self._store = store
        self._checkpoints = checkpoints

    def publish(self, units: Sequence[UnitInHand]) -> None:
        """Returns once objects, follow-ups and, last, the facts of units that have ended are acknowledged."""
        effects = [unit.effect for unit in units if unit.effect is not None]
        if not effects:
            return
        for effect in effects:
            self._checkpoints.passed("before_failure" if effect.is_failure else "after_objects")
        for unit in units:
            if unit.effect is not None:
                self._attach(unit.effect, unit.task.dataset)
        follow_ups = [message for effect in effects for message in effect.follow_ups]
        if follow_ups:
            self._bus.publish(follow_ups)
        for _ in effects:
            self._checkpoints.passed("after_follow_ups")
        self._bus.publish([fact for effect in effects for fact in effect.facts])
        for _ in effects:
            self._checkpoints.passed("after_record")

    def _attach(self, effect: PendingEffect, dataset: str) -> None:
        store = dataset_store(self._store, dataset)
        for key, data in effect.attachments.items():
            store.put(key, data)
