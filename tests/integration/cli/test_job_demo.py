"""`pairmill job demo` against a served synthetic web and a server with fake jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError, RetriableError
from pairmill.rpc.callers import Caller, Role
from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Thresholds
from pairmill_protos.gateway.v1.job_service_pb2 import JobState
from pairmill_standalone.demo import parse_listen
from pairmill_standalone.demo_job import CRAWL, patiently, read_order
from pairmill_synthweb.kinds.table import least_candidates
from pairmill_synthweb.prepare import PreparedWorld, prepare_world
from pairmill_synthweb.truth.table import read_truth
from tests.fakes.clock import ManualClock
from tests.fakes.onnx_bundle import random_card, write_model
from tests.fakes.processes import wait_until
from tests.fakes.rpc import Served, callers, serving
from tests.integration.cli.conftest import Call


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PreparedWorld:
    folder = tmp_path_factory.mktemp("bundle")
    write_model(folder)
    bundle = assemble_bundle(folder, random_card(thresholds=Thresholds()))
    return prepare_world(tmp_path_factory.mktemp("world"), bundle, candidates=least_candidates())


@pytest.fixture(scope="module")
def web(world: PreparedWorld) -> Iterator[str]:
    with world.web() as served:
        yield f"http://127.0.0.1:{served.port}"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Served]:
    with serving(callers(tmp_path)) as server:
        yield server


def test_the_order_is_what_the_web_says_of_itself(world: PreparedWorld, web: str) -> None:
    order = read_order(f"{web}/")
    request = order.request("tiny")
    assert list(request.wats) == [f"{web}/wat/{wat.name}" for wat in world.wats]
    assert dict(request.settings) == dict(world.settings)
    assert (request.crawl, request.bundle) == (CRAWL, "tiny")
    assert order.truth.rows.equals(read_truth(world.truth).rows)
    slower = order.request("tiny", {"download.host_delay_seconds": "2"})
    assert dict(slower.settings) == {**world.settings, "download.host_delay_seconds": "2"}


def test_a_job_without_a_dataset_is_a_no(call: Call, web: str, gateway: Served) -> None:
    caller = Caller(name="operate", role=Role.OPERATE, tenant="default")
    known, _ = gateway.jobs.submit(read_order(web).request(""), caller)
    gateway.jobs.enter(known.job_id, JobState.JOB_STATE_CANCELLED)
    token = gateway.tokens.token_file("operate")
    result = call(
        *("job", "demo", "--web", web, "--target", gateway.target, "--token-file", token, "--insecure")
    )
    assert result.exit_code == 1
    assert f"{known.job_id}: was there before" in result.stderr
    assert f"{known.job_id} is cancelled and has no dataset" in result.stderr


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [("ftp://web/", 2, "no http(s) address"), ("http://127.0.0.1:1/", 1, "does not answer")],
)
def test_a_web_that_is_none_is_told(call: Call, gateway: Served, address: str, code: int, said: str) -> None:
    token = gateway.tokens.token_file("operate")
    result = call(
        *("job", "demo", "--web", address, "--patience", 0),
        *("--target", gateway.target, "--token-file", token, "--insecure"),
    )
    assert result.exit_code == code
    assert said in result.stderr
    assert gateway.jobs.requests == []


def test_an_address_where_no_web_is_yet_is_waited_for(web: str) -> None:
    with pytest.raises(RetriableError, match=r"elsewhere/job\.json is not there yet \(404\)"):
        read_order(f"{web}/elsewhere")


def test_what_is_away_is_waited_for_and_told_once() -> None:
    clock, told, tries = ManualClock(), list[str](), list[float]()

    def work() -> str:
        tries.append(clock.monotonic())
        if len(tries) < 4:
            raise RetriableError("the web does not answer")
        return "there"

    assert patiently(work, clock, 60.0, told.append) == "there"
    assert (len(tries), told) == (4, ["waiting: the web does not answer"])


def test_patience_ends() -> None:
    def work() -> str:
        raise RetriableError("the web does not answer")

    clock = ManualClock()
    with pytest.raises(RetriableError):
        patiently(work, clock, 10.0, lambda text: None)
    assert clock.monotonic() <= 10.0


def test_addresses_to_listen_on() -> None:
    assert parse_listen("0.0.0.0:7900") == ("0.0.0.0", 7900)
    assert parse_listen("[::1]:0") == ("::1", 0)
    for wrong in ("7900", "web:7900", "0.0.0.0:", ""):
        with pytest.raises(ConfigurationError, match="--serve"):
            parse_listen(wrong)


@pytest.mark.slow
def test_the_demo_serves_its_web_until_it_is_told_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pairmill_standalone", "demo", "--serve", "127.0.0.1:0"]
    command += ["--out", str(tmp_path / "demo"), "--candidates", str(least_candidates())]
    log = tmp_path / "log"
    with log.open("w") as stream, subprocess.Popen(command, stderr=stream, env=dict(os.environ)) as process:
        try:
            wait_until(lambda: "the synthetic web of" in log.read_text(), seconds=240.0)
            address = log.read_text().split(" is at ")[1].strip()
            assert read_order(f"http://{address}").truth.rows.num_rows >= least_candidates()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
