"""A gateway rests as long as it will be told of news, and falls back to looking where it will not be."""

from __future__ import annotations

import pytest

from pairmill_gateway.repose import Repose

POLL, CALM = 0.25, 2.0


def _repose(*, tells: bool) -> Repose:
    return Repose(POLL, CALM, lambda: tells)


def test_what_happened_is_followed_up_after_a_breath() -> None:
    assert 0 < _repose(tells=True).after(happened=True) <= 0.1
    assert 0 < _repose(tells=False).after(happened=True) <= 0.1


def test_a_ledger_that_is_being_read_is_read_on_without_rest() -> None:
    assert _repose(tells=True).after(happened=True, is_behind=True) == 0


def test_where_nobody_tells_the_rest_grows_while_nothing_happens() -> None:
    repose = _repose(tells=False)
    rests = [repose.after(happened=False) for _ in range(20)]
    assert rests == sorted(rests)
    assert rests[0] < 0.1
    assert rests[-1] == POLL
    repose.after(happened=True)
    assert repose.after(happened=False) == rests[0]


def test_who_will_be_told_rests_in_calm() -> None:
    repose = _repose(tells=True)
    assert [repose.after(happened=False) for _ in range(3)] == [CALM] * 3


def test_being_told_in_vain_again_and_again_keeps_nobody_from_rest() -> None:
    repose, rests = _repose(tells=True), []
    for _ in range(10):
        repose.told()
        rests.append(repose.after(happened=False))
    assert rests[0] < 0.1
    assert rests == sorted(rests)
    assert repose.after(happened=False) == CALM, "one turn that nobody asked for is calm again"


@pytest.mark.parametrize("tells", [True, False])
def test_being_told_of_what_happened_is_not_in_vain(tells: bool) -> None:
    repose = _repose(tells=tells)
    repose.told()
    repose.after(happened=True)
    assert repose.after(happened=False) == (CALM if tells else POLL / 4)
