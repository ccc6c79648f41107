"""A Prometheus server: the machine's own, Debian's package unpacked, or built by Go."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import run
from deploy.local.component import Component, Program
from deploy.local.errors import FetchError, MissingToolError
from deploy.local.http_ready import answers
from deploy.local.ports import free_port

GO_VERSION: Final = "0.316.0"  # the module's number for 3.16.0
_MODULE: Final = "github.com/prometheus/prometheus"
_REMEDY: Final = "install it, on Debian: apt-get install prometheus; or install Go, which builds it"


def fetch_prometheus(cache: Cache | None = None) -> Path:
    """Returns the folder with `prometheus` and `promtool`, fetched where this machine has none."""
    installed = shutil.which("prometheus")
    if installed is not None and shutil.which("promtool") is not None:
        return Path(installed).parent
    cache = cache or Cache.of_user()
    package = _debian_version()
    if package is not None:
        return cache.provide(f"prometheus-{package}", _unpack) / "usr" / "bin"
    go = shutil.which("go")
    if go is None:
        raise MissingToolError("prometheus is needed to look at metrics", _REMEDY)
    return cache.provide(f"prometheus-{GO_VERSION}", lambda folder: _build(folder, go))


def _debian_version() -> str | None:
    """Returns the version of the package that this machine could fetch, without a colon; None without."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return None
    try:
        found = re.search(r"Candidate: (\d\S+)", run(["apt-cache", "policy", "prometheus"]))
    except FetchError:
        return None
    return None if found is None else found[1].replace(":", "_")


def _unpack(folder: Path) -> None:
    """Fetches the package and unpacks it; that takes no rights, and installs nothing."""
    run(["apt-get", "download", "-q", "prometheus"], cwd=folder)
    package = next(folder.glob("prometheus_*.deb"))
    run(["dpkg-deb", "-x", package, folder])
    package.unlink()


def _build(folder: Path, go: str) -> None:
    """Builds both within a module of our own, for theirs refuses `go install`; minutes on two cores.

    Without its pages, and without the clients of all clouds: targets come from files.
    """
    source = folder / "source"
    source.mkdir()
    (source / "go.mod").write_text("module local\n")
    run([go, "get", f"{_MODULE}@v{GO_VERSION}"], cwd=source)
    programs = [f"{_MODULE}/cmd/{name}" for name in ("prometheus", "promtool")]
    run(
        [go, "build", "-tags", "remove_all_sd", "-o", f"{folder}/", *programs],
        cwd=source,
        env={"GOFLAGS": "-buildvcs=false -mod=mod"},
    )


def scrape_config(targets: Mapping[str, Sequence[str]], *, every_seconds: int = 1) -> str:
    """Returns a configuration that scrapes addresses (host:port) by job, and nothing else."""
    lines = ["global:", f"  scrape_interval: {every_seconds}s", "scrape_configs:"]
    for job, addresses in targets.items():
        lines += [f"  - job_name: {job}", "    static_configs:", "      - targets:"]
        lines += [f"          - {address}" for address in addresses]
    return "\n".join(lines) + "\n"


class PrometheusServer(Component):
    """A Prometheus with a configuration; `reload` after a change of the file."""

    def __init__(
        self,
        folder: Path,
        config: Path,
        *,
        programs: Path | None = None,
        log: Path | None = None,
        leashed: bool = True,
    ) -> None:
        """Fetches the server where it is not there."""
        super().__init__("prometheus", folder, log=log, leashed=leashed)
        self.config = config
        self._programs = programs or fetch_prometheus()
        self._port = free_port()

    @property
    def address(self) -> str:
        """Where its API and its pages are."""
        return f"127.0.0.1:{self._port}"

    @property
    def promtool(self) -> Path:
        """The program that checks rules and configurations."""
        return self._programs / "promtool"

    @property
    def ready_url(self) -> str:
        """Says whether it answers queries."""
        return f"http://{self.address}/-/ready"

    def program(self) -> Program:
        """Returns the server's command."""
        return Program(
            command=[
                self._programs / "prometheus",
                f"--config.file={self.config}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address={self.address}",
                "--web.enable-lifecycle",
            ]
        )

    def is_ready(self) -> bool:
        """Returns whether it answers queries."""
        return answers(self.ready_url)
