"""From a request to an admitted job: profile, then bundle, then single settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import profile, uses_bundle_thresholds
from pairmill.jobspec.settings import apply_settings
from pairmill_gateway.admission import Admission, admit
from pairmill_gateway.exclusions import exclusion_ref
from pairmill_models.bundle import Bundle
from pairmill_protos.job.v1.job_pb2 import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a user asks for."""

    wats: Sequence[str]
    profile: str = "default"
    crawl: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    sample_rate: float | None = None
    excluded: bytes | None = None  # `url_id`s that are left out, as `excluded_ids` returns them


def build_spec(request: JobRequest, bundle: Bundle) -> JobSpec:
    """Returns the spec with all defaults filled in: profile, then bundle, then single settings."""
    spec = profile(request.profile)
    spec.crawl = request.crawl
    spec.bundle.name = bundle.name
    spec.bundle.revision = bundle.revision
    spec.bundle.digest = bundle.digest
    spec.bundle.dimensions = bundle.dimensions
    if uses_bundle_thresholds(spec):
        fill_bundle_thresholds(spec, bundle)
    if request.sample_rate is not None:
        spec.plan.sample_rate = request.sample_rate
    apply_settings(spec, dict(request.settings))
    if request.limit is not None:
        set_limit(spec, request.limit, keep_ranges="plan.ranges" in request.settings)
    return spec


def set_limit(spec: JobSpec, limit: int, *, keep_ranges: bool) -> None:
    """Limits the candidates of every wave, shared among its ranges; raises ConfigurationError below 1.

    Candidates are spread unevenly over ranges, and what one has too few of no other makes up for. So a
    small limit gets few ranges, up to a unit's worth of rows only one, unless their number was asked for.
    """
    if limit < 1:
        raise ConfigurationError(f"limit: {limit} is too small; at least 1")
    if not keep_ranges:
        spec.plan.ranges = min(spec.plan.ranges, max(1, limit // max(1, spec.plan.unit_rows)))
    spec.plan.limit_per_range = -(-limit // max(1, spec.plan.ranges))


def fill_bundle_thresholds(spec: JobSpec, bundle: Bundle) -> None:
    """Takes over the thresholds that the bundle recommends for its model."""
    recommended = bundle.thresholds
    spec.score.min_similarity.update(recommended.min_similarity)
    for name in ("max_unsafe_score", "max_watermark_score", "max_toxicity", "min_aesthetic_score"):
        value = getattr(recommended, name)
        if value is not None:
            setattr(spec.score, name, value)


def admit_request(
    request: JobRequest, bundle: Bundle, *, tenant: str = "local", idempotency_key: str = ""
) -> Admission:
    """Returns the pinned job of a request; raises ConfigurationError with everything wrong."""
    spec = build_spec(request, bundle)
    if request.excluded is not None:
        spec.plan.exclusion_list.CopyFrom(exclusion_ref(request.excluded))
    admission = admit(spec, tuple(request.wats), tenant, idempotency_key)
    if request.excluded is None:
        return admission
    listed = {spec.plan.exclusion_list.key: request.excluded}
    return replace(admission, objects={**admission.objects, **listed})
