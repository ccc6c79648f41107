"""What is asked of the calls of a method, and the standard methods that every server has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pairmill.rpc.callers import Role

HEALTH_SERVICE: Final = "grpc.health.v1.Health"
REFLECTION_SERVICE: Final = "grpc.reflection.v1alpha.ServerReflection"

SMALL_BYTES: Final = 64 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is asked of a call."""

    role: Role | None  # the least role; None: no token and no deadline, for probes
    is_stream: bool = False  # takes a place among the streams, and may last longer
    max_bytes: int | None = SMALL_BYTES  # largest request; None: as the server allows


READ: Final = Method(role=Role.READ)
OPERATE: Final = Method(role=Role.OPERATE)
STREAM: Final = Method(role=Role.READ, is_stream=True)

STANDARD_METHODS: Final[Mapping[str, Method]] = {
    f"/{HEALTH_SERVICE}/Check": Method(role=None),
    f"/{HEALTH_SERVICE}/Watch": STREAM,
    f"/{REFLECTION_SERVICE}/ServerReflectionInfo": STREAM,
}


def services_of(methods: Mapping[str, Method]) -> tuple[str, ...]:
    """Returns the names of the services that methods belong to, in order of their first method."""
    return tuple(dict.fromkeys(name.split("/")[1] for name in methods))
