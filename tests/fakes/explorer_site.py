"""The web interface over a fake explorer, on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from google.protobuf.json_format import MessageToDict, ParseDict

from pairmill_explorer.web import PAGE, STATIC
from pairmill_protos.explorer.v1 import search_service_pb2, subset_service_pb2
from tests.fakes.explorer_answers import FakeExplorer
from tests.fakes.explorer_world import make_world

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TOKEN: Final = "a-token"
SERVICES: Final = {"SearchService": search_service_pb2, "SubsetService": subset_service_pb2}


@dataclass
class Refusal:
    """What a call is answered instead."""

    status: int
    code: str
    message: str
    violations: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    having: str = ""  # only requests in which this field is set


class Site:
    """Serves the page; a test can have calls refused or held up, and look at what was asked."""

    def __init__(self, *, closed: bool = False) -> None:
        self.explorer = FakeExplorer(make_world())
        self.refusals: dict[str, Refusal] = {}
        self.held: set[str] = set()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.images: Counter[str] = Counter()
        self.closed = closed
        self.address = ""

    def requests(self, method: str) -> list[dict[str, Any]]:
        """Returns what a method was asked, as it came."""
        return [request for name, request in self.asked if name == method]

    async def login(self, request: web.Request) -> web.Response:
        if (await request.json())["token"] != TOKEN:
            return _refused(Refusal(401, "UNAUTHENTICATED", "this token is not known"))
        response = web.Response(status=204)
        response.set_cookie("session", "open", httponly=True, samesite="Strict")
        return response

    async def call(self, request: web.Request) -> web.Response:
        method, body = request.match_info["method"], await request.json()
        self.asked.append((method, body))
        if self.closed and request.cookies.get("session") != "open":
            return _refused(Refusal(401, "UNAUTHENTICATED", "a token is needed"))
        while method in self.held:
            await asyncio.sleep(0.02)
        refusal = self.refusals.get(method)
        if refusal and refusal.times and (not refusal.having or body.get(refusal.having)):
            refusal.times -= 1
            return _refused(refusal)
        kind = getattr(SERVICES[request.match_info["service"]], f"{method}Request")
        answer = self.explorer.answer(method, ParseDict(body, kind()))
        return web.json_response(MessageToDict(answer, preserving_proto_field_name=True))

    async def image(self, request: web.Request) -> web.Response:
        sample_id = request.match_info["sample_id"]
        self.images[sample_id] += 1
        image = self.explorer.world.image(sample_id)
        if image is None:
            return web.Response(status=404)
        return web.Response(body=image, content_type="image/png")


class SiteServer:
    """Serves one site after the other, each as if it were alone, until the process ends.

    A browser keeps connections that no test can wait for; a server per test would leave some of them open.
    """

    def __init__(self) -> None:
        self.site = Site()
        self.address = ""
        ready = threading.Event()
        loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, args=(loop, ready), daemon=True).start()
        assert ready.wait(10)

    def renew(self, *, closed: bool = False) -> Site:
        """Puts a new site in the place of the one before."""
        self.site.held.clear()
        self.site = Site(closed=closed)
        self.site.address = self.address
        return self.site

    def _run(self, loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
        loop.run_until_complete(self._listen())
        ready.set()
        loop.run_forever()

    async def _listen(self) -> None:
        runner = web.AppRunner(self._application(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=16 * 2**20)
        routes = application.router
        routes.add_get("/", _page)
        routes.add_static("/static/", STATIC)
        routes.add_post("/login", self._login)
        routes.add_post("/api/v1/{service}/{method}", self._call)
        routes.add_get("/api/v1/images/{dataset}/{sample_id}", self._image)
        application.on_response_prepare.append(_with_policy)
        return application

    async def _login(self, request: web.Request) -> web.Response:
        return await self.site.login(request)

    async def _call(self, request: web.Request) -> web.Response:
        return await self.site.call(request)

    async def _image(self, request: web.Request) -> web.Response:
        return await self.site.image(request)


async def _page(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(PAGE)


async def _with_policy(request: web.BaseRequest, response: web.StreamResponse) -> None:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"


def _refused(refusal: Refusal) -> web.Response:
    violations = [{"field": name, "description": text} for name, text in refusal.violations.items()]
    body = {"code": refusal.code, "message": refusal.message, "violations": violations}
    return web.Response(status=refusal.status, text=json.dumps(body), content_type="application/json")
