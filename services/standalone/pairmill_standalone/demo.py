"""The demo: a synthetic web, the whole pipeline over it, and the result compared with the known truth."""

from __future__ import annotations

import ipaddress
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pairmill.errors import ConfigurationError
from pairmill_downloader.images.phash import perceptual_hash
from pairmill_gateway.admission import normalise_wats
from pairmill_gateway.request import JobRequest, admit_request
from pairmill_models.bundle import Bundle
from pairmill_standalone.run import Run, RunEnd
from pairmill_standalone.run_options import RunOptions
from pairmill_standalone.workspace import Workspace
from pairmill_synthweb.prepare import PreparedWorld, prepare_world
from pairmill_synthweb.truth.compare import Comparison, compare_with_truth
from pairmill_synthweb.truth.table import read_truth

WEB_FOLDER = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEnd:
    """How a demo ended; without a dataset there is no comparison."""

    run: RunEnd
    comparison: Comparison | None = None


def prepare_demo(workspace: Workspace, bundle: Bundle, *, candidates: int, seed: int) -> PreparedWorld:
    """Returns the synthetic web of a demo, made in its state folder or opened where it is there."""
    return prepare_demo_world(workspace.state / WEB_FOLDER, bundle, candidates=candidates, seed=seed)


def prepare_demo_world(folder: Path, bundle: Bundle, *, candidates: int, seed: int) -> PreparedWorld:
    """Returns the synthetic web in a folder; what is a near-duplicate is judged by the downloader's hash."""
    return prepare_world(
        folder,
        bundle,
        candidates=candidates,
        seed=seed,
        phash=lambda pixels: int(perceptual_hash(pixels), 16),
    )


def serve_demo(world: PreparedWorld, address: str, port: int, say: Callable[[str], None]) -> None:
    """Serves a synthetic web until SIGINT or SIGTERM, and nothing else."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    with world.web(port, address) as web:
        say(f"the synthetic web of {len(world.wats)} WATs is at {address}:{web.port}")
        stopped.wait()


def parse_listen(text: str) -> tuple[str, int]:
    """Returns an address to listen on and its port; raises ConfigurationError where it is none."""
    address, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(address.strip("[]"))), int(port)
    except ValueError as error:
        raise ConfigurationError(f"--serve: {text!r} is no address and port, such as 0.0.0.0:7900") from error


def run_demo(
    workspace: Workspace,
    world: PreparedWorld,
    bundle: Bundle,
    options: RunOptions,
    execute: Callable[[Run], RunEnd],
) -> DemoEnd:
    """Runs the pipeline over a synthetic web that is up meanwhile, and compares; resumes like a run."""
    request = JobRequest(
        wats=normalise_wats(str(wat) for wat in world.wats).wats,
        crawl="DEMO",
        settings=world.settings,
    )
    admission = admit_request(request, bundle)
    with world.web() as web:
        env = {**options.service_env, "downloader": web.downloader_env}
        end = execute(Run(workspace, admission, options.with_env(env)))
    if end.state not in ("complete", "incomplete"):
        return DemoEnd(run=end)
    return DemoEnd(run=end, comparison=compare_with_truth(workspace.out, read_truth(world.truth)))
