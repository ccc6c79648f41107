"""Services of the stack that die, stop, stand still or come and go (A1 to A4, A7, A15, G1, G3, G9)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

import psutil
import pytest

from deploy.local.settings import STAGES
from pairmill.stage.checkpoints import Point
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import CANDIDATES
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.oracles import assert_same_dataset, assert_undisturbed
from tests.e2e.stack.rig import ENDED, Rig

_POINTS: Final[tuple[Point, ...]] = (
    "before_work",
    "after_objects",
    "after_follow_ups",
    "after_record",
    "after_commit",
)
_PAUSE_SECONDS: Final = 10.0  # longer than the group waits for a member
pytestmark = pytest.mark.faults


def _long(numbers: Sequence[int]) -> list[Any]:
    return [pytest.param(number, marks=pytest.mark.long) for number in numbers]


@pytest.mark.parametrize("turn", [0, *_long(range(1, len(_POINTS)))])
def test_a1_a2_g1_g3_every_stage_killed_around_an_effect_repeats_it(
    turn: int, rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """Over all turns every stage dies once at every point."""
    points = {stage: _POINTS[(turn + number) % len(_POINTS)] for number, stage in enumerate(STAGES)}
    for stage, point in points.items():
        victim = rig.services(stage)[0]
        with rig.held(victim):
            victim.stop()
            victim.set_env(PAIRMILL_KILL_AT=f"{point}:1")
            victim.launch()
    for stage in STAGES:
        rig.services(stage)[0].wait_ready()
    job = rig.run(f"kill-hooks-{turn}")
    assert rig.restarts >= len(STAGES) - 2  # of crawlers and downloaders the others may do it all
    assert_same_dataset(rig, undisturbed.out, job.job_id)
    fault_table.add(
        "A1,A2,G1,G3",
        injected=f"SIGKILL of every stage around an effect, turn {turn + 1} of {len(_POINTS)}",
        seen="each was started again and repeated its unit",
    )


@pytest.mark.parametrize("seed", [0, 1, *_long(range(2, 10))])
def test_g9_services_killed_at_random_moments(
    seed: int, rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """20 services die in one run, whichever they are."""
    source = random.Random(seed)
    job = rig.submit(f"random-{seed}")
    kills = 0
    while kills < 20 and rig.job(job).state not in ENDED:
        victim = source.choice(list(rig.stack.services.values()))
        if victim.alive:
            victim.kill()
            kills += 1
        rig.rest(source.uniform(0.2, 2.0))
    rig.wait_end(job)
    assert kills > 5
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "G9", injected=f"up to 20 SIGKILLs of random services, seed {seed}", seen="the run went on"
    )


def test_a3_every_service_told_to_stop_hands_back_and_the_next_goes_on(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    job = rig.submit("stopped")
    rig.wait_for_candidates(job, CANDIDATES // 8)
    victims = list(rig.stack.services.values())
    with rig.held(*victims):
        for victim in victims:
            assert victim.stop(seconds=25.0), f"{victim.name} had to be killed"
            assert victim.running.code == 0
    rig.wait_end(job)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "A3", injected="SIGTERM of every service at work", seen="exit code 0 within 25 s, then resumed"
    )


def test_a7_decoders_that_die_at_work_are_evidence_of_little(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """The first death over an input has it tried again: only the second would be its own fault."""

    def disturb() -> None:
        for process in rig.services("downloader"):
            children = [
                each for each in psutil.Process(process.pid).children() if "spawn" in str(each.cmdline())
            ]
            assert children
            for child in children:
                child.kill()

    assert_undisturbed(rig, undisturbed.out, "decoders-killed", disturb)
    assert rig.restarts == 0
    fault_table.add(
        "A7", injected="SIGKILL of the decoders of all downloaders", seen="others took their place"
    )


@pytest.mark.parametrize(
    "service",
    [
        "downloader",
        "inference",
        *[pytest.param("crawler", marks=pytest.mark.long), pytest.param("scorer", marks=pytest.mark.long)],
    ],
)
def test_a15_a_zombie_that_wakes_is_an_orphan(
    service: str, rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """It stands still past the session's time-out, another takes over, then it goes on."""
    job = rig.submit(f"zombie-{service}")
    rig.wait_for_candidates(job, CANDIDATES // 8)
    zombie = rig.services(service)[0]
    with rig.held(zombie):
        zombie.pause()
        rig.rest(_PAUSE_SECONDS)
        zombie.resume()
        rig.wait_end(job)
    assert_same_dataset(rig, undisturbed.out, job)
    assert_polite(rig)
    fault_table.add(
        "A15",
        injected=f"SIGSTOP of {service} for {_PAUSE_SECONDS:g} s, then SIGCONT",
        seen="what it wrote late counts for nothing",
    )


def test_a15_two_gateways_act_on_the_same_jobs(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    first = rig.services("gateway")[0]
    second = rig.add("gateway")
    try:
        job = rig.submit("two-gateways")
        rig.wait_for_candidates(job, CANDIDATES // 8)
        with rig.held(first):
            first.pause()
            rig.rest(_PAUSE_SECONDS)
            first.resume()
            rig.wait_end(job)
    finally:
        rig.remove(second)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "A15", injected="two gateways, one stopped for 10 s and woken", seen="one dataset, one manifest"
    )


def test_a4_downloaders_that_come_and_go_ask_no_host_faster(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """Rebalances together with politeness, measured at the server (U10, D11)."""
    job = rig.submit("come-and-go")
    rig.wait_for_candidates(job, CANDIDATES // 16)
    third = rig.add("downloader")
    rig.wait_for_candidates(job, CANDIDATES // 4)
    rig.services("downloader")[0].kill()
    rig.wait_end(job)
    rig.remove(third)
    assert_same_dataset(rig, undisturbed.out, job)
    assert_polite(rig)
    fault_table.add(
        "A4,D11",
        injected="a downloader added, another killed in mid-run",
        seen="every host was asked as one client asks it",
    )


def assert_polite(rig: Rig) -> None:
    """Every host was asked as one polite client asks it: as often at once, and as often in a time."""
    journal, settings = rig.served.web.journal, rig.served.prepared.settings
    assert journal.violations() == []
    connections = int(settings["download.host_connections"]) + 1  # robots.txt needs no free connection
    delay = float(settings["download.host_delay_seconds"])
    busy = {name: host for name, host in journal.hosts().items() if host.requests > 20}
    assert busy
    for name, host in busy.items():
        assert host.most_at_once <= connections, name
        taken = host.started_at[-1] - host.started_at[0]
        assert taken >= (host.requests - 1) * delay - 0.1, name
