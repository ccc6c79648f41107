"""Who asks: a bearer token, a session of a browser, or on a laptop whoever sits at it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final, Protocol

import grpc
from aiohttp import web

from pairmill.clock import Clock
from pairmill.rpc.callers import Caller, Role
from pairmill.rpc.gates import known_caller
from pairmill.rpc.refusals import RefusedError
from pairmill.rpc.tokens import TokenBook, token_digest
from pairmill_explorer.http.origins import check_host
from pairmill_explorer.http.sessions import Sessions

LOCAL: Final = Caller(name="local", role=Role.OPERATE)
_COOKIE: Final = "pairmill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Who asks, and whether a browser adds by itself what says so, for pages of other sites too."""

    caller: Caller
    by_itself: bool


class Door(Protocol):
    """Tells who asks."""

    def entered(self, request: web.BaseRequest) -> Entered:
        """Returns who asks; raises UNAUTHENTICATED or PERMISSION_DENIED."""
        ...

    def open_session(self, token: str, response: web.Response) -> None:
        """Adds the cookie of a session for a token; raises UNAUTHENTICATED for one that is not known."""
        ...

    def close_session(self, response: web.Response) -> None:
        """Takes the cookie away."""
        ...


class LoopbackDoor:
    """Lets in whoever is at this machine, and asks for no token."""

    def entered(self, request: web.BaseRequest) -> Entered:
        """Returns the one caller there is."""
        check_host(request.host)
        return Entered(caller=LOCAL, by_itself=True)

    def open_session(self, token: str, response: web.Response) -> None:
        """Adds nothing: none is needed."""

    def close_session(self, response: web.Response) -> None:
        """Takes nothing away."""


class TokenDoor:
    """Knows callers by their tokens. Thread-safe."""

    def __init__(self, tokens: TokenBook, sessions: Sessions, clock: Clock, *, secure: bool) -> None:
        """`secure` says that browsers come over TLS."""
        self._tokens = tokens
        self._sessions = sessions
        self._clock = clock
        self._secure = secure
        self._cookie = f"__Host-{_COOKIE}" if secure else _COOKIE

    def entered(self, request: web.BaseRequest) -> Entered:
        """Returns who asks."""
        token = token_of(request.headers.get("Authorization", ""))
        if token is not None:
            return Entered(caller=known_caller(self._tokens.caller_of(token)), by_itself=False)
        digest = self._sessions.token_digest(request.cookies.get(self._cookie, ""), self._clock.now())
        if digest is None:
            raise RefusedError(
                grpc.StatusCode.UNAUTHENTICATED, "send a token as `Authorization: Bearer …`, or log in"
            )
        return Entered(caller=known_caller(self._tokens.caller_with(digest)), by_itself=True)

    def open_session(self, token: str, response: web.Response) -> None:
        """Adds the cookie of a session."""
        known_caller(self._tokens.caller_of(token))
        response.set_cookie(
            self._cookie,
            self._sessions.opened(token_digest(token), self._clock.now()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )

    def close_session(self, response: web.Response) -> None:
        """Takes the cookie away."""
        response.del_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="Strict")


def token_of(authorization: str) -> str | None:
    """Returns the token of a header, or None without one.

    A token may stand as the password of Basic too: so clients that know addresses only can bring one, as
    `http://any:TOKEN@host/…`.
    """
    scheme, _, value = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
            except (binascii.Error, ValueError):
                return ""
        case _:
            return None
