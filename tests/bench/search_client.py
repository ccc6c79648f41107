"""Asks servers of clip-retrieval's protocol, over a few connections at once, and notes how long it takes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from pairmill_index.arrays import Floats

_TIMEOUT_SECONDS: Final = 120.0
_BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a number of requests took."""

    seconds: float
    latencies: tuple[float, ...]  # seconds, ascending
    answers: tuple[bytes, ...]  # of the first requests

    @property
    def per_second(self) -> float:
        """Answers per second of wall time."""
        return len(self.latencies) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        """Returns the latency that so many percent do not exceed."""
        return self.latencies[min(len(self.latencies) * percent // 100, len(self.latencies) - 1)] * 1000


def knn_bodies(queries: Floats, dataset: str, results: int) -> list[bytes]:
    """Returns requests for the nearest pictures, as clients of clip-retrieval send them."""
    common = {"modality": "image", "num_images": results, "num_result_ids": results, "indice_name": dataset}
    return [json.dumps({"embedding_input": query, **common}).encode() for query in queries.tolist()]


def asked(port: int, bodies: Sequence[bytes], *, connections: int) -> Asked:
    """Sends requests over that many connections, each the next when the one before is answered."""
    shares = [bodies[first::connections] for first in range(connections)]
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        parts = list(pool.map(lambda share: _Connection(port).ask(share), shares))
    seconds = time.perf_counter() - started
    latencies = sorted(latency for part in parts for latency, _ in part)
    answers = tuple(answer for part in parts for _, answer in part)
    return Asked(seconds=seconds, latencies=tuple(latencies), answers=answers)


def ids_of(answer: bytes) -> list[int]:
    """Returns the ids of results."""
    results: list[dict[str, Any]] = json.loads(answer)
    return [result["id"] for result in results]


class _Connection:
    """One connection, made anew where the server closes it. For one thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, bodies: Sequence[bytes]) -> list[tuple[float, bytes]]:
        """Returns seconds and answer of each request."""
        found = []
        for body in bodies:
            started = time.perf_counter()
            answer = self._answer(body)
            found.append((time.perf_counter() - started, answer))
        if self._socket is not None:
            self._socket.close()
        return found

    def _answer(self, body: bytes) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_SECONDS)
        head = (
            f"POST /knn-service HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        data = bytearray()
        while (end := data.find(b"\r\n\r\n")) < 0:
            self._receive(data)
        status, *lines = data[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status.split()[1] != "200":
            raise RuntimeError(f"the answer is {status}: {bytes(data[end : end + 500])!r}")
        length = int(headers["content-length"])
        while len(data) < end + 4 + length:
            self._receive(data)
        if headers.get("connection", "").lower() == "close":
            self._socket.close()
            self._socket = None
        return bytes(data[end + 4 :])

    def _receive(self, data: bytearray) -> None:
        assert self._socket is not None
        block = self._socket.recv(_BLOCK)
        if not block:
            raise RuntimeError("the server hung up")
        data += block
