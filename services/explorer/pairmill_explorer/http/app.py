"""The web application: every address there is, and what answers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import grpc
from aiohttp import web
from aiohttp.typedefs import Middleware

from pairmill.rpc.refusals import RefusedError
from pairmill_explorer.http.addresses import Address
from pairmill_explorer.http.api import api_routes
from pairmill_explorer.http.bodies import Bodies
from pairmill_explorer.http.config import HttpConfig
from pairmill_explorer.http.doors import Door
from pairmill_explorer.http.gate import Gate, Handler, Route
from pairmill_explorer.http.headers import Headers
from pairmill_explorer.http.images import PATH as IMAGE_PATH
from pairmill_explorer.http.images import Images, image_handler
from pairmill_explorer.http.login import login_handler, logout_handler
from pairmill_explorer.http.pages import Page, page_handler
from pairmill_explorer.http.statuses import problem_response
from pairmill_explorer.metrics import HttpMetrics
from pairmill_explorer.rpc.procedures import Procedure
from pairmill_explorer.rpc.work import Workers

PAGE: Final = "page"
IMAGE: Final = "image"
LOGIN: Final = "login"
LOGOUT: Final = "logout"
HEALTH: Final = "health"
OTHER: Final = "other"
"""What there is no address for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the web server needs behind it."""

    procedures: Mapping[str, Procedure]
    images: Images
    workers: Workers
    pictures: Workers  # of their own: a page of pictures waits for no call that reads a slow store
    pages: Mapping[str, Page]


def addresses(config: HttpConfig, served: Served, door: Door, bodies: Bodies) -> Iterator[Address]:
    """Yields all addresses but clip-retrieval's."""
    for path, route in api_routes(served.procedures, served.workers, bodies, config.max_body_bytes):
        yield Address(verb="POST", path=path, route=route)
    pictures = image_handler(served.images, served.pictures)
    yield Address(verb="GET", path=IMAGE_PATH, route=Route(name=IMAGE, answer=pictures, is_counted=False))
    public = partial(Route, role=None)
    login = login_handler(door, bodies, config.allow_origins)
    yield Address(verb="POST", path="/login", route=public(name=LOGIN, answer=login))
    yield Address(verb="POST", path="/logout", route=public(name=LOGOUT, answer=logout_handler(door)))
    yield Address(verb="GET", path="/healthz", route=public(name=HEALTH, answer=_healthy))
    for path, page in served.pages.items():
        yield Address(verb="GET", path=path, route=public(name=PAGE, answer=page_handler(page)))


def build_app(
    all_addresses: Iterable[Address], gate: Gate, headers: Headers, metrics: HttpMetrics
) -> web.Application:
    """Returns the application."""
    app = web.Application(middlewares=[_problems_as_json(metrics)])
    app.on_response_prepare.append(headers.add)
    for address in all_addresses:
        handler = gate.handler(address.route)
        if address.verb == "GET":
            app.router.add_get(address.path, handler)
        else:
            app.router.add_post(address.path, handler)
    return app


def _problems_as_json(metrics: HttpMetrics) -> Middleware:
    """Returns what answers a request that no handler is there for like everything else that is refused."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204)  # the headers say whose pages may ask
        try:
            return await handler(request)
        except web.HTTPNotFound:
            refusal = RefusedError(grpc.StatusCode.NOT_FOUND, "there is nothing here")
            response = problem_response(refusal)
        except web.HTTPMethodNotAllowed as error:
            refusal = RefusedError(grpc.StatusCode.UNIMPLEMENTED, f"{request.method} is not served here")
            response = problem_response(refusal)
            response.set_status(error.status)
            response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        metrics.ended(OTHER, response.status, 0.0)
        return response

    return answer


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")
