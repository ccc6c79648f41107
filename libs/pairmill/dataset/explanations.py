"""What each reason means, for people: the comments of the enum `Reason`, which a test compares.

Generated code does not carry comments, so they stand here once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ReasonDescription:
    """Which stage gives a reason, and what it means."""

    stage: str
    text: str


def reason_descriptions() -> Mapping[str, ReasonDescription]:
    """Returns every reason of the closed enum by its name in files, in the order of the enum."""
    return _DESCRIPTIONS


def describe(reason: str) -> ReasonDescription:
    """Returns what a reason means; one of a later version is said to be unknown (U17)."""
    return _DESCRIPTIONS.get(reason, _UNKNOWN)


_UNKNOWN: Final = ReasonDescription("", "A reason that this version does not know.")

_DESCRIPTIONS: Final[Mapping[str, ReasonDescription]] = {
    "bad_record": ReasonDescription("crawl", "The WARC record framing or header cannot be read."),
    "bad_json": ReasonDescription("crawl", "The record's payload is not valid JSON."),
    "bad_schema": ReasonDescription(
        "crawl", "A JSON value is missing or of another type than Common Crawl's format says."
    ),
    "bomb": ReasonDescription(
        "crawl and download", "Inflated size or ratio, or declared pixels, exceed the cap."
    ),
    "record_too_large": ReasonDescription("crawl", "A record is larger than the cap."),
    "too_deep": ReasonDescription("crawl", "JSON nested deeper than the cap."),
    "truncated": ReasonDescription("crawl", "The source ends before its declared length."),
    "corrupt_gzip": ReasonDescription(
        "crawl", "A gzip member cannot be inflated; reading resumes at the next member."
    ),
    "no_html_metadata": ReasonDescription(
        "crawl", "The record holds no HTML metadata (request, robots, warcinfo, other type)."
    ),
    "source_missing": ReasonDescription("crawl", "The source does not exist or access is refused."),
    "not_image_link": ReasonDescription("crawl", "The link is not an image (`IMG@/src`)."),
    "no_alt": ReasonDescription("crawl", "The image has no alt text, or it is blank."),
    "alt_too_short": ReasonDescription(
        "crawl", "The repaired text has fewer characters than the profile's minimum."
    ),
    "alt_too_long": ReasonDescription(
        "crawl", "The repaired text has more characters than the profile's maximum."
    ),
    "bad_url": ReasonDescription("crawl", "The address cannot be resolved by the WHATWG URL standard."),
    "bad_scheme": ReasonDescription("crawl and download", "The scheme is neither http nor https."),
    "data_url": ReasonDescription("crawl", "The image is inlined as a `data:` URL."),
    "blocked_port": ReasonDescription("crawl and download", "The port is one browsers refuse to fetch from."),
    "too_many_links": ReasonDescription(
        "crawl", "The page has more image links than the cap; the rest is left out."
    ),
    "language_excluded": ReasonDescription("crawl", "The text is not in a language that the job asks for."),
    "opt_out_page": ReasonDescription(
        "crawl", "The page itself forbids use for AI training (meta robots noai, noimageai, TDM reservation)."
    ),
    "url_too_long": ReasonDescription("crawl", "The URL is longer than the cap."),
    "duplicate_sample": ReasonDescription(
        "plan", "The same (URL, text) appears elsewhere in the wave with smaller provenance."
    ),
    "seen_before": ReasonDescription("plan", "The URL became a candidate in an earlier wave."),
    "excluded_url": ReasonDescription("plan", "The URL stands on the job's exclusion list."),
    "too_many_captions": ReasonDescription("plan", "The URL has more different texts than the job's limit."),
    "not_sampled": ReasonDescription("plan", "Left out by the job's `sample_rate`."),
    "over_limit": ReasonDescription("plan", "Left out by the job's `limit`."),
    "blocked_address": ReasonDescription("download", "The connected or resolved address is not public."),
    "blocked_redirect": ReasonDescription(
        "download", "A redirect leads to a refused address, scheme or port."
    ),
    "too_many_redirects": ReasonDescription("download", "More redirects than the cap, or a loop."),
    "robots_disallowed": ReasonDescription("download", "Robots.txt forbids the URL."),
    "robots_unreachable": ReasonDescription(
        "download", "Robots.txt could not be had, which forbids the whole host for now. Retriable."
    ),
    "opt_out_header": ReasonDescription(
        "download",
        "X-Robots-Tag forbids use (noai, noimageai, and noindex or none where the job honours them).",
    ),
    "opt_out_tdm": ReasonDescription("download", "TDM reservation by header or `/.well-known/tdmrep.json`."),
    "opt_out_aipref": ReasonDescription("download", "AIPREF `Content-Usage` forbids training."),
    "opt_out_embedded": ReasonDescription(
        "download", "An embedded notice (C2PA, IPTC data mining) forbids training."
    ),
    "dns_not_found": ReasonDescription("download", "The name does not exist (NXDOMAIN)."),
    "dns_error": ReasonDescription("download", "Name resolution failed otherwise. Retriable."),
    "timeout_connect": ReasonDescription("download", "No connection in time. Retriable."),
    "timeout_first_byte": ReasonDescription("download", "No first byte of the answer in time. Retriable."),
    "timeout_total": ReasonDescription("download", "The whole exchange did not end in time. Retriable."),
    "connection_refused": ReasonDescription("download", "The connection was refused. Retriable."),
    "reset": ReasonDescription("download", "The connection was reset. Retriable."),
    "tls_error": ReasonDescription("download", "The TLS handshake or the certificate failed."),
    "http_4xx": ReasonDescription("download", "A 4xx status other than 429."),
    "http_429": ReasonDescription("download", "429 Too Many Requests. Retriable."),
    "http_5xx": ReasonDescription("download", "A 5xx status. Retriable."),
    "bad_status": ReasonDescription(
        "download",
        "Any other status that carries no full body (1xx, 204, 206, 304, a redirect without a target).",
    ),
    "bad_response": ReasonDescription(
        "download", "The answer is not valid HTTP, or its headers exceed the cap."
    ),
    "too_large": ReasonDescription("download", "The body exceeds the cap."),
    "body_too_small": ReasonDescription("download", "The body is smaller than the profile's minimum."),
    "truncated_body": ReasonDescription(
        "download", "The body is shorter than its declared length. Retriable."
    ),
    "host_unavailable": ReasonDescription(
        "download", "The host asked to wait longer than the cap in every round. Final."
    ),
    "host_too_slow": ReasonDescription(
        "download", "The host's rate does not admit the row within the job's patience."
    ),
    "not_an_image": ReasonDescription("download", "The bytes are no image."),
    "unsupported_format": ReasonDescription("download", "An image format that the job does not accept."),
    "truncated_image": ReasonDescription("download", "The image ends early."),
    "decoder_crash": ReasonDescription("download", "The decoder process died holding this image."),
    "decode_timeout": ReasonDescription("download", "Decoding exceeded its CPU or wall-clock limit."),
    "decode_error": ReasonDescription("download", "The image cannot be decoded."),
    "image_too_small": ReasonDescription("download", "A side is shorter than the profile's minimum."),
    "image_too_large": ReasonDescription("download", "More pixels than the profile's maximum."),
    "aspect_ratio": ReasonDescription("download", "The aspect ratio exceeds the profile's maximum."),
    "bad_embedding": ReasonDescription("embed", "The model gave a vector that is not finite or has no norm."),
    "bad_model_output": ReasonDescription(
        "embed", "The model's answer has the wrong shape, type or version."
    ),
    "low_similarity": ReasonDescription(
        "score", "Image-text similarity is below the threshold of the row's language."
    ),
    "unsafe": ReasonDescription("score", "The unsafe score exceeds the threshold."),
    "watermark": ReasonDescription("score", "The watermark score exceeds the threshold."),
    "toxic": ReasonDescription("score", "The text's toxicity exceeds the threshold."),
    "low_aesthetic": ReasonDescription("score", "The aesthetic score is below the threshold."),
    "duplicate_cluster": ReasonDescription("finalise", "Another sample of the same cluster stands for it."),
    "duplicate_url": ReasonDescription("finalise", "Another text of the same URL fits the image better."),
    "over_cap": ReasonDescription("finalise", "The group (domain) has more samples than its cap."),
    "crashed": ReasonDescription("any stage", "A child process died twice while holding this row."),
    "unit_failed": ReasonDescription("any stage", "The unit failed three times."),
    "cancelled": ReasonDescription("any stage", "The job was cancelled."),
    "row_too_large": ReasonDescription("any stage", "The row is too large to be stored."),
}
