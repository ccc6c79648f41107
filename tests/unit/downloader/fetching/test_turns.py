"""When whose request may start (U10, D11)."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill_downloader.fetching.turns import State, Ticket, Turns

NEVER = 1e9


def ticket(host: str = "a.example", **fields: float) -> Ticket:
    made = Ticket(host=host, domain="example", delay=1.0, connections=2, deadline=NEVER)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def asked(turns: Turns, now: float, *tickets: Ticket) -> None:
    for one in tickets:
        turns.ask(one, now)


def test_first_request_starts_at_once() -> None:
    turns, first = Turns(), ticket()
    asked(turns, 5.0, first)
    assert turns.grant("example", 5.0) == [first]
    assert first.state is State.GRANTED


def test_d11_starts_keep_their_distance() -> None:
    turns, first, second = Turns(), ticket(), ticket()
    asked(turns, 0.0, first, second)
    assert turns.grant("example", 0.0) == [first]
    assert turns.next_time("example") == 1.0
    assert turns.grant("example", 0.99) == []
    assert turns.grant("example", 1.0) == [second]


def test_d11_distance_counts_from_the_moment_of_the_start() -> None:
    turns, first, second = Turns(), ticket(), ticket()
    asked(turns, 0.0, first, second)
    turns.grant("example", 0.0)
    turns.started(first, 0.7)
    assert turns.next_time("example") == 1.7


def test_d11_no_more_than_the_connections_at_once() -> None:
    turns = Turns()
    tickets = [ticket(delay=0.0) for _ in range(3)]
    asked(turns, 0.0, *tickets)
    assert turns.grant("example", 0.0) == tickets[:2]
    assert turns.next_time("example") is None
    turns.end(tickets[1], 3.0)
    assert turns.grant("example", 3.0) == tickets[2:]


def test_hosts_of_a_domain_share_its_rate_in_the_order_asked_for() -> None:
    turns = Turns()
    tickets = [ticket("a.example"), ticket("b.example"), ticket("a.example")]
    asked(turns, 0.0, *tickets)
    order = []
    for now in (0.0, 1.0, 2.0):
        for granted in turns.grant("example", now):
            order.append(granted)
            turns.end(granted, now)
    assert order == tickets


def test_domains_do_not_wait_for_each_other() -> None:
    turns, here = Turns(), ticket()
    there = Ticket(host="b.test", domain="test", delay=1.0, connections=1, deadline=NEVER)
    asked(turns, 0.0, here, there)
    assert turns.grant("example", 0.0) == [here]
    assert turns.grant("test", 0.0) == [there]


def test_foreseeable_lateness_is_said_at_once() -> None:
    turns = Turns()
    tickets = [ticket(deadline=1.5) for _ in range(3)]
    asked(turns, 0.0, *tickets)
    assert [one.state for one in tickets] == [State.WAITING, State.WAITING, State.LATE]


def test_turn_that_comes_after_its_deadline_is_not_given() -> None:
    turns, first, second = Turns(), ticket(connections=1), ticket(connections=1, deadline=2.0)
    asked(turns, 0.0, first, second)
    turns.grant("example", 0.0)
    turns.end(first, 9.0)
    assert turns.grant("example", 9.0) == [second]
    assert second.state is State.LATE


def test_d6_pause_holds_one_host_and_no_other() -> None:
    turns, paused, other = Turns(), ticket("a.example"), ticket("b.example")
    asked(turns, 0.0, paused, other)
    turns.pause("a.example", "example", 50.0, 0.0)
    assert turns.grant("example", 0.0) == [other]
    assert turns.next_time("example") == 50.0
    assert turns.grant("example", 50.0) == [paused]


def test_pause_says_who_will_be_late() -> None:
    turns, early, late = Turns(), ticket(deadline=9.0), ticket(deadline=9.5)
    asked(turns, 0.0, early, late)
    assert turns.pause("a.example", "example", 9.0, 0.0) == [late]
    assert late.state is State.LATE


def test_shorter_pause_does_not_shorten_a_longer_one() -> None:
    turns, one = Turns(), ticket()
    turns.pause("a.example", "example", 50.0, 0.0)
    turns.pause("a.example", "example", 10.0, 0.0)
    asked(turns, 0.0, one)
    assert turns.next_time("example") == 50.0


def test_u10_part_of_a_rate_keeps_that_much_more_distance() -> None:
    turns = Turns()
    tickets = [ticket(divided_by=4), ticket(divided_by=4)]
    asked(turns, 0.0, *tickets)
    assert turns.grant("example", 0.0) == tickets[:1]
    assert turns.next_time("example") == 4.0


def test_u10_after_a_change_of_owner_every_host_was_just_contacted() -> None:
    turns, known, fresh = Turns(), ticket(), ticket()
    asked(turns, 0.0, known)
    turns.grant("example", 0.0)
    turns.end(known, 0.0)
    turns.all_contacted(10.0)
    fresh.host, fresh.domain = "x.test", "test"
    again = ticket()
    asked(turns, 10.2, fresh, again)
    assert turns.next_time("test") == 11.0
    assert turns.next_time("example") == 11.0


def test_u10_after_a_change_of_owner_parts_of_a_rate_were_just_used() -> None:
    turns, known, fresh = Turns(), ticket(divided_by=4), ticket(divided_by=4)
    asked(turns, 0.0, known)
    turns.grant("example", 0.0)
    turns.end(known, 0.0)
    turns.all_contacted(10.0)
    fresh.host, fresh.domain = "x.test", "test"
    asked(turns, 10.2, fresh, ticket(divided_by=4))
    assert turns.next_time("test") == 14.0
    assert turns.next_time("example") == 14.0


def test_further_start_goes_first_and_needs_no_connection() -> None:
    turns = Turns()
    holders = [ticket(delay=0.0), ticket(delay=0.0)]
    waiting, further = ticket(delay=0.0), ticket(delay=0.0, is_further=True)
    asked(turns, 0.0, *holders, waiting, further)
    assert turns.grant("example", 0.0) == [further, *holders]


def test_further_start_keeps_the_distance() -> None:
    turns, first, further = Turns(), ticket(), ticket(is_further=True)
    asked(turns, 0.0, first)
    turns.grant("example", 0.0)
    asked(turns, 0.0, further)
    assert turns.next_time("example") == 1.0


def test_withdrawn_ticket_gets_nothing() -> None:
    turns, first, second = Turns(), ticket(), ticket()
    asked(turns, 0.0, first, second)
    turns.end(first, 0.0)
    assert turns.grant("example", 0.0) == [second]


def test_idle_domains_are_forgotten() -> None:
    turns = Turns()
    for number in range(20_000):
        one = Ticket(host=f"{number}.test", domain=f"{number}.test", delay=1.0, connections=1, deadline=NEVER)
        now = number * 0.01
        turns.ask(one, now)
        assert turns.grant(one.domain, now) == [one]
        turns.end(one, now)
    assert len(turns) < 3000


def test_d6_a_pause_is_not_forgotten_while_it_lasts() -> None:
    turns, paused = Turns(), ticket()
    turns.pause("a.example", "example", 1e6, 0.0)
    for number in range(5000):
        one = Ticket(host=f"{number}.test", domain=f"{number}.test", delay=0.0, connections=1, deadline=NEVER)
        turns.ask(one, float(number))
        turns.grant(one.domain, float(number))
        turns.end(one, float(number))
    assert len(turns) < 5000
    asked(turns, 6000.0, paused)
    assert turns.next_time("example") == 1e6


def test_idle_hosts_of_a_busy_domain_are_forgotten_while_a_further_start_waits() -> None:
    turns = Turns()
    further = ticket("waiting.example", is_further=True)
    for number in range(100):
        one = ticket(f"{number}.example", delay=0.5)
        turns.ask(one, float(number))
        assert turns.grant("example", float(number)) == [one]
        turns.end(one, float(number))
    turns.ask(further, 99.0)
    assert turns.next_time("example") == 99.5
    assert turns.grant("example", 99.5) == [further]


@pytest.mark.parametrize("delay", [0.0, 0.375])
@given(seed=st.integers(0, 2**32))
def test_d11_any_traffic_keeps_distance_connections_order_and_ends(delay: float, seed: int) -> None:
    rng, turns = random.Random(seed), Turns()
    now, waiting, holding, starts = 0.0, list[Ticket](), list[Ticket](), list[float]()
    order: dict[str, list[int]] = {}
    for _ in range(40):
        now += rng.choice((0.0, 0.125, 0.5))  # exact in binary
        if rng.random() < 0.6:
            one = ticket(rng.choice(("a.example", "b.example")), delay=delay)
            turns.ask(one, now)
            waiting.append(one)
        if holding and rng.random() < 0.5:
            turns.end(holding.pop(rng.randrange(len(holding))), now)
        for granted in turns.grant("example", now):
            waiting.remove(granted)
            holding.append(granted)
            starts.append(now)
            order.setdefault(granted.host, []).append(granted.number)
        assert len(holding) <= 2
    assert all(later - earlier >= delay for earlier, later in itertools.pairwise(starts))
    assert all(numbers == sorted(numbers) for numbers in order.values())
    for _ in range(100):
        for one in holding:
            turns.end(one, now)
        now = max(now, turns.next_time("example") or now)
        holding = turns.grant("example", now)
        waiting = [one for one in waiting if one not in holding]
    assert not waiting
