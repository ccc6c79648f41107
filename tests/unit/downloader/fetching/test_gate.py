"""The gate on an event loop (U10, D11), in time that jumps."""

from __future__ import annotations

import asyncio

import pytest

from pairmill_downloader.fetching.gate import PoliteGate
from pairmill_downloader.permit import Permit
from pairmill_protos.job.v1.job_pb2 import DownloadRules
from tests.fakes.virtual_time import VirtualClock, run_virtually

RULES = DownloadRules(host_delay_seconds=1.0, host_connections=2)


async def visit(
    gate: PoliteGate,
    clock: VirtualClock,
    host: str,
    *,
    stays: float = 0.0,
    deadline: float = 1e6,
    domain: str = "example",
) -> float | None:
    """Takes a turn; returns when it came, or None."""
    async with gate.turn(host, domain, RULES, deadline=deadline) as admitted:
        if not admitted:
            return None
        came = clock.monotonic()
        await asyncio.sleep(stays)
        return came


def test_d11_turns_come_one_after_the_other() -> None:
    async def test(clock: VirtualClock) -> list[float | None]:
        gate = PoliteGate(clock)
        return await asyncio.gather(*(visit(gate, clock, "a.example") for _ in range(4)))

    assert run_virtually(test) == pytest.approx([0.0, 1.0, 2.0, 3.0])


def test_d11_connections_are_kept() -> None:
    async def test(clock: VirtualClock) -> list[float | None]:
        gate = PoliteGate(clock)
        return await asyncio.gather(*(visit(gate, clock, "a.example", stays=10.0) for _ in range(4)))

    assert run_virtually(test) == pytest.approx([0.0, 1.0, 10.0, 11.0])


def test_late_turn_is_refused_at_once() -> None:
    async def test(clock: VirtualClock) -> tuple[list[float | None], float]:
        gate = PoliteGate(clock)
        turns = [visit(gate, clock, "a.example", deadline=1.5) for _ in range(4)]
        return await asyncio.gather(*turns), clock.monotonic()

    came, ended = run_virtually(test)
    assert came == [0.0, 1.0, None, None]
    assert ended == pytest.approx(1.0)


def test_turn_that_a_busy_host_cannot_give_is_refused_at_the_deadline() -> None:
    async def test(clock: VirtualClock) -> list[float | None]:
        gate = PoliteGate(clock)
        holders = [visit(gate, clock, "a.example", stays=100.0) for _ in range(2)]
        return await asyncio.gather(*holders, visit(gate, clock, "a.example", deadline=50.0))

    assert run_virtually(test) == [0.0, 1.0, None]


def test_cancelled_turn_leaves_its_place_to_the_next() -> None:
    async def test(clock: VirtualClock) -> float | None:
        gate = PoliteGate(clock)
        holders = [asyncio.create_task(visit(gate, clock, "a.example", stays=100.0)) for _ in range(2)]
        await asyncio.sleep(2.0)
        given_up = asyncio.create_task(visit(gate, clock, "a.example"))
        last = asyncio.create_task(visit(gate, clock, "a.example"))
        await asyncio.sleep(2.0)
        given_up.cancel()
        holders[0].cancel()
        return await last

    assert run_virtually(test) == pytest.approx(4.0)


def test_d6_paused_host_waits_and_others_do_not() -> None:
    async def test(clock: VirtualClock) -> list[float | None]:
        gate = PoliteGate(clock)
        gate.wait_at_least("a.example.com", 30.0)
        hosts = ("a.example.com", "b.example.com")
        return await asyncio.gather(*(visit(gate, clock, host, domain="example.com") for host in hosts))

    assert run_virtually(test) == pytest.approx([30.0, 0.0])


def test_pause_refuses_those_whom_it_makes_late() -> None:
    async def test(clock: VirtualClock) -> tuple[float | None, float]:
        gate = PoliteGate(clock)
        await visit(gate, clock, "a.test", domain="a.test")
        waiting = asyncio.create_task(visit(gate, clock, "a.test", deadline=20.0, domain="a.test"))
        await asyncio.sleep(0.5)
        gate.wait_at_least("a.test", 300.0)
        return await waiting, clock.monotonic()

    assert run_virtually(test) == (None, 0.5)


def test_further_starts_keep_distance_without_a_connection() -> None:
    async def test(clock: VirtualClock) -> list[float]:
        gate = PoliteGate(clock)
        came = []
        async with gate.turn("a.example", "example", RULES, deadline=1e6):
            for _ in range(3):
                assert await gate.further_start("a.example", "example", RULES, deadline=1e6)
                came.append(clock.monotonic())
            assert not await gate.further_start("a.example", "example", RULES, deadline=3.5)
        return came

    assert run_virtually(test) == pytest.approx([1.0, 2.0, 3.0])


def test_further_start_comes_although_its_domain_was_forgotten_meanwhile() -> None:
    rules = DownloadRules(host_delay_seconds=0.0, host_connections=1)

    async def test(clock: VirtualClock) -> bool:
        gate = PoliteGate(clock)

        async def held(host: str) -> None:
            async with gate.turn(host, host, rules, deadline=100.0):
                await asyncio.sleep(5.0)

        others = [asyncio.create_task(held(f"{number}.test")) for number in range(1100)]
        await asyncio.sleep(0.0)
        gate.wait_at_least("a.test", 5.0)  # so that it starts when the others end
        started = await gate.further_start("a.test", "a.test", rules, deadline=100.0)
        await asyncio.gather(*others)
        return started

    assert run_virtually(test)


def test_two_hosts_that_redirect_to_each_other_do_not_wait_for_ever() -> None:
    rules = DownloadRules(host_delay_seconds=0.1, host_connections=1)

    async def test(clock: VirtualClock) -> bool:
        gate = PoliteGate(clock)

        async def there(one: str, other: str) -> bool:
            async with gate.turn(one, one, rules, deadline=100.0) as admitted:
                await asyncio.sleep(1.0)
                return admitted and await gate.further_start(other, other, rules, deadline=100.0)

        return all(await asyncio.gather(there("a.test", "b.test"), there("b.test", "a.test")))

    assert run_virtually(test)


def test_u10_every_host_was_just_contacted() -> None:
    async def test(clock: VirtualClock) -> float | None:
        gate = PoliteGate(clock)
        gate.all_contacted_now()
        return await visit(gate, clock, "a.example")

    assert run_virtually(test) == pytest.approx(1.0)


def test_deadline_may_be_never() -> None:
    async def test(clock: VirtualClock) -> list[float | None]:
        gate = PoliteGate(clock)
        return await asyncio.gather(
            *(visit(gate, clock, "a.example", deadline=float("inf")) for _ in range(2))
        )

    assert run_virtually(test) == pytest.approx([0.0, 1.0])


def test_u10_nobody_has_a_turn_while_the_partitions_may_be_anothers() -> None:
    async def test(clock: VirtualClock) -> list[float | None]:
        gate = PoliteGate(clock, Permit(lambda: clock.monotonic() >= 5.0))
        return await asyncio.gather(*(visit(gate, clock, "a.example") for _ in range(2)))

    came = run_virtually(test)
    assert [round(time or 0.0) for time in came] == [5, 6]


def test_u10_a_turn_is_too_late_if_the_permission_is() -> None:
    async def test(clock: VirtualClock) -> float | None:
        gate = PoliteGate(clock, Permit(lambda: False))
        return await visit(gate, clock, "a.example", deadline=3.0)

    assert run_virtually(test) is None
