"""Where calls are worked on."""

from __future__ import annotations

import threading
from weakref import ref

import pytest

from pairmill.rpc.refusals import RefusedError
from pairmill_explorer.rpc.work import Workers


class Body:
    """What a call was sent with."""


def test_a_call_that_nobody_waits_for_any_more_holds_nothing_while_threads_are_busy() -> None:
    go_on = threading.Event()
    with Workers(threads=1, waiting=1) as workers:
        busy = workers.submit(go_on.wait)
        body = Body()
        held = ref(body)
        waiting = workers.submit(lambda given: given, body)
        del body
        assert held() is not None
        with pytest.raises(RefusedError, match="2 calls are at work or wait"):
            workers.submit(go_on.wait)
        waiting.cancel()
        given_up = held() is None
        go_on.set()  # before anything fails: the thread would never end
        assert given_up
        assert workers.refused == 1
        assert busy.result(10)
