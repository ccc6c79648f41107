"""Every method that is served: who may call it, how long, with how much. What is not here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pairmill_gateway.rpc.ports import Role

JOB_SERVICE: Final = "pairmill.gateway.v1.JobService"
AUDIT_SERVICE: Final = "pairmill.gateway.v1.AuditService"
UNIT_SERVICE: Final = "pairmill.gateway.v1.UnitService"
HEALTH_SERVICE: Final = "grpc.health.v1.Health"
REFLECTION_SERVICE: Final = "grpc.reflection.v1alpha.ServerReflection"

_SMALL_BYTES: Final = 64 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is asked of a call."""

    role: Role | None  # the least role; None: no token and no deadline, for probes
    is_stream: bool = False  # takes a place among the streams, and may last longer
    max_bytes: int | None = _SMALL_BYTES  # largest request; None: as the server allows


READ: Final = Method(role=Role.READ)
OPERATE: Final = Method(role=Role.OPERATE)
STREAM: Final = Method(role=Role.READ, is_stream=True)

METHODS: Final[Mapping[str, Method]] = {
    f"/{JOB_SERVICE}/SubmitJob": Method(role=Role.OPERATE, max_bytes=None),
    f"/{JOB_SERVICE}/GetJob": READ,
    f"/{JOB_SERVICE}/ListJobs": READ,
    f"/{JOB_SERVICE}/WatchJob": STREAM,
    f"/{JOB_SERVICE}/CancelJob": OPERATE,
    f"/{JOB_SERVICE}/ResumeJob": OPERATE,
    f"/{AUDIT_SERVICE}/GetFunnel": READ,
    f"/{AUDIT_SERVICE}/ListOpenUnits": READ,
    f"/{AUDIT_SERVICE}/ListOrphans": READ,
    f"/{AUDIT_SERVICE}/ListDeadLetters": READ,
    f"/{AUDIT_SERVICE}/ReplayDeadLetters": OPERATE,
    f"/{UNIT_SERVICE}/GetStandings": Method(role=Role.READ, max_bytes=2**20),
    f"/{HEALTH_SERVICE}/Check": Method(role=None),
    f"/{HEALTH_SERVICE}/Watch": STREAM,
    f"/{REFLECTION_SERVICE}/ServerReflectionInfo": STREAM,
}
