"""Which phases a job's finalisation has, and the roles of what they write (U12)."""

from __future__ import annotations

from typing import Final, TypeAlias

from pairmill_protos.job.v1.job_pb2 import ImagePolicy, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase

Phase: TypeAlias = "FinalisePhase.ValueType"

SCORES_ROLE: Final = "scores"
SAMPLES_ROLE: Final = "samples"
ROWS_ROLE: Final = "step_rows"  # scored rows, by id range
CONTENTS_ROLE: Final = "step_contents"  # (content, perceptual hash, id), by content prefix
BANDS_ROLE: Final = "step_bands"  # representatives of contents, by band of the perceptual hash
NEIGHBOURS_ROLE: Final = "step_neighbours"  # (content's representative, smaller neighbour), by content prefix
CLUSTERS_ROLE: Final = "step_clusters"  # (id, cluster_id) where they differ, by id range
CHOICE_ROLE: Final = "step_choice"  # what still passes, by the next choice's key
LOSERS_ROLE: Final = "step_losers"  # (id, reason) of what a choice left out, by id range
KEPT_ROLE: Final = "step_kept"  # kept rows that have an image, of one id range, in order of their ids

CHOICES: Final = (
    FinalisePhase.FINALISE_PHASE_CHOOSE_CLUSTER,
    FinalisePhase.FINALISE_PHASE_CHOOSE_URL,
    FinalisePhase.FINALISE_PHASE_CHOOSE_CAP,
)


def phases_of(spec: JobSpec) -> tuple[Phase, ...]:
    """Returns the phases that a job's rules ask for, in their order."""
    phases: list[Phase] = []
    if not is_aligned_refilter(spec):
        phases.append(FinalisePhase.FINALISE_PHASE_SCATTER)
    if not is_refilter(spec):
        if spec.finalise.max_hash_distance >= 0:
            phases += (FinalisePhase.FINALISE_PHASE_CONTENTS, FinalisePhase.FINALISE_PHASE_BANDS)
        phases.append(FinalisePhase.FINALISE_PHASE_CLUSTERS)
    choices = choices_of(spec)
    if choices:
        phases += (FinalisePhase.FINALISE_PHASE_THRESHOLDS, *choices)
    phases.append(FinalisePhase.FINALISE_PHASE_WRITE_DATA)
    if spec.image.policy != ImagePolicy.IMAGE_POLICY_NONE:  # U11: without bytes there is no `train/`
        phases.append(FinalisePhase.FINALISE_PHASE_WRITE_TRAIN)
    return tuple(phases)


def choices_of(spec: JobSpec) -> tuple[Phase, ...]:
    """Returns the choices that a job asks for, in their order (U12)."""
    rules = spec.finalise
    asked = (rules.choose_by_cluster, rules.choose_by_url, rules.HasField("max_per_domain"))
    return tuple(phase for phase, wanted in zip(CHOICES, asked, strict=True) if wanted)


def next_choice(spec: JobSpec, phase: Phase) -> Phase | None:
    """Returns the choice that follows THRESHOLDS or another choice, or None after the last."""
    return next((choice for choice in choices_of(spec) if choice > phase), None)


def is_refilter(spec: JobSpec) -> bool:
    """Returns whether only thresholds and choices are made anew, from a base's stored samples."""
    return spec.base.kind == "refilter"


def is_aligned_refilter(spec: JobSpec) -> bool:
    """Returns whether a refilter reads the base's files as they are, each holding one id range."""
    return is_refilter(spec) and spec.base.partitions > 0


def partition_count(rows: int, partition_rows: int) -> int:
    """Returns the number of partitions of every phase, at least 1."""
    return max(1, -(-rows // max(1, partition_rows)))
