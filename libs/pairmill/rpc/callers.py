"""Who calls, and what it may do."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Role(enum.IntEnum):
    """What a caller may do; each role may do what those before it may."""

    READ = 1
    OPERATE = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as its token says."""

    name: str
    role: Role
    tenant: str = "default"
