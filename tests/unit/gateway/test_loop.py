"""The gateway's loop waits outages out, gives up with the reason, and sweeps after the end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from pairmill.errors import ConfigurationError, CorruptObjectError, RetriableError
from pairmill.stage.loop import GAVE_UP
from pairmill_gateway.loop import GatewayLoop
from pairmill_protos.job.v1.job_pb2 import JobEnded
from tests.fakes.clock import ManualClock


class ScriptedDriver:
    """Does one thing per step; the job has ended when the script has."""

    def __init__(self, *script: BaseException | bool) -> None:
        self._script = list(script)
        self.ended: JobEnded | None = None

    def step(self) -> bool:
        if not self._script:
            self.ended = JobEnded(job_id="j", state="complete")
            return True
        action = self._script.pop(0)
        if isinstance(action, BaseException):
            raise action
        return action


def _loop(
    open_driver: Callable[[], ScriptedDriver], swept: list[str], give_up_seconds: float | None = 30.0
) -> GatewayLoop:
    return GatewayLoop(
        open_driver,
        lambda ended: swept.append(ended.job_id),
        clock=ManualClock(),
        poll_seconds=0.1,
        give_up_seconds=give_up_seconds,
    )


def test_a_job_that_ended_is_swept_and_the_process_ends_well() -> None:
    swept: list[str] = []
    assert _loop(lambda: ScriptedDriver(True, False), swept).run() == 0
    assert swept == ["j"]


def test_the_rest_between_two_turns_grows_while_nothing_happens() -> None:
    clock, turns = ManualClock(), list[float]()

    class Timed(ScriptedDriver):
        def step(self) -> bool:
            turns.append(clock.monotonic())
            return super().step()

    driver = Timed(*[False] * 20, True, False)
    GatewayLoop(lambda: driver, lambda _: None, clock=clock, poll_seconds=0.25, give_up_seconds=None).run()
    rests = [later - earlier for earlier, later in pairwise(turns)]
    assert rests[0] < 0.1
    assert max(rests) == pytest.approx(0.25)
    assert rests[20] == 0, "what happened is followed up at once"
    assert rests[21] == pytest.approx(rests[0])


def test_a17_a_full_disk_is_waited_out() -> None:
    driver = ScriptedDriver(OSError(28, "No space left on device"), RetriableError("away"), True)
    swept: list[str] = []
    assert _loop(lambda: driver, swept, give_up_seconds=None).run() == 0
    assert swept == ["j"]


def test_an_outage_without_end_is_given_up_with_its_reason() -> None:
    driver = ScriptedDriver(*[RetriableError("the store is away")] * 1000)
    loop = _loop(lambda: driver, [])
    assert loop.run() == GAVE_UP
    assert loop.gave_up == "RetriableError: the store is away"


def test_g4_a_damaged_spec_is_given_up_at_once() -> None:
    def damaged() -> ScriptedDriver:
        raise CorruptObjectError("object spec does not have the checksum it was written with")

    loop = _loop(damaged, [])
    assert loop.run() == GAVE_UP
    assert "spec" in loop.gave_up


def test_a_wrong_configuration_is_not_waited_out() -> None:
    with pytest.raises(ConfigurationError):
        _loop(lambda: ScriptedDriver(ConfigurationError("--out: read-only")), []).run()


def test_a_bug_is_not_waited_out() -> None:
    with pytest.raises(OSError, match="a bug"):
        _loop(lambda: ScriptedDriver(OSError(22, "a bug")), []).run()


def test_a_stop_ends_the_loop_before_the_job_has_ended() -> None:
    swept: list[str] = []
    loop = _loop(lambda: ScriptedDriver(False), swept)
    loop.request_stop()
    assert loop.run() == 0
    assert swept == []
