"""What the adapter has to know of the client's inside, in one place: its own wait cannot be ended.

`KafkaConsumer.poll` waits for answers and for the group without a way to call it back, so the member
waits by itself and looks with short polls. With short polls the client of this version loses an
assignment that comes in between two of them: it joins once more, or, where it joined because a topic
has other partitions than before, it never looks at the assignment and stands still for ever. What is
here lets the member see both. The contract suite fails if a version of the client has it no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka.structs import MemberState  # type: ignore[import-untyped]  # the client has no types


def is_stable(client: Any) -> bool:
    """Returns whether the client has an assignment, and no new one is being made as far as it knows."""
    return bool(client.group_metadata().state is MemberState.STABLE)


def is_about_to_join(client: Any) -> bool:
    """Returns whether the next poll joins the group."""
    return bool(client._coordinator.need_rejoin())


def insist_on_joining(client: Any) -> None:
    """Has the next poll wait for the assignment that is being made."""
    client._coordinator.request_rejoin()


def is_heard(client: Any) -> bool:
    """Returns whether the client still sends signs of life: it stops when another has its name."""
    return bool(client._coordinator._heartbeat_enabled)


def answers_under_way(client: Any) -> Sequence[Any]:
    """Returns the futures of fetches that are not taken in yet; some may be done."""
    return list(client._fetcher._fetch_futures)
