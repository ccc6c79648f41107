"""An HTTP client with prepared answers, and a gate that lets everyone pass and takes notes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from pairmill_downloader.fetching.exchange import Exchange, Fields, Request, WantsBody
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules

NOT_THERE = Exchange(status=404)


def answer(status: int = 200, body: bytes = b"", **fields: str) -> Exchange:
    """Returns an answer; underscores in names of fields stand for hyphens."""
    pairs = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return Exchange(status=status, fields=Fields(pairs), body=body)


def failure(reason: Reason.ValueType) -> Exchange:
    """Returns a request that ended without an answer."""
    return Exchange(reason=reason, detail="as told")


class ScriptedClient:
    """Answers by URL, the last answer for ever; 404 for what is not prepared. Notes what was asked."""

    def __init__(self, answers: Mapping[str, Exchange | Sequence[Exchange]], *, seconds: float = 0.0) -> None:
        self._answers = {
            url: [given] if isinstance(given, Exchange) else list(given) for url, given in answers.items()
        }
        self._seconds = seconds
        self.requests: list[Request] = []
        self.starts: list[float] = []
        self.bodies_read: list[str] = []

    @property
    def urls(self) -> list[str]:
        """What was asked for, in order."""
        return [request.target.url for request in self.requests]

    async def get(self, request: Request, wants_body: WantsBody) -> Exchange:
        self.requests.append(request)
        self.starts.append(asyncio.get_running_loop().time())
        if self._seconds:
            await asyncio.sleep(self._seconds)
        prepared = self._answers.get(request.target.url, [NOT_THERE])
        exchange = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if exchange.status is None:
            return exchange
        if not wants_body(exchange.status, exchange.fields):
            return Exchange(status=exchange.status, fields=exchange.fields)
        self.bodies_read.append(request.target.url)
        return exchange

    async def close(self) -> None:
        """Has nothing to close."""


class NotingGate:
    """Lets everyone pass at once, unless told not to, and notes who asked."""

    def __init__(self, *, admits: bool = True) -> None:
        self._admits = admits
        self.further: list[tuple[str, int]] = []  # host, divided by
        self.pauses: list[tuple[str, float]] = []

    async def further_start(
        self, host: str, domain: str, rules: DownloadRules, *, deadline: float, divided_by: int = 1
    ) -> bool:
        self.further.append((host, divided_by))
        return self._admits

    def wait_at_least(self, host: str, seconds: float) -> None:
        self.pauses.append((host, seconds))
