"""A service of Pairmill, or its synthetic web, as a process of a stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.local.commands import python_module
from deploy.local.component import Component, Program
from deploy.local.http_ready import answers
from deploy.local.ports import free_port
from deploy.local.settings import WITHOUT_GROUP

KILL_AFTER_SECONDS: Final = 30.0  # more than the budget that services have to end


class ServiceProcess(Component):
    """`pairmill serve NAME`, ready once its admin port says so. Nobody restarts it."""

    def __init__(
        self,
        member: str,
        service: str,
        folder: Path,
        env: Mapping[str, str],
        *,
        log: Path | None = None,
        leashed: bool = True,
    ) -> None:
        """`member` is its name among its likes, as `downloader-0`; `folder` is for its private files."""
        super().__init__(member, folder, log=log, leashed=leashed)
        self.service = service
        self.admin_port = free_port()
        self._env = dict(env)

    @property
    def address(self) -> str:
        """Its admin port."""
        return f"127.0.0.1:{self.admin_port}"

    @property
    def ready_url(self) -> str:
        """Where it says whether it is ready."""
        return f"http://{self.address}/readyz"

    @property
    def env(self) -> dict[str, str]:
        """All that it is told."""
        is_member = self.service not in WITHOUT_GROUP
        return {
            **({"PAIRMILL_MEMBER": self.name} if is_member else {}),
            "PAIRMILL_SCRATCH" if is_member else "PAIRMILL_CORE__SCRATCH": str(self.folder),
            "PAIRMILL_ADMIN_PORT": str(self.admin_port),
            "OMP_NUM_THREADS": "1",  # one core a process: they share the machine
            **self._env,
        }

    def set_env(self, **changes: str) -> None:
        """Changes what it is told from its next start on."""
        self._env |= changes

    def program(self) -> Program:
        """Returns the service's command."""
        return Program(command=python_module("pairmill_standalone", "serve", self.service), env=self.env)

    def is_ready(self) -> bool:
        """Returns whether it takes work."""
        return answers(self.ready_url)


class WebServer(Component):
    """The synthetic web of a world that was made before."""

    def __init__(
        self, folder: Path, world: Path, order: Mapping[str, int], *, log: Path, leashed: bool = True
    ) -> None:
        """`order` is what the world was made of: candidates, seed."""
        super().__init__("web", folder, log=log, leashed=leashed)
        self._world = world
        self._order = order
        self._port = free_port()

    @property
    def address(self) -> str:
        """Where it answers for all its hosts."""
        return f"127.0.0.1:{self._port}"

    @property
    def journal(self) -> Path:
        """Who asked what; written when it stops."""
        return self.folder / "journal.json"

    def program(self) -> Program:
        """Returns the web's command."""
        order = [f"--{name}={value}" for name, value in self._order.items()]
        places = [f"--world={self._world}", f"--port={self._port}", f"--journal={self.journal}"]
        return Program(command=python_module("pairmill_synthweb", *places, *order))

    def is_ready(self) -> bool:
        """Returns whether it has said how it is found."""
        return self._said() is not None

    def downloader_env(self) -> dict[str, str]:
        """Returns what downloaders have to be told to find it; raises StartError before it is up."""
        said = self._said() or {}
        return {
            "PAIRMILL_CONNECT_TO": ",".join(said.get("connect_to", ())),
            "PAIRMILL_ALLOWED_NETWORKS": ",".join(said.get("allowed_networks", ())),
        }

    def _said(self) -> dict[str, Any] | None:
        for line in self.log().splitlines():
            if line.startswith("{") and '"connect_to"' in line:
                found: dict[str, Any] = json.loads(line)
                return found
        return None
