"""What the adapter has to know of the client's inside, in one place: its own wait cannot be ended.

`KafkaConsumer.poll` waits for answers and for the group without a way to call it back, so the member
waits by itself and looks with short polls. With short polls the client of this version loses an
assignment that comes in between two of them: it joins once more, or, where it joined because a topic
has other partitions than before, it never looks at the assignment and stands still for ever. What is
here lets the member see both. The contract suite fails if a version of the client has it no more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

from kafka import errors  # type: ignore[import-untyped]  # the client has no types
from kafka.net.compat import KafkaNetClient  # type: ignore[import-untyped]  # as above
from kafka.structs import MemberState  # type: ignore[import-untyped]  # as above

_FIRST_SERVER: Final = "bootstrap-0"
_GREETINGS: Final = 2


def greet(server: str, options: dict[str, Any], seconds: float) -> None:
    """Connects to a server and proves who we are; raises the client's error if that fails.

    When it is made, a client tries on in silence, whatever the broker has answered. Over TLS it loses
    the answer to a wrong password, because the broker hangs up behind it: so two connections in a row
    that were ended there are taken for that answer.
    """
    alone = {**options, "bootstrap_servers": [server]}
    for attempt in range(_GREETINGS):
        with contextlib.closing(KafkaNetClient(**alone)) as network:
            try:
                _connect(network, seconds)
                return
            except _HungUpError as error:
                if attempt == _GREETINGS - 1:
                    raise errors.SaslAuthenticationFailedError(
                        "the broker ended the connection when it was told who we are"
                    ) from error


class _HungUpError(Exception):
    """The broker ended a connection after it had said what it can do."""


def _connect(network: Any, seconds: float) -> None:
    manager = network._manager
    network._net.start()

    async def connect() -> None:
        connection = manager.get_connection(_FIRST_SERVER)
        try:
            await manager.wait_for(connection.init_future, seconds * 1000)
        except errors.KafkaConnectionError as error:
            if connection.broker_version_data is None:
                raise
            raise _HungUpError(str(error)) from error

    network._net.run(connect)


def is_stable(client: Any) -> bool:
    """Returns whether the client has an assignment, and no new one is being made as far as it knows."""
    return bool(client.group_metadata().state is MemberState.STABLE)


def put_away_empty_batch(client: Any) -> None:
    """Lets the client bring back what it set aside of partitions that were paused meanwhile.

    It does so only while it has no batch in hand, and takes one that was read to its end for one in hand:
    such a partition would be silent for ever.
    """
    batch = client._fetcher._next_partition_records
    if batch is not None and not batch:
        client._fetcher._next_partition_records = None


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


def give_up_sending(producer: Any, seconds: float) -> None:
    """Has a producer give up what it has not delivered, and waits a little for the end of its thread.

    Its `close` begins with a wait for that, and where that fails, thread and connections go on.
    """
    producer._sender.force_close()
    producer._sender.join(seconds)
