"""Is a spec sensible? Everything that is wrong is reported at once."""

from __future__ import annotations

from collections.abc import Iterator

from pairmill.errors import ConfigurationError
from pairmill.ids import BUCKETS
from pairmill.jobspec.profiles import ALL_FORMATS
from pairmill.units import MAX_RETRY_ROUNDS
from pairmill_protos.job.v1.job_pb2 import JobSpec

_DETECTORS = ("cld2", "none")
_ENCODINGS = ("jpg", "png", "webp")


def validate(spec: JobSpec) -> None:
    """Raises ConfigurationError with one line per problem, each naming the field and the fix."""
    problems = [*_crawl(spec), *_plan(spec), *_download(spec), *_image(spec), *_rest(spec)]
    if problems:
        raise ConfigurationError("\n".join(problems))


def _positive(message: object, prefix: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        value = getattr(message, name)
        if value <= 0:
            yield f"{prefix}.{name}: {value:g} is too small; it must be above 0"


def _crawl(spec: JobSpec) -> Iterator[str]:
    rules = spec.crawl_rules
    yield from _positive(
        rules,
        "crawl_rules",
        ("max_text_characters", "max_links_per_page", "max_record_bytes", "max_url_characters"),
    )
    if rules.min_text_characters > rules.max_text_characters:
        yield (
            f"crawl_rules.min_text_characters: {rules.min_text_characters} is above "
            f"max_text_characters ({rules.max_text_characters}); lower it"
        )
    if rules.language_detector not in _DETECTORS:
        yield f"crawl_rules.language_detector: choose one of {', '.join(_DETECTORS)}"
    if not 0 <= rules.min_language_confidence <= 1:
        yield "crawl_rules.min_language_confidence: choose a value from 0 to 1"


def _plan(spec: JobSpec) -> Iterator[str]:
    plan = spec.plan
    yield from _positive(plan, "plan", ("ranges", "captions_per_url", "unit_rows", "unit_seconds"))
    if plan.ranges > BUCKETS:
        yield f"plan.ranges: {plan.ranges} is above the number of host buckets; at most {BUCKETS}"
    if plan.HasField("sample_rate") and not 0 < plan.sample_rate <= 1:
        yield f"plan.sample_rate: {plan.sample_rate:g} is no share; choose a value in (0, 1]"
    if plan.HasField("limit_per_range") and plan.limit_per_range < 1:
        yield "plan.limit_per_range: at least 1"
    if spec.wave_size < 1:
        yield f"wave_size: {spec.wave_size} is too small; at least 1"


def _download(spec: JobSpec) -> Iterator[str]:
    download = spec.download
    yield from _positive(
        download,
        "download",
        (
            "connect_timeout_seconds",
            "first_byte_timeout_seconds",
            "deadline_seconds",
            "max_body_bytes",
            "max_attempts",
            "host_connections",
            "unit_deadline_seconds",
            "unit_connections",
        ),
    )
    if len(download.retry_delay_seconds) > MAX_RETRY_ROUNDS:
        yield f"download.retry_delay_seconds: at most {MAX_RETRY_ROUNDS} rounds"
    if any(delay < 0 for delay in download.retry_delay_seconds) or download.host_delay_seconds < 0:
        yield "download: delays must not be negative"
    if not download.user_agent_token.isidentifier():
        yield "download.user_agent_token: one word, as it would stand in robots.txt"
    if not download.user_agent or "\n" in download.user_agent or "\r" in download.user_agent:
        yield "download.user_agent: one line that says who is asking"


def _image(spec: JobSpec) -> Iterator[str]:
    image = spec.image
    yield from _positive(image, "image", ("min_side", "max_pixels", "image_size", "decode_timeout_seconds"))
    unknown = sorted(set(image.formats) - set(ALL_FORMATS))
    if unknown or not image.formats:
        yield f"image.formats: {', '.join(unknown) or 'none'} unknown; choose from {', '.join(ALL_FORMATS)}"
    if not 1 <= image.jpeg_quality <= 100:
        yield f"image.jpeg_quality: {image.jpeg_quality} is out of range; 1 to 100"
    if image.encode_format not in _ENCODINGS:
        yield f"image.encode_format: choose one of {', '.join(_ENCODINGS)}"
    if image.HasField("max_aspect_ratio") and image.max_aspect_ratio < 1:
        yield "image.max_aspect_ratio: at least 1"


def _rest(spec: JobSpec) -> Iterator[str]:
    yield from _positive(
        spec.finalise,
        "finalise",
        ("train_shard_samples", "scatter_block", "partition_rows", "band_cap"),
    )
    if spec.finalise.max_hash_distance > 16:
        yield "finalise.max_hash_distance: at most 16 of 64 bits"
    for language, threshold in spec.score.min_similarity.items():
        if not -1 <= threshold <= 1:
            yield f"score.min_similarity.{language}: {threshold:g} is no cosine; -1 to 1"
