"""One synthetic web for all whole runs, and one undisturbed run over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pairmill.clock import SystemClock
from pairmill_models.bundle import load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_standalone.demo import prepare_demo_world
from pairmill_synthweb.prepare import PreparedWorld
from pairmill_synthweb.serving.journal import HostRecord, Violation
from tests.e2e.runs import CANDIDATES, SEED, Served, serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """A run without faults: what all others have to come to."""

    out: Path
    seconds: float
    violations: Sequence[Violation]  # requests that should not have been made
    hosts: Mapping[str, HostRecord]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedWorld:
    folder = tmp_path_factory.mktemp("world")
    return prepare_demo_world(folder, load_bundle(bundle_path()), candidates=CANDIDATES, seed=SEED)


@pytest.fixture
def served(prepared: PreparedWorld) -> Iterator[Served]:
    with serving(prepared) as found:
        yield found


@pytest.fixture(scope="session")
def undisturbed(prepared: PreparedWorld, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    clock = SystemClock()
    with serving(prepared) as served:
        start = clock.monotonic()
        end = served.run(out)
        seconds = clock.monotonic() - start
        journal = served.web.journal
        violations, hosts = journal.violations(), journal.hosts()
    assert (end["state"], end["restarts"]) == ("incomplete", 0), end  # one WAT of the world ends early
    return Undisturbed(out=out, seconds=seconds, violations=violations, hosts=hosts)
