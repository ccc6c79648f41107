"""An S3 server: versitygw over a folder."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import require, run
from deploy.local.component import Component, Program
from deploy.local.ports import free_port

VERSION: Final = "1.7.0"
REGION: Final = "us-east-1"
_MODULE: Final = f"github.com/versity/versitygw/cmd/versitygw@v{VERSION}"
_GO: Final = "install Go 1.24 or newer, on Debian: apt-get install golang"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys of the one user."""

    access_key: str
    secret_key: str

    def write(self, path: Path) -> None:
        """Writes them as services read them, for the owner's eyes alone."""
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"access_key": self.access_key, "secret_key": self.secret_key}, file)


def fetch_versitygw(cache: Cache | None = None) -> Path:
    """Returns the server's program, built by Go where it is not there."""
    return (cache or Cache.of_user()).provide(f"versitygw-{VERSION}", _build) / "versitygw"


def _build(folder: Path) -> None:
    go = require("go", used_for="building the S3 server", remedy=_GO)
    run([go, "install", _MODULE], env={"GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"})


class S3Server(Component):
    """An S3 endpoint over a folder: buckets are folders, objects files."""

    def __init__(
        self, folder: Path, *, program: Path | None = None, log: Path | None = None, leashed: bool = True
    ) -> None:
        """Builds the server where it is not there, and draws credentials."""
        super().__init__("s3", folder, log=log, leashed=leashed)
        self._program = program or fetch_versitygw()
        self._port = free_port()
        self.credentials = Credentials(f"local{secrets.token_hex(6)}", secrets.token_urlsafe(24))
        self.credentials_file = folder / "credentials.json"
        self._buckets = folder / "buckets"

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._port}"

    @property
    def endpoint(self) -> str:
        """Address for clients."""
        return f"http://{self.address}"

    def make_bucket(self, name: str) -> None:
        """Makes a bucket where there is none, without asking the server."""
        (self._buckets / name).mkdir(parents=True, exist_ok=True)

    def prepare(self) -> None:
        """Makes the folder of buckets and writes the credentials."""
        super().prepare()
        self._buckets.mkdir(exist_ok=True)
        self.credentials.write(self.credentials_file)

    def program(self) -> Program:
        """Returns the server's command."""
        return Program(
            command=[self._program, "--port", self.address, "--region", REGION, "posix", self._buckets],
            env={
                "ROOT_ACCESS_KEY": self.credentials.access_key,
                "ROOT_SECRET_KEY": self.credentials.secret_key,
            },
        )

    def is_ready(self) -> bool:
        """Returns whether it takes connections."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1.0):
                return True
        except OSError:
            return False
