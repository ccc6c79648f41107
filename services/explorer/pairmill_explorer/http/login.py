"""`POST /login` and `POST /logout`: a browser gives its token once and gets a session."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from pairmill.rpc.refusals import InvalidRequestError, Violation
from pairmill_explorer.http.bodies import Bodies
from pairmill_explorer.http.doors import Door
from pairmill_explorer.http.gate import Handler
from pairmill_explorer.http.origins import check_json, check_origin

MAX_BYTES: Final = 4096


class _Login(msgspec.Struct, forbid_unknown_fields=True):
    token: str


def login_handler(door: Door, bodies: Bodies, allow_origins: tuple[str, ...]) -> Handler:
    """Returns what opens sessions."""

    async def login(request: web.Request) -> web.Response:
        check_origin(request.headers, request.host, allow_origins)
        check_json(request.content_type)
        async with bodies.read(request, MAX_BYTES) as body:
            token = _token(body)
        response = web.Response(status=204)
        door.open_session(token, response)
        return response

    return login


def logout_handler(door: Door) -> Handler:
    """Returns what ends a session in the browser that asks."""

    async def logout(request: web.Request) -> web.Response:
        check_origin(request.headers, request.host, ())
        response = web.Response(status=204)
        door.close_session(response)
        return response

    return logout


def _token(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Login).token
    except msgspec.DecodeError as error:
        raise InvalidRequestError([Violation(field="token", description=f"is not there: {error}")]) from error
