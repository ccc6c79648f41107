"""`POST /api/v1/<Service>/<Method>`: every call of the services that takes one message and returns one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from aiohttp import web

from pairmill_explorer.http.answers import json_body, wants_gzip
from pairmill_explorer.http.bodies import Bodies
from pairmill_explorer.http.gate import Handler, Route
from pairmill_explorer.http.transcoding import json_of, message_of
from pairmill_explorer.http.working import on_worker
from pairmill_explorer.rpc.procedures import Procedure
from pairmill_explorer.rpc.work import Workers

PREFIX: Final = "/api/v1/"
_GROWTH: Final = 2
"""What JSON takes at most of a small message's bytes, names of fields and all."""


def api_routes(
    procedures: Mapping[str, Procedure], workers: Workers, bodies: Bodies, max_body_bytes: int
) -> Iterator[tuple[str, Route]]:
    """Yields the address of each call and what answers it."""
    for procedure in procedures.values():
        most = procedure.method.max_bytes
        yield (
            PREFIX + procedure.short_name,
            Route(
                name=procedure.short_name,
                answer=_handler(
                    procedure, workers, bodies, max_body_bytes if most is None else most * _GROWTH
                ),
                role=procedure.method.role,
                takes_json=True,
            ),
        )


def _handler(procedure: Procedure, workers: Workers, bodies: Bodies, most_bytes: int) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        async with bodies.read(request, most_bytes) as body:
            work = partial(_worked_on, procedure, body, wants_gzip(request))
            data, headers = await on_worker(workers, work)
        return web.Response(body=data, headers=headers)

    return answer


def _worked_on(procedure: Procedure, body: bytes, gzip: bool) -> tuple[bytes, dict[str, str]]:
    """Reads a call, answers it and writes the answer: all of it takes time, none of it on the event loop."""
    return json_body(json_of(procedure.answer(message_of(procedure.request, body))), gzip=gzip)
