"""What a cluster's topics lack of their declarations, and how that is made up."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pairmill.bus.kafka_admin import KafkaAdmin
from pairmill.bus.topic_declarations import Declarations, TopicDeclaration
from pairmill.errors import ConfigurationError

PARTITIONS: Final = "partitions"
REPLICATION: Final = "replication"
_MOST_REPLICAS: Final = 3
_NOTHING: Final = "-"


class Remedy(enum.Enum):
    """What `apply` does about a difference."""

    CREATE = "create"
    ADD_PARTITIONS = "add_partitions"
    CHANGE = "change"
    REFUSE = "refuse"  # only an operator can


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing of a topic that is not as declared."""

    topic: str
    what: str  # `partitions`, `replication` or the name of a setting
    present: str
    declared: str
    remedy: Remedy


def find_differences(
    admin: KafkaAdmin, declarations: Declarations, *, replication: int | None
) -> list[Difference]:
    """Returns how the cluster differs from the declarations; changes nothing.

    Without `replication` that of existing topics is taken as it is.
    """
    present = admin.topic_partitions()
    found: list[Difference] = []
    for topic in declarations.topics:
        if topic.name not in present:
            found.append(_missing(topic))
            continue
        found.extend(_of_partitions(topic, present[topic.name]))
        found.extend(_of_existing(admin, topic, replication))
    return found


def apply_declarations(
    admin: KafkaAdmin, declarations: Declarations, *, replication: int | None
) -> list[Difference]:
    """Makes the cluster as declared, and returns what was different.

    Raises ConfigurationError, and changes nothing, where only an operator can help.
    """
    found = find_differences(admin, declarations, replication=replication)
    _refuse(difference for difference in found if difference.remedy is Remedy.REFUSE)
    by_name = {topic.name: topic for topic in declarations.topics}
    for difference in found:
        match difference.remedy:
            case Remedy.CREATE:
                _create(admin, by_name[difference.topic], replication)
            case Remedy.ADD_PARTITIONS:
                admin.add_partitions(difference.topic, by_name[difference.topic].partitions)
            case Remedy.CHANGE:
                admin.change_settings(difference.topic, {difference.what: difference.declared})
            case Remedy.REFUSE:
                continue
    return found


def present_work_partitions(admin: KafkaAdmin, declarations: Declarations) -> int | None:
    """Returns the largest number of partitions that a work topic has, None where there is no such topic."""
    present = admin.topic_partitions()
    work = [topic.name for topic in declarations.topics if topic.is_work]
    return max((present[name] for name in work if name in present), default=None)


def default_replication(admin: KafkaAdmin) -> int:
    """Returns on how many brokers new topics stand if nobody says so: three, or all there are."""
    return min(_MOST_REPLICAS, admin.broker_count())


def _missing(topic: TopicDeclaration) -> Difference:
    return Difference(
        topic=topic.name,
        what=PARTITIONS,
        present=_NOTHING,
        declared=str(topic.partitions),
        remedy=Remedy.CREATE,
    )


def _of_partitions(topic: TopicDeclaration, present: int) -> Iterable[Difference]:
    if present != topic.partitions:
        yield Difference(
            topic=topic.name,
            what=PARTITIONS,
            present=str(present),
            declared=str(topic.partitions),
            remedy=Remedy.ADD_PARTITIONS if present < topic.partitions else Remedy.REFUSE,
        )


def _of_existing(admin: KafkaAdmin, topic: TopicDeclaration, replication: int | None) -> Iterable[Difference]:
    copies = admin.topic_replication(topic.name)
    if replication is not None and copies != replication:
        yield Difference(
            topic=topic.name,
            what=REPLICATION,
            present=str(copies),
            declared=str(replication),
            remedy=Remedy.REFUSE,
        )
    declared = topic.settings_for(copies)
    present = admin.topic_settings(topic.name, tuple(declared))
    for name, value in declared.items():
        if present.get(name) != value:
            yield Difference(
                topic=topic.name,
                what=name,
                present=present.get(name, _NOTHING),
                declared=value,
                remedy=Remedy.CHANGE,
            )


def _create(admin: KafkaAdmin, topic: TopicDeclaration, replication: int | None) -> None:
    copies = replication or default_replication(admin)
    admin.create_topic(topic.name, topic.partitions, replication=copies, settings=topic.settings_for(copies))


def _refuse(refused: Iterable[Difference]) -> None:
    problems: Sequence[str] = [_advice(difference) for difference in refused]
    if problems:
        raise ConfigurationError("\n".join(problems))


def _advice(difference: Difference) -> str:
    if difference.what == REPLICATION:
        return (
            f"--replication: topic {difference.topic} has {difference.present} replicas, not "
            f"{difference.declared}; move its replicas with kafka-reassign-partitions.sh"
        )
    return (
        f"--partitions: topic {difference.topic} has {difference.present} partitions, which cannot be "
        f"lowered to {difference.declared}; give --partitions {difference.present}, or, with all jobs "
        "ended, delete the topic and apply again"
    )
