"""A namespace of a cluster, by way of kubectl."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.cluster.settings import ClusterSettings
from deploy.local.commands import own_environment
from deploy.local.ports import free_port

RESTRICTED: Final = {
    f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")
}
_FORWARD_SECONDS: Final = 30.0


class ClusterError(Exception):
    """A program that speaks to the cluster ended with an error; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program printed."""

    out: str
    err: str


def ask(
    command: Sequence[str | Path],
    settings: ClusterSettings,
    *,
    stdin: str | None = None,
    seconds: float = 900.0,
) -> Answer:
    """Runs a program against the cluster; raises ClusterError where it fails or takes too long."""
    words = [str(part) for part in command]
    env = {**own_environment(), "KUBECONFIG": str(settings.kubeconfig)}
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, env=env, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{' '.join(words)} took more than {seconds:g} s") from error
    if done.returncode != 0:
        said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}".strip()
        raise ClusterError(f"{' '.join(words)} ended with code {done.returncode}:\n{said}")
    return Answer(done.stdout, done.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """One namespace."""

    settings: ClusterSettings
    name: str

    def make(self, labels: Mapping[str, str]) -> None:
        """Makes it, with labels; one that is there is an error."""
        self("create", "namespace", self.name)
        self("label", "namespace", self.name, *(f"{name}={value}" for name, value in labels.items()))

    def remove(self) -> None:
        """Removes it and all in it, and waits until it is gone."""
        self("delete", "namespace", self.name, "--ignore-not-found", "--wait", "--timeout=180s")

    def __call__(self, *arguments: object, stdin: str | None = None, seconds: float = 300.0) -> str:
        """Runs kubectl in it and returns what it printed."""
        return self.ask(*arguments, stdin=stdin, seconds=seconds).out

    def ask(self, *arguments: object, stdin: str | None = None, seconds: float = 300.0) -> Answer:
        """Runs kubectl in it and returns both what it printed and what it warned of."""
        words = [str(argument) for argument in arguments]
        command: list[str | Path] = [self.settings.kubectl, "--namespace", self.name, *words]
        return ask(command, self.settings, stdin=stdin, seconds=seconds)

    def items(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Returns the objects of a kind."""
        found: dict[str, Any] = json.loads(self("get", kind, "-o", "json", f"--selector={selector}"))
        return list(found["items"])

    def secret(self, name: str, key: str) -> bytes:
        """Returns a key of a secret."""
        found = json.loads(self("get", "secret", name, "-o", "json"))
        return base64.b64decode(found["data"][key])

    @contextmanager
    def forwarded(self, what: str, port: int) -> Iterator[int]:
        """Gives a port of this machine that leads to a port of a pod or service while the context lasts."""
        own = free_port()
        command = [self.settings.kubectl, "-n", self.name, "port-forward", what, f"{own}:{port}"]
        env = {**own_environment(), "KUBECONFIG": str(self.settings.kubeconfig)}
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([str(part) for part in command], env=env, stdout=quiet, stderr=quiet)
        try:
            _wait_for_port(own, process)
            yield own
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _FORWARD_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ClusterError(f"port {port} does not lead into the cluster") from None
        time.sleep(0.1)
