"""Runs over one synthetic web: undisturbed, disturbed, and what has to be equal afterwards."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from pairmill_models.tiny import bundle_path
from pairmill_standalone.run import read_status
from pairmill_standalone.workspace import STATE_FOLDER
from pairmill_synthweb.prepare import FAILURES_FILE, PreparedWorld
from pairmill_synthweb.web import SyntheticWeb
from tests.e2e.command import SECONDS, pairmill
from tests.e2e.hooked_run import Order
from tests.fakes.processes import wait_until

SEED: Final = 7
"""Of the synthetic web that the tests run over."""

CANDIDATES: Final = 420
"""Just enough for every kind of link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A synthetic web that is up, and the runs over it."""

    prepared: PreparedWorld
    web: SyntheticWeb

    @property
    def downloader_env(self) -> Mapping[str, str]:
        """What a downloader has to be told to find the web."""
        return self.web.downloader_env

    def order(self, out: Path, **changes: Any) -> Order:
        """Returns the order of a run into a folder; `changes` are fields of `Order`."""
        return Order(
            **{
                "out": str(out),
                "wats": [str(wat) for wat in self.prepared.wats],
                "settings": dict(self.prepared.settings),
                "bundle": str(bundle_path()),
                "service_env": {"downloader": dict(self.downloader_env)},
                **changes,
            }
        )

    def run(self, out: Path, **changes: Any) -> dict[str, Any]:
        """Runs to the end and returns how it ended."""
        with started(self.order(out, **changes)) as process:
            return end_of(process)


@contextmanager
def serving(prepared: PreparedWorld) -> Iterator[Served]:
    """Serves a synthetic web of which nothing was asked before."""
    (prepared.folder / FAILURES_FILE).unlink(missing_ok=True)
    with prepared.web() as web:
        yield Served(prepared=prepared, web=web)


@contextmanager
def started(order: Order) -> Iterator[subprocess.Popen[str]]:
    """Starts a run as a process; whatever is left of it is killed at the end."""
    out = Path(order.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    file = out.with_name(f"{out.name}.order.json")
    file.write_text(json.dumps(asdict(order)))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.hooked_run", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            kill_whole(process)


def end_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Waits for a run's end and returns it."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, f"exit code {process.returncode}\n{out}\n{err}"
    end: dict[str, Any] = json.loads(out.splitlines()[-1])
    return end


def kill_whole(process: subprocess.Popen[str]) -> None:
    """Ends a run and all its services with SIGKILL, as a machine that stops does."""
    try:
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family[1:], timeout=10)


@contextmanager
def second_gateway(process: subprocess.Popen[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Starts another gateway on the job of a run, told the same as the run's own but for its files."""
    family = psutil.Process(process.pid).children()
    first = next(child for child in family if "pairmill_gateway" in child.cmdline())
    folder.mkdir()
    own = {
        "PAIRMILL_STATUS_FILE": str(folder / "status.json"),
        "PAIRMILL_SCRATCH": str(folder / "scratch"),
        "PAIRMILL_REASON_FILE": str(folder / "reason"),
    }
    with subprocess.Popen(
        first.cmdline(),
        env={**first.environ(), **own},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as second:
        try:
            yield second
        finally:
            second.kill()


def killed_after(order: Order, seconds: float) -> bool:
    """Starts a run and kills all of it so long afterwards; returns False if it had ended before."""
    with started(order) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_whole(process)
            return True
    return False


def wait_for_candidates(process: subprocess.Popen[str], out: Path, ended: int) -> None:
    """Waits until the download of so many candidates has ended, with the run still at work."""

    def is_there() -> bool:
        assert process.poll() is None, "the run ended before"
        status = read_status(out / STATE_FOLDER / "status.json") or {}
        return int(str(status.get("ended", 0))) >= ended

    wait_until(is_there, SECONDS)


def train_digests(out: Path) -> dict[str, str]:
    """Returns the SHA-256 of every tar of `train/` by its path."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.glob("train/*/*.tar"))
    }


def assert_same_dataset(undisturbed: Path, disturbed: Path) -> None:
    """Asserts both oracles: the books close, and the dataset is the same (U0, U12)."""
    audit = pairmill("audit", disturbed)
    assert audit.code == 0, audit.out + audit.err
    diff = pairmill("diff", undisturbed, disturbed)
    assert diff.code == 0, diff.out + diff.err
    digests = train_digests(undisturbed)
    assert digests
    assert train_digests(disturbed) == digests
