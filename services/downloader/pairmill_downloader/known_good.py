"""Images whose examination has a known result: what the downloader tests itself with (U14)."""

from __future__ import annotations

from typing import Final

import numpy as np

from pairmill.jobspec.profiles import profile
from pairmill_downloader.images.encode import encoded
from pairmill_downloader.images.examine import Examined
from pairmill_downloader.ports import Examiner
from pairmill_protos.common.v1.outcome_pb2 import Reason

_WIDTH: Final = 96
_HEIGHT: Final = 64
_PHASH: Final = "8402001000080000"
_SECONDS: Final = 180.0


def check_known_good(examiner: Examiner) -> None:
    """Has a picture and a part of it examined; raises unless both give what they must."""
    rules = profile("everything").image
    rules.encode_format = "png"
    body = encoded(_gradient(), rules)
    whole = examiner.submit(body, rules).result(_SECONDS)
    part = examiner.submit(body[: len(body) // 2], rules).result(_SECONDS)
    if whole.stored is None or _facts(whole) != ("png", _WIDTH, _HEIGHT, _PHASH):
        raise RuntimeError(f"a known picture was taken for {_facts(whole)}: {whole.detail}")
    if part.reason != Reason.REASON_TRUNCATED_IMAGE:
        raise RuntimeError(f"half a picture was not taken for one: {part.detail}")


def _facts(found: Examined) -> tuple[str, int | None, int | None, str]:
    phash = found.stored.phash if found.stored else ""
    return found.format, found.original_width, found.original_height, phash


def _gradient() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Returns a picture that grows darker from left to right."""
    ramp = np.linspace(255, 0, _WIDTH).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (_HEIGHT, _WIDTH, 3)))
