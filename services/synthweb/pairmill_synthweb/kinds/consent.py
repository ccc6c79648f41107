"""Links whose owners said no, in every form there is, and some who did not."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from pairmill_synthweb.draft import CLOSED_FOLDER, CLOSED_TO_US_FOLDER, TDM_FOLDER, Draft
from pairmill_synthweb.kinds.kind import Kind, Recipe, captioned, closed_folder_host, failed
from pairmill_synthweb.world import Codec, Host, RobotsPolicy

_PER_HOST: Final = 8

_ROBOTS_TAGS: Final = (
    "noai",
    "noimageai",
    "noai, noimageai",
    "pairmill: noai",
    "otherbot: noindex, pairmill: noimageai",
    "NOAI",
    "max-image-preview: large, noai",
    "noindex",
)
_NOTICE_CODECS: Final = (Codec.JPEG, Codec.PNG, Codec.WEBP)
_HARMLESS: Final = (
    ("X-Robots-Tag", "otherbot: noai"),
    ("X-Robots-Tag", "max-image-preview: large"),
    ("TDM-Reservation", "0"),
    ("Content-Usage", "train-ai=y"),
    ("X-Robots-Tag", "nofollow"),
)


def _with_headers(values: tuple[tuple[str, str], ...]) -> Any:
    def fields(draft: Draft, number: int) -> dict[str, Any]:
        picture = draft.picture(draft.stream(f"headers-{number}"))
        return {"picture": picture, "headers": (values[number % len(values)],)}

    return fields


def _closed(draft: Draft, number: int) -> dict[str, Any]:
    return {"picture": draft.picture(draft.stream(f"closed-{number}")), "closed": True}


def _pictured(draft: Draft, number: int) -> dict[str, Any]:
    return {"picture": draft.picture(draft.stream(f"pictured-{number}"))}


def _noticed(draft: Draft, number: int) -> dict[str, Any]:
    codec = _NOTICE_CODECS[number % len(_NOTICE_CODECS)]
    return {"picture": draft.picture(draft.stream(f"noticed-{number}"), codec=codec, reserved=True)}


def _harmless(draft: Draft, kind: str, count: int) -> None:
    """Headers that look like an opt-out and are none for us."""
    rng = draft.stream(kind)
    for number in range(count):
        header = _HARMLESS[number % len(_HARMLESS)]
        resource = draft.resource(kind, draft.any_host(rng), picture=draft.picture(rng), headers=(header,))
        captioned(draft, rng, resource)


def _on_hosts(policy: RobotsPolicy, *, tdm: bool = False) -> Any:
    """Hosts of their own, a few links each."""

    def host_of(draft: Draft, rng: Random, number: int) -> Host:
        del rng
        name = f"{policy}-{'tdm-' if tdm else ''}{number // _PER_HOST:04d}"
        full = f"img.{name.replace('_', '-')}.example"
        known = draft.hosts.get(full)
        return known or draft.add_host(full, policy, tdm_path=f"/{TDM_FOLDER}/" if tdm else "")

    return host_of


def _robots(host_of: Any, *, folder: str = "img") -> Recipe:
    return failed("robots_disallowed", _closed, folder=folder, host_of=host_of)


def _unreachable(policy: RobotsPolicy) -> Recipe:
    return failed("robots_unreachable", _closed, host_of=_on_hosts(policy), tries=0)


def _headers(reason: str, *values: tuple[str, str]) -> Recipe:
    return failed(reason, _with_headers(values))


KINDS: Final = (
    Kind(name="robots_closed_folder", recipe=_robots(closed_folder_host, folder=CLOSED_FOLDER), per_mille=15),
    Kind(
        name="robots_closed_to_us",
        recipe=_robots(closed_folder_host, folder=CLOSED_TO_US_FOLDER),
        per_mille=10,
    ),
    Kind(name="robots_closed_host", recipe=_robots(_on_hosts(RobotsPolicy.CLOSED)), per_mille=5, least=2),
    Kind(name="robots_not_us", recipe=_robots(_on_hosts(RobotsPolicy.NOT_US)), per_mille=4, least=2),
    Kind(name="robots_broken", recipe=_unreachable(RobotsPolicy.BROKEN), per_mille=3, least=2, most=12),
    Kind(name="robots_silent", recipe=_unreachable(RobotsPolicy.SILENT), per_mille=1, least=2, most=4),
    Kind(
        name="robots_tag",
        recipe=_headers("opt_out_header", *(("X-Robots-Tag", tag) for tag in _ROBOTS_TAGS)),
        per_mille=15,
        least=len(_ROBOTS_TAGS),
    ),
    Kind(name="tdm_header", recipe=_headers("opt_out_tdm", ("TDM-Reservation", "1")), per_mille=6, least=2),
    Kind(
        name="tdm_file",
        recipe=failed(
            "opt_out_tdm",
            _pictured,
            folder=TDM_FOLDER,
            host_of=_on_hosts(RobotsPolicy.ALLOW, tdm=True),
        ),
        per_mille=6,
        least=2,
    ),
    Kind(
        name="aipref",
        recipe=_headers("opt_out_aipref", ("Content-Usage", "train-ai=n")),
        per_mille=6,
        least=2,
    ),
    Kind(
        name="embedded_notice",
        recipe=failed("opt_out_embedded", _noticed),
        per_mille=6,
        least=len(_NOTICE_CODECS),
    ),
    Kind(name="no_opt_out", recipe=_harmless, per_mille=10, least=len(_HARMLESS)),
)
