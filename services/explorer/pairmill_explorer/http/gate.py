"""The one way to every handler: who asks, is there a place; and every error becomes an answer, here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from aiohttp import web

from pairmill.clock import Clock
from pairmill.rpc.callers import Caller, Role
from pairmill.rpc.calls import REQUEST_ID, Call, request_id_of
from pairmill.rpc.gates import check_role
from pairmill.rpc.methods import Method
from pairmill.rpc.places import Places
from pairmill.rpc.quotas import Quota
from pairmill_explorer.http.config import HttpConfig
from pairmill_explorer.http.connections import Connections
from pairmill_explorer.http.doors import Door
from pairmill_explorer.http.origins import check_json, check_origin
from pairmill_explorer.http.statuses import problem_response
from pairmill_explorer.metrics import HttpMetrics

log = structlog.get_logger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

INTERNAL: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What is asked of a request, and what answers it."""

    name: str  # in measures
    answer: Handler
    role: Role | None = Role.READ  # the least role; None: open to all
    is_counted: bool = True  # whether it takes from the caller's calls a minute
    takes_json: bool = False  # whether a browser has to say that it sends JSON


class Gate:
    """Wraps handlers. For one event loop."""

    def __init__(
        self,
        config: HttpConfig,
        *,
        door: Door,
        quota: Quota,
        metrics: HttpMetrics,
        clock: Clock,
    ) -> None:
        self._config = config
        self._door = door
        self._quota = quota
        self._metrics = metrics
        self._clock = clock
        self._places = Places(
            "requests", most=config.max_requests, most_per_caller=config.max_requests_per_caller
        )
        self.connections: Connections | None = None  # of the server, once there is one
        self.at_work = 0  # requests that are being answered

    def handler(self, route: Route) -> Handler:
        """Returns a handler that asks first."""

        async def handle(request: web.Request) -> web.StreamResponse:
            started = self._clock.monotonic()
            request_id = request_id_of({REQUEST_ID: request.headers.get(REQUEST_ID, "")})
            if self.connections is not None:
                self.connections.request_begins(request.transport)
            self.at_work += 1
            try:
                with structlog.contextvars.bound_contextvars(request_id=request_id, route=route.name):
                    response = await self._answered(route, request, request_id)
            finally:
                self.at_work -= 1
            response.headers[REQUEST_ID] = request_id
            self._metrics.ended(route.name, response.status, self._clock.monotonic() - started)
            return response

        return handle

    async def _answered(self, route: Route, request: web.Request, request_id: str) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                if route.role is None:
                    return await route.answer(request)
                caller = self._admitted(route, route.role, request)
                structlog.contextvars.bind_contextvars(caller=caller.name)
                with self._places.taken(Call(caller=caller, request_id=request_id)):
                    return await route.answer(request)
        except web.HTTPException:
            raise
        except Exception as error:
            response = problem_response(error)
            if response.status == INTERNAL:
                log.error("request_failed", exc_info=error)
            else:
                log.debug("request_refused", status=response.status, problem=str(error))
            return response

    def _admitted(self, route: Route, role: Role, request: web.Request) -> Caller:
        entered = self._door.entered(request)
        if entered.by_itself:
            check_origin(request.headers, request.host, self._config.allow_origins)
            if route.takes_json:
                check_json(request.content_type)
        check_role(entered.caller, route.name, Method(role=role))
        if route.is_counted:
            self._quota.take(entered.caller)
        return entered.caller
