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


def is_undisturbed(client: Any) -> bool:
    """Returns whether a look would find nothing but what an answer under way is going to tell of.

    It asks nobody and changes nothing, and costs a small part of a look.
    """
    coordinator, fetcher = client._coordinator, client._fetcher
    beats = coordinator._heartbeat_loop_future
    if beats is None or beats.is_done or not is_heard(client):
        return False
    if not is_stable(client) or coordinator.need_rejoin() or fetcher._completed_fetches:
        return False
    asked: set[int | None] = fetcher._nodes_with_pending_fetch_requests
    return _awaited_brokers(client) <= asked


def _awaited_brokers(client: Any) -> set[int | None]:
    """Returns who is to be asked for messages, each once at a time; a partition may have nobody to ask."""
    leader_of = client._fetcher._manager.cluster.leader_for_partition
    assigned = list(client._subscription.assignment.items())  # another thread may change it
    return {leader_of(place) for place, state in assigned if not state.paused}


def let_fetches_wait(client: Any, seconds: float) -> None:
    """Has the broker hold the next fetches back for so long while there is nothing to fetch."""
    client._fetcher.config["fetch_max_wait_ms"] = round(seconds * 1000)


def ask_for_more(client: Any) -> Sequence[Any]:
    """Sends the fetches that can be sent now; returns their futures. Nobody waits for the answers."""
    return list(client._fetcher.send_fetches())


def drop_answers(client: Any) -> None:
    """Forgets what came and was not taken in: until then no more is asked for of those partitions."""
    client._fetcher._completed_fetches.clear()


def give_up_sending(producer: Any, seconds: float) -> None:
    """Has a producer give up what it has not delivered, and waits a little for the end of its thread.

    Its `close` begins with a wait for that, and where that fails, thread and connections go on.
    """
    producer._sender.force_close()
    producer._sender.join(seconds)
