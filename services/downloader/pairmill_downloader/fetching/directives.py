"""X-Robots-Tag: directives, some for one agent only, such as `otherbot: noindex, pairmill: noai`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

_WITH_VALUES: Final = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after", "unavailable-after"}
)
"""Directives with a colon of their own, which is no agent's."""

_EVERYONE: Final = frozenset({"", "*"})


def directives_for(values: Sequence[str], token: str) -> Iterator[str]:
    """Yields the directives, in lower case, that header values have for a product token.

    An agent's name holds for what follows it in the same header value, up to the next name.
    """
    for value in values:
        agent = ""
        for part in value.lower().split(","):
            name, separator, rest = part.partition(":")
            if separator and name.strip() not in _WITH_VALUES:
                agent, part = name.strip(), rest
            directive = part.strip()
            if directive and (agent in _EVERYONE or agent == token.lower()):
                yield directive


def forbidding_directive(values: Sequence[str], token: str, forbidding: Sequence[str]) -> str:
    """Returns the first directive for a product token that forbids use; empty if there is none."""
    wanted = {directive.lower() for directive in forbidding}
    return next((found for found in directives_for(values, token) if found in wanted), "")
