"""`GET /api/v1/images/<dataset>/<sample_id>?side=320&safe=hide`: a sample's picture."""

from __future__ import annotations

import re
from functools import partial
from typing import Final, Protocol

from aiohttp import web

from pairmill_explorer.errors import BadRequestError, NotFoundError
from pairmill_explorer.http.answers import etag_of, is_held
from pairmill_explorer.http.gate import Handler
from pairmill_explorer.http.working import on_worker
from pairmill_explorer.rpc.work import Workers
from pairmill_protos.explorer.v1.search_pb2 import SafeMode

PATH: Final = "/api/v1/images/{dataset}/{sample_id}"
MAX_SIDE: Final = 2048
_NUMBER: Final = re.compile(r"[0-9]{1,4}")
_HOUR: Final = 3600
"""A picture never changes, but it may be taken down."""

_MODES: Final = {
    "hide": SafeMode.SAFE_MODE_HIDE,
    "blur": SafeMode.SAFE_MODE_BLUR,
    "show": SafeMode.SAFE_MODE_SHOW,
}
_KINDS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"RIFF", "image/webp"),
)


class Images(Protocol):
    """Reads pictures. Thread-safe; raises RequestError and RetriableError."""

    def image(
        self, dataset: str, sample_id: str, max_side: int, safe_mode: SafeMode.ValueType, /
    ) -> bytes | None:
        """Returns an image file no larger than asked for; None where the dataset does not hold it."""
        ...


def image_handler(images: Images, workers: Workers) -> Handler:
    """Returns what serves pictures."""

    async def serve(request: web.Request) -> web.Response:
        dataset, sample_id = request.match_info["dataset"], request.match_info["sample_id"]
        read = partial(images.image, dataset, sample_id, _side(request), _mode(request))
        data = await on_worker(workers, read)
        if data is None:
            raise NotFoundError("sample_id", "the dataset does not hold this picture")
        headers = {"ETag": etag_of(data), "Cache-Control": f"private, max-age={_HOUR}"}
        if is_held(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
        return web.Response(body=data, headers=headers | {"Content-Type": content_type(data)})

    return serve


def content_type(data: bytes) -> str:
    """Returns what kind of picture this is."""
    return next((kind for start, kind in _KINDS if data.startswith(start)), "application/octet-stream")


def _side(request: web.Request) -> int:
    given = request.query.get("side", "0")
    if _NUMBER.fullmatch(given) and int(given) <= MAX_SIDE:
        return int(given)
    raise BadRequestError("side", f"{given[:20]!r} is none; up to {MAX_SIDE:,} pixels, 0 takes it as it is")


def _mode(request: web.Request) -> SafeMode.ValueType:
    given = request.query.get("safe", "hide")
    if given not in _MODES:
        raise BadRequestError("safe", f"{given[:20]!r} is none of {', '.join(_MODES)}")
    return _MODES[given]
