"""From a request to an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from pairmill_synthweb.bodies import bodies, gzipped, zeros_under_gzip
from pairmill_synthweb.encoding import MIME_TYPES
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.serving.failures import FailureCounts
from pairmill_synthweb.serving.journal import HostRecord, Journal
from pairmill_synthweb.serving.reply import NOT_FOUND, NOTHING, RESET, Manner, Reply, Request
from pairmill_synthweb.serving.robots import MOVED_PATH, ROBOTS_PATH, moved_reply, robots_reply
from pairmill_synthweb.world import ALWAYS, Answer, Host, Resource, RobotsPolicy, World

TDM_PATH: Final = "/.well-known/tdmrep.json"

_DOCUMENT_HEADERS: Final = (("Content-Type", "application/octet-stream"),)
_GARBAGE: Final = b"\x16\x03\x01 this is not HTTP\r\n\x00\xff\xfe and never was\r\n\r\n"
_HEADER_LINES: Final = 4000
_ENDLESS_PIECE: Final = bytes(range(256)) * 256
_DRIP_BYTES: Final = 4096


class Site:
    """Answers for all hosts of a world. Thread-safe as far as its parts are."""

    def __init__(
        self,
        world: World,
        files: PictureFiles,
        failures: FailureCounts,
        journal: Journal,
        documents: Mapping[str, Path] | None = None,
    ) -> None:
        """`documents` are files by target, for whoever asks by a name that is none of the world's hosts."""
        self._world = world
        self._documents = documents or {}
        self._files = files
        self._failures = failures
        self._journal = journal
        self._resources = {(resource.host, resource.target): resource for resource in world.resources}

    def answer(self, request: Request, record: HostRecord) -> Reply:
        """Returns the answer to a request; `record` is what its host saw so far."""
        host = self._world.hosts.get(request.host)
        if host is None:
            document = self._documents.get(request.target)
            if document is not None:
                return Reply(headers=_DOCUMENT_HEADERS, body=document.read_bytes())
            self._journal.unknown(f"{request.host}{request.target}")
            return NOT_FOUND
        if request.target == ROBOTS_PATH:
            record.robots += 1
            return robots_reply(host.robots)
        if request.target == MOVED_PATH and host.robots is RobotsPolicy.MOVED:
            return moved_reply()
        if request.target == TDM_PATH:
            return _tdm_reply(host)
        resource = self._resources.get((host.name, request.target))
        if resource is None:
            self._journal.unknown(f"{request.host}{request.target}")
            return NOT_FOUND
        return self._resource_reply(resource, record)

    def _resource_reply(self, resource: Resource, record: HostRecord) -> Reply:
        record.pictures += 1
        if resource.closed:
            self._journal.violated("closed", resource.url)
        if not record.robots:
            self._journal.violated("robots_not_asked", resource.url)
        if resource.failures == ALWAYS or self._failures.of(resource.number) < resource.failures:
            self._failures.add(resource.number)
            status = resource.failure_status if resource.failure is Answer.STATUS else resource.status
            return self._reply(resource, resource.failure, status, resource.failure_headers)
        return self._reply(resource, resource.answer, resource.status, resource.headers)

    def _reply(
        self, resource: Resource, answer: Answer, status: int, headers: tuple[tuple[str, str], ...]
    ) -> Reply:
        body = self._body(resource, answer)
        manner = _MANNERS.get(answer, Manner.PLAIN)
        if answer in _WITH_TYPE:
            headers = (("Content-Type", self._content_type(resource)), *headers)
        if answer in (Answer.GZIPPED, Answer.INFLATING):
            headers = (("Content-Encoding", "gzip"), *headers)
        return Reply(status=status, headers=headers, body=body, manner=manner)

    def _body(self, resource: Resource, answer: Answer) -> bytes:
        match answer:
            case Answer.IMAGE | Answer.SLOW | Answer.SHORT | Answer.DRIP:
                return self._picture(resource)
            case Answer.GZIPPED:
                return gzipped(self._picture(resource))
            case Answer.BODY:
                return bodies()[resource.body]
            case Answer.OVERSIZED:
                return bytes(self._world.rules.max_body_bytes * 2)
            case Answer.ENDLESS:
                return _ENDLESS_PIECE
            case Answer.INFLATING:
                return zeros_under_gzip()
            case Answer.GARBAGE:
                return _GARBAGE
            case Answer.LONG_HEADERS:
                return _long_headers()
            case Answer.STATUS | Answer.REDIRECT | Answer.SILENT | Answer.RESET:
                return b""

    def _picture(self, resource: Resource) -> bytes:
        """The resource's picture, or anything of some length where only the manner matters."""
        if resource.picture is None:
            return bytes(_DRIP_BYTES)
        return self._files.bytes_of(resource.picture)

    def _content_type(self, resource: Resource) -> str:
        if resource.content_type:
            return resource.content_type
        return MIME_TYPES[resource.picture.codec] if resource.picture else "image/jpeg"


def reason_phrase(status: int) -> str:
    """Returns what stands beside a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


_MANNERS: Final = {
    Answer.SLOW: Manner.SLOW,
    Answer.SHORT: Manner.SHORT,
    Answer.ENDLESS: Manner.ENDLESS,
    Answer.SILENT: NOTHING.manner,
    Answer.DRIP: Manner.DRIP,
    Answer.RESET: RESET.manner,
    Answer.GARBAGE: Manner.RAW,
    Answer.LONG_HEADERS: Manner.RAW,
}
_WITH_TYPE: Final = frozenset(Answer) - {Answer.STATUS, Answer.REDIRECT}


def _tdm_reply(host: Host) -> Reply:
    if not host.tdm_path:
        return NOT_FOUND
    rules = [{"location": f"{host.tdm_path}*", "tdm-reservation": 1}]
    return Reply(headers=(("Content-Type", "application/json"),), body=json.dumps(rules).encode())


def _long_headers() -> bytes:
    lines = "".join(f"X-Padding-{number}: {'p' * 100}\r\n" for number in range(_HEADER_LINES))
    return f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n{lines}Content-Length: 0\r\n\r\n".encode()
