"""The stack of real parts that all tests of this folder share, and how each finds it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.errors import MissingToolError
from deploy.local.stack import Stack
from pairmill_synthweb.prepare import PreparedWorld
from tests.e2e.runs import Served, serving
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.rig import Rig, options
from tests.fakes.provided import lacking


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("stack"), options())
    try:
        made.up()
    except MissingToolError as error:
        lacking(error.what, error.remedy)
    yield made
    made.down()


@pytest.fixture(scope="session")
def fault_table() -> Iterator[FaultTable]:
    table = FaultTable()
    yield table
    table.write()


@pytest.fixture
def rig(stack: Stack, prepared: PreparedWorld) -> Iterator[Rig]:
    """The stack in order, over a synthetic web of which nothing was asked before."""
    with serving(prepared) as served:
        _in_order(stack, served)
        yield Rig(stack, served)


def _in_order(stack: Stack, served: Served) -> None:
    """Starts what is not there, and the downloaders anew: they remember hosts."""
    servers = (*stack.brokers, stack.s3, stack.triton, stack.prometheus)
    away = [server for server in servers if not server.alive]
    for server in away:
        server.launch()
    for server in away:
        server.wait_ready()
    downloaders = [process for process in stack.services.values() if process.service == "downloader"]
    for process in downloaders:
        process.stop()
        process.set_env(**served.downloader_env)
    for process in stack.services.values():
        if not process.alive:
            process.launch()
    for process in stack.services.values():
        process.wait_ready()
