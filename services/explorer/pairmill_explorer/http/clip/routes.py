"""The addresses of clip-retrieval's back end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from pairmill_explorer.http.addresses import Address
from pairmill_explorer.http.answers import json_body, wants_gzip
from pairmill_explorer.http.bodies import Bodies
from pairmill_explorer.http.clip.messages import KnnRequest, MetadataRequest, read_request
from pairmill_explorer.http.clip.summary import StepTimes
from pairmill_explorer.http.gate import Handler, Route
from pairmill_explorer.http.working import on_worker
from pairmill_explorer.rpc.work import Workers

KNN: Final = "clip/knn-service"
METADATA: Final = "clip/metadata"
INDICES: Final = "clip/indices-list"
CONFIG: Final = "clip/config"
SUMMARY: Final = "clip/metrics-summary"
METRICS: Final = "clip/metrics"

_URL_COLUMN: Final = "url"


class ClipAnswers(Protocol):
    """Answers clients of clip-retrieval. Thread-safe; raises RequestError and RetriableError."""

    def indices(self) -> list[str]:
        """Returns the names of the datasets, the default first."""
        ...

    def knn(self, request: KnnRequest, /) -> Sequence[Any]:
        """Returns what is near, the nearest first; as JSON an object each."""
        ...

    def metadata(self, request: MetadataRequest, /) -> Sequence[Any]:
        """Returns the metadata of results, in the order of their ids."""
        ...


def clip_addresses(
    desk: ClipAnswers,
    times: StepTimes,
    workers: Workers,
    bodies: Bodies,
    registry: CollectorRegistry,
    max_body_bytes: int,
) -> Iterator[Address]:
    """Yields each address and what answers it."""
    asked = partial(_asked, workers, bodies, max_body_bytes)
    knn = asked(partial(_knn, desk, times))
    yield Address(verb="POST", path="/knn-service", route=Route(name=KNN, answer=knn))
    metadata = asked(partial(_metadata, desk))
    yield Address(verb="POST", path="/metadata", route=Route(name=METADATA, answer=metadata))
    yield Address(verb="GET", path="/indices-list", route=Route(name=INDICES, answer=_indices(desk)))
    yield Address(verb="GET", path="/config.json", route=Route(name=CONFIG, answer=_config(desk)))
    yield Address(verb="GET", path="/metrics-summary", route=Route(name=SUMMARY, answer=_summary(times)))
    yield Address(verb="GET", path="/metrics", route=Route(name=METRICS, answer=_metrics(registry)))


def _knn(desk: ClipAnswers, times: StepTimes, body: bytes) -> Any:
    started = time.perf_counter()
    found = desk.knn(read_request(KnnRequest, body))
    times.observe("all", time.perf_counter() - started)
    return found


def _metadata(desk: ClipAnswers, body: bytes) -> Any:
    return desk.metadata(read_request(MetadataRequest, body))


def _asked(workers: Workers, bodies: Bodies, max_body_bytes: int, answer: Callable[[bytes], Any]) -> Handler:
    def work(body: bytes, gzip: bool) -> tuple[bytes, dict[str, str]]:
        return json_body(msgspec.json.encode(answer(body)), gzip=gzip)

    async def handle(request: web.Request) -> web.Response:
        async with bodies.read(request, max_body_bytes) as body:
            data, headers = await on_worker(workers, partial(work, body, wants_gzip(request)))
        return web.Response(body=data, headers=headers)

    return handle


def _indices(desk: ClipAnswers) -> Handler:
    async def handle(_request: web.Request) -> web.Response:
        data, headers = json_body(msgspec.json.encode(desk.indices()), gzip=False)
        return web.Response(body=data, headers=headers)

    return handle


def _config(desk: ClipAnswers) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        config = {
            "defaultBackend": f"{request.scheme}://{request.host}/",
            "defaultIndex": next(iter(desk.indices()), ""),
            "urlColumn": _URL_COLUMN,
        }
        data, headers = json_body(msgspec.json.encode(config), gzip=False)
        return web.Response(body=data, headers=headers)

    return handle


def _summary(times: StepTimes) -> Handler:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text=times.summary())

    return handle


def _metrics(registry: CollectorRegistry) -> Handler:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return handle
