"""What is kept is bounded, and what is shared closes when its last user is done."""

from __future__ import annotations

from contextlib import ExitStack

from pairmill_explorer.caching import ByteCache
from pairmill_explorer.datasets.shared import Shared


def test_the_values_used_last_are_kept_as_far_as_they_fit() -> None:
    cache: ByteCache[str, bytes] = ByteCache(10, len)
    cache.put("a", b"aaaa")
    cache.put("b", b"bbbb")
    assert cache.get("a") == b"aaaa"
    cache.put("c", b"cccc")
    assert [cache.get(key) for key in "abc"] == [b"aaaa", None, b"cccc"]
    assert cache.held_bytes == 8
    assert (cache.hits, cache.misses) == (3, 1)


def test_a_value_that_is_too_large_is_not_kept() -> None:
    cache: ByteCache[str, bytes] = ByteCache(3, len)
    assert cache.get_or_make("a", lambda: b"aaaa") == b"aaaa"
    assert cache.get("a") is None
    assert cache.held_bytes == 0


def test_a_value_that_grew_counts_with_its_new_size() -> None:
    cache: ByteCache[str, bytearray] = ByteCache(10, len)
    value = bytearray(4)
    cache.put("a", value)
    value += bytes(5)
    cache.put("a", value)
    assert cache.held_bytes == 9
    cache.put("b", bytearray(8))
    assert cache.held_bytes == 8


def test_what_is_replaced_is_closed_when_its_last_user_is_done() -> None:
    closed: list[str] = []
    shared: Shared[str] = Shared(closed.append)
    shared.replace("old")
    with ExitStack() as users:
        assert users.enter_context(shared.use()) == "old"
        assert users.enter_context(shared.use()) == "old"
        shared.replace("new")
        with shared.use() as value:
            assert value == "new"
        assert closed == []
    assert closed == ["old"]
    shared.replace(None)
    assert closed == ["old", "new"]
    with shared.use() as nothing:
        assert nothing is None
