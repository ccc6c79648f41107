"""Nobody takes the places of others."""

from __future__ import annotations

from contextlib import ExitStack

import grpc
import pytest

from pairmill.rpc.callers import Caller, Role
from pairmill.rpc.calls import Call, request_id_of
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.methods import READ, STANDARD_METHODS
from pairmill.rpc.places import Places, Shares, threads_of
from pairmill.rpc.refusals import RefusedError


def call_of(name: str) -> Call:
    return Call(caller=Caller(name=name, role=Role.READ), request_id="r")


def refused_with(places: Places, call: Call) -> grpc.StatusCode | None:
    try:
        with places.taken(call):
            return None
    except RefusedError as error:
        return error.code


def test_h4_a_caller_cannot_take_the_places_of_others() -> None:
    places = Places("streams", most=10, most_per_caller=2)
    with places.taken(call_of("a")), places.taken(call_of("a")):
        assert refused_with(places, call_of("a")) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused_with(places, call_of("b")) is None
    assert refused_with(places, call_of("a")) is None


def test_h4_no_more_streams_are_open_than_have_a_thread() -> None:
    places = Places("streams", most=3, most_per_caller=3)
    with ExitStack() as stack:
        for name in "abc":
            stack.enter_context(places.taken(call_of(name)))
        assert places.taken_now == 3
        assert refused_with(places, call_of("d")) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert places.taken_now == 0


def test_at_the_end_all_streams_are_told_and_no_other_begins() -> None:
    places, call = Places("streams", most=3, most_per_caller=3), call_of("a")
    with places.taken(call):
        call.wait(0.0)
        places.end_all()
        with pytest.raises(RefusedError, match="stops") as caught:
            call.wait(60.0)
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert refused_with(places, call_of("b")) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\nb", "ü"])
def test_a_request_id_that_is_none_is_exchanged(given: str) -> None:
    assert request_id_of({"x-request-id": given}) != given
    assert request_id_of({}) != request_id_of({})


def test_a_request_id_of_the_caller_is_kept() -> None:
    assert request_id_of({"x-request-id": "trace-01.a_b:c"}) == "trace-01.a_b:c"


def test_h4_calls_streams_and_probes_have_threads_of_their_own() -> None:
    config = RpcConfig(threads=3, max_streams=4)
    shares = Shares.of(config)
    kinds = {shares.for_method(method) for method in (READ, *STANDARD_METHODS.values())}
    assert kinds == {shares.calls, shares.streams, shares.probes}
    assert threads_of(config) == 3 + 4 + 16
