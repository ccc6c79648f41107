"""Nothing is lost and nothing doubled, whatever dies (A1, A2, A15, G1, G3, G9)."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Final

import pytest

from pairmill.stage.checkpoints import Point
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import (
    CANDIDATES,
    Served,
    assert_same_dataset,
    end_of,
    killed_after,
    second_gateway,
    started,
    wait_for_candidates,
)

_STAGES: Final = ("crawler", "planner", "downloader", "inference", "scorer", "finaliser")
_POINTS: Final[tuple[Point, ...]] = (
    "before_work",
    "after_objects",
    "after_follow_ups",
    "after_record",
    "after_commit",
)
_QUICK_KILLS: Final = range(5)
_LONG_KILLS: Final = range(5, 20)
_QUICK_ROUNDS: Final = (0,)


def _numbered(quick: range | tuple[int, ...], rest: range | tuple[int, ...]) -> list[Any]:
    """Cases of which some belong to the long form of the suite alone."""
    return [*quick, *(pytest.param(number, marks=pytest.mark.long) for number in rest)]


@pytest.mark.faults
@pytest.mark.parametrize("seed", _numbered(_QUICK_KILLS, _LONG_KILLS))
def test_g9_a_run_killed_at_a_random_moment_goes_on_to_the_same_dataset(
    seed: int, served: Served, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    moment = random.Random(seed).uniform(1.0, undisturbed.seconds)
    order = served.order(tmp_path / "out")
    while not killed_after(order, moment):  # on an idle machine it may have ended before
        shutil.rmtree(tmp_path / "out")
        moment /= 2
    with started(order) as process:
        assert end_of(process)["state"] == "incomplete"  # one WAT of the world ends early
    assert_same_dataset(undisturbed.out, tmp_path / "out")


@pytest.mark.faults
@pytest.mark.parametrize("turn", _numbered(_QUICK_ROUNDS, range(1, len(_POINTS))))
def test_a1_a2_g1_g3_every_stage_killed_around_an_effect_repeats_it(
    turn: int, served: Served, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Over all turns every stage dies once at every point."""
    first_env = {
        stage: {"PAIRMILL_KILL_AT": f"{_POINTS[(turn + number) % len(_POINTS)]}:1"}
        for number, stage in enumerate(_STAGES)
    }
    end = served.run(tmp_path / "out", first_env=first_env)
    assert end["restarts"] == len(_STAGES)
    assert_same_dataset(undisturbed.out, tmp_path / "out")


@pytest.mark.faults
def test_another_number_of_workers_and_partitions_gives_the_same_dataset(
    served: Served, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    served.run(
        tmp_path / "out", workers={"crawler": 2, "downloader": 2, "inference": 2, "planner": 2}, partitions=3
    )
    assert_same_dataset(undisturbed.out, tmp_path / "out")


@pytest.mark.faults
def test_a15_two_gateways_on_one_job_make_one_dataset(
    served: Served, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with started(served.order(out)) as process:
        wait_for_candidates(process, out, CANDIDATES // 8)
        with second_gateway(process, tmp_path / "second") as second:
            assert end_of(process)["state"] == "incomplete"  # one WAT of the world ends early
            assert second.wait(60) == 0
    assert_same_dataset(undisturbed.out, out)


@pytest.mark.faults
def test_a_run_that_is_interrupted_ends_soon_and_the_next_call_resumes(
    served: Served, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    order = served.order(tmp_path / "out")
    with started(order) as process:
        wait_for_candidates(process, tmp_path / "out", CANDIDATES // 4)
        stopping = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert end_of(process)["state"] == "interrupted"
        assert time.monotonic() - stopping < 15
    with started(order) as process:
        assert end_of(process)["state"] == "incomplete"
    assert_same_dataset(undisturbed.out, tmp_path / "out")
