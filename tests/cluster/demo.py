"""The demo's release: what is asked of it again and again."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from deploy.cluster.kubectl import ClusterError
from deploy.cluster.release import Release
from deploy.local.commands import own_environment, python_module, run
from deploy.local.errors import FetchError

CANDIDATES: Final = 1000
SEED: Final = 1
STORE: Final = "s3://pairmill/datasets"
AS_THE_TRUTH_SAYS: Final = "ended as the truth table says"
SERVICES: Final = (
    "gateway", "crawler", "planner", "downloader", "inference", "scorer", "finaliser", "indexer", "explorer",
)  # fmt: skip
_REST_SECONDS: Final = 1.0


def pods(release: Release, component: str = "") -> list[dict[str, Any]]:
    """Returns the pods of a release, or of one of its components, without those that are going."""
    selector = f"app.kubernetes.io/instance={release.name}"
    if component:
        selector += f",app.kubernetes.io/component={component}"
    found = release.namespace.items("pods", selector)
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def name_of(item: dict[str, Any]) -> str:
    """Returns the name of an object."""
    return str(item["metadata"]["name"])


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is ready, or was a job's and has done it."""
    if pod["status"]["phase"] == "Succeeded":
        return True
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def restarts(pod: dict[str, Any]) -> int:
    """Returns how often containers of a pod were started again."""
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", ()))


def job_name(release: Release, revision: int) -> str:
    """Returns the name of the Job that runs the demo's job in a revision."""
    return f"{release.fullname}-demo-job-{revision}"


def job_log(release: Release, revision: int) -> str:
    """Returns what that Job has said."""
    return release.namespace("logs", f"job/{job_name(release, revision)}", "--tail=-1")


def wait_for_job(release: Release, revision: int, seconds: float = 1800.0) -> str:
    """Waits until that Job is done and returns what it said."""
    name = f"job/{job_name(release, revision)}"
    release.namespace(
        "wait", "--for=condition=complete", name, f"--timeout={seconds:g}s", seconds=seconds + 60
    )
    return job_log(release, revision)


def job_id_of(log: str) -> str:
    """Returns the id of the job that a log speaks of."""
    line = next(line for line in log.splitlines() if "admitted" in line or "was there before" in line)
    return line.split(": ")[-2].split()[-1]


@contextmanager
def called(release: Release) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Gives what calls a verb of `pairmill job` on the release's gateway, from this machine."""
    space = release.namespace
    with (
        space.forwarded(f"service/{release.fullname}-gateway", 7600) as port,
        tempfile.TemporaryDirectory() as folder,
    ):
        token, authority = Path(folder) / "token", Path(folder) / "ca.pem"
        token.write_bytes(space.secret(f"{release.fullname}-demo-auth", "user.token"))
        authority.write_bytes(space.secret(f"{release.fullname}-demo-tls", "ca.crt"))
        reached = ("--target", f"localhost:{port}", "--token-file", token, "--ca-file", authority)

        def call(*arguments: str) -> list[dict[str, Any]]:
            said = run(python_module("pairmill_standalone", "job", *arguments, "--json", *reached))
            found = json.loads(said.splitlines()[-1])
            return found if isinstance(found, list) else [found]

        yield call


def running_jobs(release: Release, seconds: float = 120.0) -> list[str]:
    """Returns the jobs that have begun and not ended, as the gateway says once it answers."""
    done = frozenset({"complete", "incomplete", "cancelled", "admitted"})
    found: list[str] = []

    def answers() -> bool:
        try:
            with called(release) as call:
                found[:] = [job["job_id"] for job in call("list") if job["state"] not in done]
        except (ClusterError, FetchError):
            return False
        return True

    wait_until("the gateway answers", answers, seconds)
    return found


def ended_at(release: Release, revision: int) -> datetime:
    """Returns when the Job that follows the demo's job was done, by the cluster's clock."""
    found = json.loads(release.namespace("get", "job", job_name(release, revision), "-o", "json"))
    return datetime.fromisoformat(found["status"]["completionTime"])


def made_at(pod: dict[str, Any]) -> datetime:
    """Returns when a pod was made, by the cluster's clock."""
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"])


def wait_until(what: str, condition: Callable[[], bool], seconds: float) -> None:
    """Returns once a condition holds; fails after some time.

    A look starts processes and asks the cluster, which may be small: so it rests between two.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not in {seconds:g} s"
        time.sleep(_REST_SECONDS)


@contextmanager
def store_env(release: Release) -> Iterator[dict[str, str]]:
    """Gives the variables by which a command of this machine reads the release's bucket."""
    space = release.namespace
    with (
        space.forwarded(f"service/{release.fullname}-demo-s3", 7070) as port,
        tempfile.TemporaryDirectory() as folder,
    ):
        keys = Path(folder) / "credentials.json"
        keys.write_bytes(space.secret(f"{release.fullname}-demo-store", "credentials.json"))
        yield {
            "PAIRMILL_S3__ENDPOINT": f"http://127.0.0.1:{port}",
            "PAIRMILL_S3__CREDENTIALS_FILE": str(keys),
        }


def pairmill(*arguments: str, env: Mapping[str, str]) -> int:
    """Runs the command of this machine and returns its exit code; what it said of a failure is shown."""
    command = python_module("pairmill_standalone", *arguments)
    done = subprocess.run(
        command, env={**own_environment(), **env}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n")
    return done.returncode


def diff_with(release: Release, embedded: Path, job_id: str) -> int:
    """Compares a job's dataset with one in a folder of this machine; returns 0 where they are the same."""
    with store_env(release) as env:
        return pairmill("diff", str(embedded), f"{STORE}/{job_id}", env=env)


class Explorer:
    """The explorer of a release, asked over HTTPS with its own certificate and the user's token."""

    def __init__(self, release: Release, port: int) -> None:
        space = release.namespace
        authority = space.secret(f"{release.fullname}-demo-tls", "ca.crt").decode()
        self._context = ssl.create_default_context(cadata=authority)
        self._token = space.secret(f"{release.fullname}-demo-auth", "user.token").decode()
        self._base = f"https://localhost:{port}"

    def call(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """Calls a method of the API and returns its answer."""
        return dict(json.loads(self._open(f"/api/v1/{method}", json.dumps(request).encode())))

    def page(self) -> str:
        """Returns the page."""
        return self._open("/").decode()

    def refusal(self) -> int:
        """Returns the status of a call without a token."""
        try:
            with urllib.request.urlopen(
                self._request("/api/v1/SearchService/ListDatasets", b"{}", ""), context=self._context
            ):
                return 200
        except urllib.error.HTTPError as error:
            return error.code

    def _open(self, path: str, body: bytes | None = None) -> bytes:
        request = self._request(path, body, self._token)
        with urllib.request.urlopen(request, context=self._context, timeout=60) as answer:
            return bytes(answer.read())

    def _request(self, path: str, body: bytes | None, token: str) -> urllib.request.Request:
        request = urllib.request.Request(self._base + path, data=body)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        return request
