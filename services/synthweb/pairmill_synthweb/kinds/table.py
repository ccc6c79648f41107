"""All classes of links, in the order in which a world is planned."""

from __future__ import annotations

from typing import Final

from pairmill_synthweb.kinds import consent, files, pictures, redirects, servers
from pairmill_synthweb.kinds.kind import Kind

KINDS: Final[tuple[Kind, ...]] = (
    *consent.KINDS,
    *servers.KINDS,
    *redirects.KINDS,
    *files.KINDS,
    *pictures.KINDS,
)


def least_candidates() -> int:
    """Returns the size of the smallest world that has every class."""
    size = sum(kind.count(0) for kind in KINDS)
    while (wanted := sum(kind.count(size) for kind in KINDS)) > size:
        size = wanted
    return size
