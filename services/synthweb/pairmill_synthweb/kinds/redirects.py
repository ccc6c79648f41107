"""Links that lead elsewhere: to a picture, in circles, or where nobody may go."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from pairmill_synthweb.draft import CLOSED_FOLDER, Draft
from pairmill_synthweb.kinds.kind import Kind, Recipe, captioned
from pairmill_synthweb.world import Answer, Resource

_STATUSES: Final = (301, 302, 303, 307, 308)
_AUXILIARY: Final = "redirect_target"
_MOST_HOPS: Final = 3

_PRIVATE: Final = (
    "http://10.0.0.1/photo.jpg",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fe80::1]/a.png",
)
_OTHER_SCHEMES: Final = ("file:///etc/passwd", "ftp://files.example/a.jpg", "javascript:alert(1)")
_BLOCKED_PORTS: Final = ("http://mail.example:25/a.jpg", "http://cache.example:6379/a.jpg")


def _redirect(draft: Draft, kind: str, location: str, rng: Random) -> Resource:
    return draft.resource(
        kind,
        draft.any_host(rng),
        answer=Answer.REDIRECT,
        status=rng.choice(_STATUSES),
        headers=(("Location", location),),
    )


def _arriving(draft: Draft, kind: str, count: int) -> None:
    """One to three hops over other hosts, then a picture."""
    rng = draft.stream(kind)
    for number in range(count):
        picture = draft.picture(rng)
        resource = draft.resource(kind, draft.any_host(rng), picture=picture)
        for _ in range(1 + number % min(_MOST_HOPS, draft.rules.max_redirects)):
            resource = _redirect(draft, kind, resource.url, rng)
        draft.candidate(resource, draft.caption(picture.group, rng))


def _to(reason: str, location: Callable[[Draft, Random], str]) -> Recipe:
    def recipe(draft: Draft, kind: str, count: int) -> None:
        rng = draft.stream(kind)
        for _ in range(count):
            resource = _redirect(draft, kind, location(draft, rng), rng)
            captioned(draft, rng, resource, outcome="failed", reason=reason, stage="download")

    return recipe


def _one_of(locations: tuple[str, ...]) -> Callable[[Draft, Random], str]:
    return lambda _draft, rng: rng.choice(locations)


def _closed(draft: Draft, rng: Random) -> str:
    host = rng.choice(draft.with_closed_folders)
    picture = draft.picture(rng)
    return draft.resource(_AUXILIARY, host, folder=CLOSED_FOLDER, closed=True, picture=picture).url


def _loop(draft: Draft, rng: Random) -> str:
    """A URL that redirects to itself."""
    host = draft.any_host(rng)
    target = f"/img/loop-{len(draft.resources):06d}.jpg"
    return draft.resource(
        _AUXILIARY,
        host,
        target=target,
        answer=Answer.REDIRECT,
        status=302,
        headers=(("Location", f"http://{host.name}{target}"),),
    ).url


def _long_chain(draft: Draft, rng: Random) -> str:
    """A picture behind one hop more than is followed."""
    resource = draft.resource(_AUXILIARY, draft.any_host(rng), picture=draft.picture(rng))
    for _ in range(draft.rules.max_redirects):
        resource = _redirect(draft, _AUXILIARY, resource.url, rng)
    return resource.url


KINDS: Final = (
    Kind(name="redirected", recipe=_arriving, per_mille=12, least=3),
    Kind(name="redirect_loop", recipe=_to("too_many_redirects", _loop), per_mille=2),
    Kind(name="redirect_chain", recipe=_to("too_many_redirects", _long_chain), per_mille=2),
    Kind(name="redirect_private", recipe=_to("blocked_redirect", _one_of(_PRIVATE)), per_mille=2, least=2),
    Kind(
        name="redirect_scheme", recipe=_to("blocked_redirect", _one_of(_OTHER_SCHEMES)), per_mille=2, least=2
    ),
    Kind(name="redirect_port", recipe=_to("blocked_redirect", _one_of(_BLOCKED_PORTS)), per_mille=1),
    Kind(name="redirect_closed", recipe=_to("robots_disallowed", _closed), per_mille=2),
)
