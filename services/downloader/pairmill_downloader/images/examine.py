"""Fetched bytes in, a stored image or the reason why there is none out: all that happens in a child."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from pairmill_downloader.images.encode import STORED_AS, encoded
from pairmill_downloader.images.geometry import fit, resize
from pairmill_downloader.images.optouts import embedded_opt_out
from pairmill_downloader.images.phash import perceptual_hash
from pairmill_downloader.images.pixels import Header, OpenImage, opened
from pairmill_downloader.images.refusal import MAX_DETAIL, Refusal
from pairmill_downloader.images.sniff import format_of
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import ImageRules

BOMB_PIXELS: Final = 178_956_970
"""More declared pixels than this are no large image but a decompression bomb: Pillow's own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """Of the fetched bytes, hex."""

    sha256: str
    md5: str
    sha1: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The image as it is stored."""

    data: bytes
    width: int
    height: int
    phash: str  # of the whole upright picture, whatever is stored of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found out about fetched bytes: an image to store, or a reason."""

    hashes: Hashes
    format: str = ""  # by content; empty if the bytes are no image
    original_width: int | None = None  # upright
    original_height: int | None = None
    exif: str | None = None  # JSON
    stored: Stored | None = None
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    detail: str = ""


def examine(data: bytes, rules: ImageRules) -> Examined:
    """Returns what is to be stored of fetched bytes, or why nothing is; never raises for what they hold."""
    hashes = hashes_of(data)
    name = format_of(data)
    if name is None:
        detail = f"the bytes begin with {data[:12]!r}"
        return Examined(hashes=hashes, reason=Reason.REASON_NOT_AN_IMAGE, detail=detail)
    header: Header | None = None
    stored: Stored | None = None
    reason, detail = Reason.REASON_UNSPECIFIED, ""
    try:
        _accept(data, name, rules)
        with opened(data, name, max(BOMB_PIXELS, rules.max_pixels)) as image:
            header = image.header
            _check_size(header, rules)
            stored = _stored(data, name, image, rules)
    except Refusal as refusal:
        reason, detail = refusal.reason, refusal.detail
    except Exception as error:  # noqa: BLE001 - whatever foreign bytes break is their row's reason
        reason = Reason.REASON_DECODE_ERROR
        detail = f"{type(error).__name__}: {error}"[:MAX_DETAIL]
    return Examined(
        hashes=hashes,
        format=name,
        original_width=header.width if header else None,
        original_height=header.height if header else None,
        exif=header.exif if header else None,
        stored=stored,
        reason=reason,
        detail=detail,
    )


def hashes_of(data: bytes) -> Hashes:
    """Returns the hashes by which lists and takedowns name bytes."""
    return Hashes(
        sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
    )


def _accept(data: bytes, name: str, rules: ImageRules) -> None:
    """Refuses formats that the job does not take, and files that forbid their use."""
    if name not in rules.formats:
        raise Refusal(Reason.REASON_UNSUPPORTED_FORMAT, name)
    notice = embedded_opt_out(data, name)
    if notice is not None:
        raise Refusal(Reason.REASON_OPT_OUT_EMBEDDED, notice)


def _check_size(header: Header, rules: ImageRules) -> None:
    """Refuses what the header declares before any pixel is decoded."""
    width, height = header.width, header.height
    size = f"{width} x {height}"
    if width * height > max(BOMB_PIXELS, rules.max_pixels):
        raise Refusal(Reason.REASON_BOMB, f"{size} pixels are declared")
    if width * height > rules.max_pixels:
        raise Refusal(Reason.REASON_IMAGE_TOO_LARGE, f"{size} pixels, at most {rules.max_pixels:,}")
    shorter, longer = sorted((width, height))
    if shorter < max(1, rules.min_side):
        raise Refusal(Reason.REASON_IMAGE_TOO_SMALL, f"{size} pixels, each side at least {rules.min_side}")
    if rules.HasField("max_aspect_ratio") and longer > rules.max_aspect_ratio * shorter:
        raise Refusal(Reason.REASON_ASPECT_RATIO, f"{size} pixels, ratio at most {rules.max_aspect_ratio:g}")


def _stored(data: bytes, name: str, image: OpenImage, rules: ImageRules) -> Stored:
    header = image.header
    wanted = fit(header.width, header.height, rules)
    least = (wanted.width, wanted.height) if wanted else (header.width, header.height)
    picture = image.pixels(*least)
    phash = perceptual_hash(picture)
    if wanted is not None:
        picture = resize(picture, wanted)
    as_fetched = wanted is None and header.orientation == 1 and STORED_AS.get(name) == rules.encode_format
    height, width = picture.shape[:2]
    return Stored(
        data=data if rules.skip_reencode and as_fetched else encoded(picture, rules),
        width=width,
        height=height,
        phash=phash,
    )
