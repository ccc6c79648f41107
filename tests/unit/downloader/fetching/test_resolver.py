"""What of a name's addresses is dialled."""

from __future__ import annotations

from collections.abc import Sequence

from pairmill_downloader.adapters.resolver import CheckedResolver
from pairmill_downloader.fetching.addresses import AddressPolicy
from tests.fakes.virtual_time import VirtualClock, run_virtually


class Answer:
    """A lookup with one answer."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def addresses(self, host: str) -> Sequence[str]:
        return self._addresses

    def close(self) -> None:
        """Has nothing to give back."""


def resolved(answer: Sequence[str]) -> list[str]:
    async def test(clock: VirtualClock) -> list[str]:
        resolver = CheckedResolver(
            Answer(answer), AddressPolicy(), clock, timeout_seconds=1.0, ttl_seconds=60.0, cache_entries=10
        )
        return [result["host"] for result in await resolver.resolve("a.example", 80)]

    return run_virtually(test)


def test_of_an_answer_with_thousands_of_addresses_a_few_of_each_family_are_dialled() -> None:
    v4 = [f"8.8.{number >> 8}.{number & 255}" for number in range(4000)]
    v6 = [f"2606:4700::{number:x}" for number in range(1, 4000)]
    assert resolved([*v6, *v4]) == v6[:4] + v4[:4]


def test_addresses_of_a_short_answer_are_dialled_in_its_order() -> None:
    assert resolved(["2606:4700::1", "8.8.8.8", "8.8.8.8", "2606:4700::2"]) == [
        "2606:4700::1",
        "8.8.8.8",
        "2606:4700::2",
    ]
