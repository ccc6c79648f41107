"""Profiles: named sets of defaults for a job.

`default` is what a careful builder wants, `laion-5b` reproduces the published rules of LAION-5B
(Schuhmann et al. 2022, section 3 and appendix), `everything` keeps all that is safe to decode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pairmill import __version__
from pairmill.errors import ConfigurationError
from pairmill.ids import ID_VERSION
from pairmill.reasons import RULES_VERSION
from pairmill_protos.job.v1.job_pb2 import (
    CrawlRules,
    DownloadRules,
    FinaliseRules,
    ImagePolicy,
    ImageRules,
    JobSpec,
    PlanRules,
    ResizeMode,
    ScoreRules,
)

ALL_FORMATS: Final = ("jpeg", "png", "webp", "gif", "avif", "bmp", "tiff")
MAX_PIXELS: Final = 89_478_485
"""Pillow's limit before it warns of a decompression bomb: 2**30 // 4 // 3 pixels."""

_NO_CAP: Final = 1_000_000

USER_AGENT: Final = f"Mozilla/5.0 (compatible; pairmill/{__version__})"


def profile(name: str) -> JobSpec:
    """Returns a spec with a profile's defaults; raises ConfigurationError for an unknown name."""
    if name not in PROFILES:
        known = ", ".join(sorted(PROFILES))
        raise ConfigurationError(f"profile: there is no profile {name!r}; choose one of: {known}")
    spec = _careful()
    PROFILES[name](spec)
    spec.profile = name
    return spec


def _careful() -> JobSpec:
    """Returns the defaults of the profile `default`; thresholds come from the bundle."""
    return JobSpec(
        id_version=ID_VERSION,
        rules_version=RULES_VERSION,
        code_version=__version__,
        wave_size=256,
        crawl_rules=CrawlRules(
            min_text_characters=5,
            max_text_characters=1000,
            max_links_per_page=5000,
            max_record_bytes=32 * 2**20,
            max_url_characters=2083,
            language_detector="cld2",
            min_language_confidence=0.7,
            min_language_confidence_by_language={"hr": 0.5, "bs": 0.5},
            honour_page_opt_outs=True,
        ),
        plan=PlanRules(ranges=8, captions_per_url=8, unit_rows=10_000, unit_seconds=600),
        download=_download_rules(),
        image=ImageRules(
            formats=ALL_FORMATS,
            min_side=64,
            max_pixels=MAX_PIXELS,
            max_aspect_ratio=4.0,
            image_size=384,
            resize_mode=ResizeMode.RESIZE_MODE_KEEP_RATIO,
            only_shrink=True,
            jpeg_quality=95,
            decode_timeout_seconds=20.0,
            policy=ImagePolicy.IMAGE_POLICY_ALL,
            encode_format="jpg",
        ),
        score=ScoreRules(),
        finalise=FinaliseRules(
            max_hash_distance=6,
            choose_by_cluster=True,
            choose_by_url=True,
            train_shard_samples=10_000,
            scatter_block=512,
            partition_rows=500_000,
            band_cap=1000,
        ),
    )


def _download_rules() -> DownloadRules:
    return DownloadRules(
        user_agent=USER_AGENT,
        user_agent_token="pairmill",  # noqa: S106 - a product token, not a secret
        connect_timeout_seconds=5.0,
        first_byte_timeout_seconds=10.0,
        deadline_seconds=30.0,
        max_body_bytes=20 * 2**20,
        min_body_bytes=2000,
        max_redirects=5,
        max_attempts=2,
        retry_delay_seconds=(60.0, 600.0, 3600.0),
        host_delay_seconds=0.5,
        host_connections=2,
        retry_after_cap_seconds=300.0,
        honour_robots=True,
        forbidding_directives=("noai", "noimageai", "noindex", "noimageindex", "none"),
        honour_tdm=True,
        honour_aipref=True,
        unit_deadline_seconds=600.0,
        unit_connections=128,
    )


def _default(spec: JobSpec) -> None:
    del spec


def _laion_5b(spec: JobSpec) -> None:
    spec.crawl_rules.min_text_characters = 5
    spec.crawl_rules.max_text_characters = 2000
    spec.crawl_rules.honour_page_opt_outs = False
    spec.plan.captions_per_url = _NO_CAP
    spec.download.min_body_bytes = 5000
    del spec.download.forbidding_directives[:]
    spec.download.forbidding_directives.extend(("noai", "noimageai"))
    del spec.image.formats[:]
    spec.image.formats.extend(("jpeg", "png", "webp"))
    spec.image.min_side = 1
    spec.image.max_pixels = 89_478_484
    spec.image.ClearField("max_aspect_ratio")
    spec.score.min_similarity.update({"en": 0.28, "*": 0.26, "nolang": 0.26})
    spec.finalise.max_hash_distance = -1
    spec.finalise.choose_by_cluster = False
    spec.finalise.choose_by_url = False


def _everything(spec: JobSpec) -> None:
    spec.crawl_rules.min_text_characters = 1
    spec.crawl_rules.max_text_characters = 100_000
    spec.crawl_rules.max_links_per_page = 100_000
    spec.crawl_rules.min_language_confidence = 0.0
    spec.crawl_rules.min_language_confidence_by_language.clear()
    spec.plan.captions_per_url = _NO_CAP
    spec.download.min_body_bytes = 0
    spec.image.min_side = 1
    spec.image.ClearField("max_aspect_ratio")
    spec.score.min_similarity["*"] = -1.0
    spec.finalise.choose_by_cluster = False
    spec.finalise.choose_by_url = False


PROFILES: Final[Mapping[str, Callable[[JobSpec], None]]] = {
    "default": _default,
    "everything": _everything,
    "laion-5b": _laion_5b,
}


def uses_bundle_thresholds(spec: JobSpec) -> bool:
    """Whether the profile leaves the thresholds to the bundle's recommendation."""
    return spec.profile == "default" and not spec.score.min_similarity
