"""Names of members in their consumer group."""

from __future__ import annotations

import re
from typing import Final

_DIGITS: Final = 4
_ORDINAL: Final = re.compile(r"^(.*\D)?(\d+)$")


def member_name(name: str) -> str:
    """Returns a name whose number at the end, as of a pod of a StatefulSet, is padded with zeros (U10).

    Partitions are shared out in the order of names: so member 10 comes after member 9, and more members
    move few partitions.
    """
    found = _ORDINAL.match(name)
    return f"{found[1] or ''}{found[2]:0>{_DIGITS}}" if found else name
