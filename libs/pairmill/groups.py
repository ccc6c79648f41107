"""Names of consumer groups. They carry what their members can do (U17)."""

from __future__ import annotations

from pairmill.reasons import RULES_VERSION
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import Stage

_DIGEST_DIGITS = 12


def consumer_group(stage: Stage.ValueType, *, rules_version: str, bundle_digest: str) -> str:
    """Returns the group of a stage's members that follow these rules and hold this bundle."""
    name = Stage.Name(stage).removeprefix("STAGE_").lower()
    if stage in (Stage.STAGE_EMBED, Stage.STAGE_SCORE):
        return f"{name}-{bundle_digest[:_DIGEST_DIGITS]}"
    return f"{name}-{rules_version}"


def stage_group(stage: Stage.ValueType, *, bundle_digest: str = "") -> str:
    """Returns the group that members with this version of the code join."""
    return consumer_group(stage, rules_version=RULES_VERSION, bundle_digest=bundle_digest)


def group_of_job(stage: Stage.ValueType, spec: JobSpec) -> str:
    """Returns the group that works on a job's units of a stage."""
    return consumer_group(stage, rules_version=spec.rules_version, bundle_digest=spec.bundle.digest)
