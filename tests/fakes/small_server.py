"""A component of a few lines: serves, dies at start, or ignores SIGTERM, as a test wants it."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.local.component import Component, Program
from deploy.local.http_ready import answers
from deploy.local.ports import free_port

SERVE = """
import signal, sys
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("serving", flush=True)
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
"""
DIE = "import sys; print('no such luck', flush=True); sys.exit(7)"
HANG = "import signal; print('thinking', flush=True); signal.pause()"


class SmallServer(Component):
    """An HTTP server over its own folder."""

    def __init__(self, folder: Path, *arguments: str, code: str = SERVE, leashed: bool = True) -> None:
        super().__init__("small", folder, leashed=leashed)
        self.port = free_port()
        self._code = code
        self._arguments = arguments

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def program(self) -> Program:
        return Program(command=[sys.executable, "-c", self._code, str(self.port), *self._arguments])

    def is_ready(self) -> bool:
        return answers(f"http://{self.address}/")
