"""A proxy between an S3 client and its server that makes trouble on demand.

In a test: `with FaultProxy(target) as proxy: proxy.add(Rule(do="status", times=2))`. As a process:
`python -m tests.fakes.fault_proxy --listen 127.0.0.1:PORT --target HOST:PORT --control FILE`, where FILE
holds a JSON list of rules and is read again when it changes; `PUT /_faults` with such a list does the same,
and `GET /_faults` tells how often each rule was applied.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.fakes.fault_rules import Rule, Rules, Seen, changed, parse_rules

CONTROL: Final = "/_faults"
_BLOCK: Final = 64 << 10
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_BODILESS: Final = frozenset({204, 304})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listen: tuple[str, int], target: str, rules: Rules) -> None:
        self.target = target
        self.rules = rules
        self.stopping = threading.Event()
        super().__init__(listen, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _upstream: HTTPConnection | None = None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Says nothing."""

    def _serve(self) -> None:
        if self.path == CONTROL:
            self._answer_control()
            return
        rule = self.server.rules.take(self.command, self.path, self._access_key())
        match rule.do if rule is not None else None:
            case "status" | "refuse":
                assert rule is not None
                self._answer_error(rule.status if rule.do == "status" else 403, rule.code)
            case "drop":
                self.close_connection = True
            case _:
                self._pass_on(rule)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - names that the base class asks for

    def finish(self) -> None:
        """Ends with both connections closed."""
        if self._upstream is not None:
            self._upstream.close()
        with suppress(OSError):
            super().finish()

    def _access_key(self) -> str:
        found = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization", ""))
        return found[1] if found else ""

    def _answer_control(self) -> None:
        status, answer = 200, b""
        if self.command == "PUT":
            try:
                self.server.rules.replace(parse_rules(b"".join(self._body())))
            except (ValueError, TypeError) as error:
                status, answer = 400, str(error).encode()
        else:
            answer = json.dumps(self.server.rules.as_json()).encode()
        self._send(status, answer, "application/json")

    def _answer_error(self, status: int, code: str) -> None:
        for _ in self._body():
            pass
        text = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
        self._send(status, text.encode(), "application/xml")

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _pass_on(self, rule: Rule | None) -> None:
        if rule is not None and rule.do == "delay" and self.server.stopping.wait(rule.seconds):
            self.close_connection = True
            return
        try:
            response = self._forward(rule)
            if rule is not None and rule.do == "lose":
                response.read()
                self.close_connection = True
            else:
                self._relay(response, rule)
        except (OSError, HTTPException):
            self.close_connection = True  # whichever side it was, the other one sees it

    def _forward(self, rule: Rule | None) -> HTTPResponse:
        if self._upstream is None:
            self._upstream = HTTPConnection(self.server.target, timeout=120)
        upstream = self._upstream
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "connection":
                upstream.putheader(name, value)
        upstream.endheaders()
        is_read = True
        for block in self._body():
            try:
                if is_read:
                    upstream.send(block)
            except ConnectionError:
                is_read = False  # the server has answered and wants no more of it
            self._pace(rule, len(block))
        return upstream.getresponse()

    def _relay(self, response: HTTPResponse, rule: Rule | None) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        has_body = self.command != "HEAD" and response.status not in _BODILESS
        length = response.headers.get("Content-Length")
        if length is not None:
            self.send_header("Content-Length", length)
        elif has_body:
            self.send_header("Connection", "close")  # which ends the body
            self.close_connection = True
        self.end_headers()
        for block in changed(iter(lambda: response.read(_BLOCK), b""), rule):
            self.wfile.write(block)
            self._pace(rule, len(block))
        if rule is not None and rule.do == "cut":
            self.close_connection = True

    def _body(self) -> Iterator[bytes]:
        left = int(self.headers.get("Content-Length") or 0)
        while left and (block := self.rfile.read(min(left, _BLOCK))):
            left -= len(block)
            yield block

    def _pace(self, rule: Rule | None, size: int) -> None:
        if rule is not None and rule.do == "slow":
            self.server.stopping.wait(size / rule.bytes_per_second)


class FaultProxy:
    """The proxy in threads of this process, while its context lasts."""

    def __init__(
        self,
        target: str,
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        control: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`target` is host:port of the server; clients speak TLS if there is a context for it."""
        self.rules = Rules(control)
        self._server = _Server(listen, target, self.rules)
        self._scheme = "https" if tls is not None else "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint(self) -> str:
        """Address for clients."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def seen(self) -> list[Seen]:
        """All requests so far."""
        return self.rules.seen

    def add(self, rule: Rule) -> None:
        """Puts a rule behind the others."""
        self.rules.add(rule)

    def count(self, test: Callable[[Seen], bool]) -> int:
        """Returns how many requests a test holds for."""
        return sum(map(test, self.seen))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def main(arguments: Sequence[str]) -> int:
    """Serves until SIGTERM; says where it listens once it does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--target", required=True)
    parser.add_argument("--control", type=Path)
    options = parser.parse_args(arguments)
    host, _, port = options.listen.rpartition(":")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with FaultProxy(options.target, listen=(host, int(port)), control=options.control) as proxy:
        sys.stdout.write(f"{proxy.endpoint}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
