"""Makes the effect of a unit durable, in the one order that loses nothing (U2)."""

from __future__ import annotations

from pairmill.bus.port import Bus
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.datasets import dataset_store
from pairmill.stage.hand import PendingEffect
from pairmill.store.port import ObjectStore


class EffectPublisher:
    """Publishes effects. Raises RetriableError where bus or store are away; the same again does no harm."""

    def __init__(self, bus: Bus, store: ObjectStore, checkpoints: Checkpoints) -> None:
        """`store` holds the datasets of all jobs."""
        self._bus = bus
        self._store = store
        self._checkpoints = checkpoints

    def publish(self, effect: PendingEffect, dataset: str) -> None:
        """Returns once objects, follow-ups and, last, the facts are acknowledged."""
        self._checkpoints.passed("before_failure" if effect.is_failure else "after_objects")
        store = dataset_store(self._store, dataset)
        for key, data in effect.attachments.items():
            store.put(key, data)
        if effect.follow_ups:
            self._bus.publish(effect.follow_ups)
        self._checkpoints.passed("after_follow_ups")
        self._bus.publish(effect.facts)
        self._checkpoints.passed("after_record")
