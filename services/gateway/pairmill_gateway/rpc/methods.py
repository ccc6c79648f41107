"""Every method that the gateway serves: who may call it, with how much. What is not here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pairmill.rpc.callers import Role
from pairmill.rpc.methods import OPERATE, READ, STANDARD_METHODS, STREAM, Method

JOB_SERVICE: Final = "pairmill.gateway.v1.JobService"
AUDIT_SERVICE: Final = "pairmill.gateway.v1.AuditService"
UNIT_SERVICE: Final = "pairmill.gateway.v1.UnitService"

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
    **STANDARD_METHODS,
}
