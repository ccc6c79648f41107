"""Wrong clocks, full disks, models of another bundle, huge requests (A8, A11, A16, A17, F6)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.local.settings import STAGES
from pairmill_models.bundle import load_bundle
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import CANDIDATES
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.oracles import assert_same_dataset
from tests.e2e.stack.rig import Rig
from tests.fakes.provided import lacking

_SKEW_SECONDS: Final = 600  # S3 refuses requests that are signed a quarter of an hour off
_SHIM: Final = Path(__file__).with_name("clock_skew.c")
pytestmark = pytest.mark.faults


@pytest.fixture(scope="session")
def clock_shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that sets a process's wall clock wrong."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        lacking("no C compiler", "apt-get install gcc")
    library = tmp_path_factory.mktemp("shim") / "clock_skew.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SHIM, "-ldl"], check=True)
    return library


def test_a16_clocks_that_are_minutes_off_either_way(
    clock_shim: Path, rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    services = [name for name, process in rig.stack.services.items() if process.service in STAGES]
    for number, name in enumerate(services):
        process = rig.stack.services[name]
        process.stop()
        skew = _SKEW_SECONDS if number % 2 else -_SKEW_SECONDS
        process.set_env(LD_PRELOAD=str(clock_shim), CLOCK_SKEW_SECONDS=str(skew))
        process.launch()
    try:
        for name in services:
            rig.stack.services[name].wait_ready()
        job = rig.run("clocks-off")
    finally:
        rig.start_anew(*STAGES, LD_PRELOAD="", CLOCK_SKEW_SECONDS="0")
    assert_same_dataset(rig, undisturbed.out, job.job_id)
    fault_table.add(
        "A16", injected="wall clocks of the stages ten minutes fast or slow", seen="retry rounds were on time"
    )


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system on which there is no room for a shard."""
    point = tmp_path / "full"
    point.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(point)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        lacking("no small file system can be mounted", "run the tests as root")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


def test_a17_scratch_of_a_downloader_is_full(
    full_disk: Path, rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """It waits and says so; units that it holds are done once there is room, or by another one."""
    victim = rig.services("downloader")[0]
    before = victim.env["PAIRMILL_SCRATCH"]
    with rig.held(victim):
        victim.stop()
        victim.set_env(PAIRMILL_SCRATCH=str(full_disk))
        victim.launch()
        victim.wait_ready()
        job = rig.submit("scratch-full")
        rig.wait_for_candidates(job, CANDIDATES // 16)
        rig.rest(8.0)
        assert "space" in victim.log().lower()
        victim.stop()
        victim.set_env(PAIRMILL_SCRATCH=before)
        victim.launch()
    rig.wait_end(job)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "A17",
        injected="the scratch disk of one downloader full",
        seen="no unit was blamed, nothing cut was stored",
    )


def test_a8_f6_a_model_that_is_not_the_jobs_stops_the_stage_and_no_unit(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """Another bundle's digest in the model repository, as after a bad release."""
    triton = rig.stack.triton
    configs = list((rig.stack.layout.data / "models").rglob("config.pbtxt"))
    good = {path: path.read_text() for path in configs}
    digest = _digest(rig)
    job = rig.submit("wrong-model")
    rig.wait_for_candidates(job, CANDIDATES // 8)
    for path, text in good.items():
        assert digest in text
        path.write_text(text.replace(digest, digest[::-1]))
    triton.restart()
    rig.rest(12.0)
    assert not rig.services("inference")[0].is_ready()
    for path, text in good.items():
        path.write_text(text)
    triton.restart()
    rig.wait_end(job)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "A8,F6",
        injected="another bundle's models in tritonserver",
        seen="the stage stopped, no unit was closed",
    )


def test_a11_a_request_with_very_many_wats_is_one_small_record(rig: Rig, fault_table: FaultTable) -> None:
    wats = [
        f"https://data.example.org/crawl-data/CC-MAIN-2026-10/segments/{n:012d}.wat.gz"
        for n in range(100_000)
    ]
    assert rig.validate(wats).spec.wat_count == len(wats)
    fault_table.add(
        "A11",
        injected="a job of 100,000 WAT files",
        seen="admitted; its record refers to the list",
        dataset="not run",
    )


def _digest(rig: Rig) -> str:
    return load_bundle(rig.stack.options.bundle).digest
