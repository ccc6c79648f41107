"""The one interceptor: every call passes the gates, and every error becomes a status, here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeAlias

import grpc
import structlog

from pairmill.clock import Clock
from pairmill.rpc.callers import Caller
from pairmill.rpc.calls import REQUEST_ID, Call, enter_call, request_id_of
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.gates import (
    bearer_token,
    check_deadline,
    check_role,
    check_size,
    known_caller,
    plain_metadata,
)
from pairmill.rpc.methods import Method
from pairmill.rpc.metrics import RpcMetrics
from pairmill.rpc.places import Shares
from pairmill.rpc.quotas import Quota
from pairmill.rpc.refusals import DETAILS_KEY, Refuse, RefusedError, details_of
from pairmill.rpc.tokens import TokenBook

log = structlog.get_logger(__name__)

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Answers: TypeAlias = Iterator[bytes]

PROBE_SECONDS: Final = 5.0
"""How long a health check may take to say what it asks."""


class Guard(grpc.ServerInterceptor):
    """Stands before every method, the standard services included.

    To the transport each method is one that streams bytes both ways, which on the wire is the same. So a
    call is turned away before its request is read or parsed, and one that sends none holds no thread
    longer than its deadline.
    """

    def __init__(
        self,
        config: RpcConfig,
        methods: Mapping[str, Method],
        refuse: Refuse,
        *,
        tokens: TokenBook,
        quota: Quota,
        shares: Shares,
        metrics: RpcMetrics,
        clock: Clock,
    ) -> None:
        self._config = config
        self._methods = methods
        self._refusal_of = refuse
        self._tokens = tokens
        self._quota = quota
        self._shares = shares
        self._metrics = metrics
        self._clock = clock

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Returns a handler that asks first."""
        inner, name = continuation(handler_call_details), handler_call_details.method
        if inner is None:
            return None
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self._serve(name, inner, requests, context)
        )

    def _serve(
        self, name: str, inner: Handler, requests: Iterator[bytes], context: grpc.ServicerContext
    ) -> Answers:
        started, code = self._clock.monotonic(), grpc.StatusCode.OK
        metadata = plain_metadata(context.invocation_metadata())
        request_id = request_id_of(metadata)
        with structlog.contextvars.bound_contextvars(request_id=request_id, method=name):
            try:
                context.send_initial_metadata(((REQUEST_ID, request_id),))
                with ExitStack() as stack:
                    method, caller = self._admit(name, metadata, context)
                    call = Call(caller=caller, request_id=request_id)
                    if not context.add_callback(call.ended.set):
                        code = grpc.StatusCode.CANCELLED
                        return
                    stack.enter_context(self._shares.for_method(method).taken(call))
                    if method.role is None:
                        stack.enter_context(_cut_off_after(PROBE_SECONDS, context))
                    enter_call(call)
                    yield from _answers(inner, self._sized(requests, method), context)
            except GeneratorExit:
                code = grpc.StatusCode.CANCELLED
                raise
            except grpc.RpcError:  # the caller is gone; grpc's own, which it wants back
                code = grpc.StatusCode.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001 - a boundary: it answers
                refusal = self._refusal_of(error)
                code = refusal.code if context.is_active() else grpc.StatusCode.CANCELLED
                _refuse(refusal, error, context)
            finally:
                self._metrics.ended(
                    name if name in self._methods else "other", code, self._clock.monotonic() - started
                )

    def _admit(self, name: str, metadata: Any, context: grpc.ServicerContext) -> tuple[Method, Caller | None]:
        method = self._methods.get(name)
        if method is not None and method.role is None:
            return method, None
        caller = known_caller(self._tokens.caller_of(bearer_token(metadata)))
        structlog.contextvars.bind_contextvars(caller=caller.name)
        check_role(caller, name, method)
        assert method is not None  # check_role lets nobody through to what is not listed
        check_deadline(context.time_remaining(), method, self._config)
        self._quota.take(caller)
        return method, caller

    def _sized(self, requests: Iterator[bytes], method: Method) -> Iterator[bytes]:
        for request in requests:
            check_size(len(request), method, self._config)
            yield request


@contextmanager
def _cut_off_after(seconds: float, context: grpc.ServicerContext) -> Iterator[None]:
    """Cancels a call that takes longer: one that needs no deadline may have none."""
    timer = threading.Timer(seconds, context.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _answers(inner: Handler, requests: Iterator[bytes], context: grpc.ServicerContext) -> Answers:
    """Yields the answers of a method, whatever its kind."""
    read, write = inner.request_deserializer or bytes, inner.response_serializer or bytes
    parsed = (_parsed(read, request) for request in requests)
    given: Any = parsed if inner.request_streaming else next(parsed, None)
    if given is None:
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "the call has no request")
    behaviour: Any = inner.unary_unary or inner.unary_stream or inner.stream_unary or inner.stream_stream
    answer = behaviour(given, context)
    if not inner.response_streaming:
        yield write(answer)
        return
    for one in answer:
        yield write(one)


def _parsed(read: Callable[[bytes], Any], request: bytes) -> Any:
    try:
        return read(request)
    except Exception as error:
        raise RefusedError(
            grpc.StatusCode.INVALID_ARGUMENT, "the request is no message of this method"
        ) from error


def _refuse(refusal: RefusedError, error: Exception, context: grpc.ServicerContext) -> None:
    """Ends the call with its status; what nobody expected is logged here, and only here."""
    if refusal.code is grpc.StatusCode.INTERNAL:
        log.error("call_failed", exc_info=error)
    else:
        log.debug("call_refused", code=refusal.code.name, problem=refusal.message)
    context.set_trailing_metadata(((DETAILS_KEY, details_of(refusal)),))
    context.abort(refusal.code, refusal.message)
