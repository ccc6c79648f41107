"""Links to servers that are slow, broken, gone or hostile."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from pairmill_synthweb.draft import Draft
from pairmill_synthweb.kinds.kind import Kind, Recipe, captioned, failed
from pairmill_synthweb.world import ALWAYS, Answer, Candidate, Host, RobotsPolicy

NXDOMAIN_DOMAIN: Final = "nxdomain.example"
"""Names below it do not exist."""

SERVFAIL_DOMAIN: Final = "servfail.example"
"""Names below it cannot be resolved for the time being."""

REFUSED_DOMAIN: Final = "refused.example"
"""Names below it resolve to an address where nobody listens."""

_PRIVATE_HOSTS: Final = (
    "169.254.169.254",
    "10.0.0.1",
    "192.168.7.20",
    "172.16.0.9",
    "100.64.0.1",
    "0.0.0.0",
    "[fe80::1]",
    "[fd00::7]",
    "[64:ff9b::a00:1]",
    "[::ffff:a00:1]",
)
_ODD_SPELLINGS: Final = {
    "10.0.0.1": "0x0a.0.0.1",
    "169.254.169.254": "2852039166",
    "192.168.7.20": "0300.168.7.20",
}


def _own_host(draft: Draft, rng: Random, number: int) -> Host:
    """A host for one link, so that its trouble is nobody else's."""
    del rng, number
    return draft.new_host()


def _below(domain: str) -> Any:
    def host_of(draft: Draft, rng: Random, number: int) -> Host:
        del rng
        return draft.add_host(f"h{number:04d}.{domain}", RobotsPolicy.ALLOW)

    return host_of


def _healing(failures_up_to: int, *, own_host: bool = False, **failing: Any) -> Recipe:
    """URLs that fail a few times, then work for ever."""

    def recipe(draft: Draft, kind: str, count: int) -> None:
        rng = draft.stream(kind)
        most = max(1, min(failures_up_to, draft.rules.tries - 1))
        for number in range(count):
            host = _own_host(draft, rng, number) if own_host else draft.any_host(rng)
            failures = 1 + number % most
            resource = draft.resource(kind, host, picture=draft.picture(rng), failures=failures, **failing)
            captioned(draft, rng, resource, tries=failures + 1)

    return recipe


def _slow(draft: Draft, kind: str, count: int) -> None:
    rng = draft.stream(kind)
    for number in range(count):
        resource = draft.resource(
            kind, _own_host(draft, rng, number), picture=draft.picture(rng), answer=Answer.SLOW
        )
        captioned(draft, rng, resource)


def _never(reason: str, **failing: Any) -> Recipe:
    """URLs whose every request fails, retriably; each on a host of its own."""
    return failed(reason, lambda _draft, _number: {"failures": ALWAYS, **failing}, tries=0, host_of=_own_host)


def _below_domain(reason: str, domain: str, *, tries: int) -> Recipe:
    return failed(reason, lambda _draft, _number: {}, tries=tries, host_of=_below(domain))


def _status(reason: str, *statuses: int) -> Recipe:
    return failed(
        reason,
        lambda _draft, number: {"answer": Answer.STATUS, "status": statuses[number % len(statuses)]},
    )


def _answer(reason: str, answer: Answer, *, own_host: bool = False) -> Recipe:
    return failed(reason, lambda _draft, _number: {"answer": answer}, host_of=_own_host if own_host else None)


def _short(draft: Draft, number: int) -> dict[str, Any]:
    picture = draft.picture(draft.stream(f"short-{number}"))
    return {"failures": ALWAYS, "failure": Answer.SHORT, "picture": picture}


def _private_addresses(draft: Draft, kind: str, count: int) -> None:
    """URLs whose host is an address that is not public, some in a spelling that hides it."""
    rng = draft.stream(kind)
    for number in range(count):
        host = _PRIVATE_HOSTS[number % len(_PRIVATE_HOSTS)]
        alt = draft.caption(draft.new_group(), rng)
        shown = _ODD_SPELLINGS.get(host, host) if number % 2 else host
        draft.add(
            Candidate(
                url=f"http://{host}/camera/{number}.jpg",
                raw_url=f"http://{shown}/camera/{number}.jpg",
                text=alt.text,
                raw_text=alt.raw,
                language=alt.language,
                caption_group=alt.group,
                kind=kind,
                outcome="failed",
                reason="blocked_address",
                stage="download",
            )
        )


_RETRY_SOON: Final = (("Retry-After", "1"),)
_RETRY_GARBAGE: Final = (("Retry-After", "soon"),)
_RETRY_TOMORROW: Final = (("Retry-After", "86400"),)

HEALING: Final = (
    Kind(name="slow", recipe=_slow, per_mille=4, most=60),
    Kind(name="heals_503", recipe=_healing(3), per_mille=8, least=3),
    Kind(name="heals_500", recipe=_healing(2, failure_status=500), per_mille=4, least=2),
    Kind(
        name="heals_429",
        recipe=_healing(2, own_host=True, failure_status=429, failure_headers=_RETRY_SOON),
        per_mille=2,
        least=2,
        most=60,
    ),
    Kind(
        name="heals_503_garbage",
        recipe=_healing(1, own_host=True, failure_headers=_RETRY_GARBAGE),
        per_mille=1,
        most=60,
    ),
    Kind(name="heals_reset", recipe=_healing(2, failure=Answer.RESET), per_mille=4, least=2),
    Kind(name="heals_short", recipe=_healing(1, failure=Answer.SHORT), per_mille=3, least=2),
    Kind(
        name="heals_silence",
        recipe=_healing(1, own_host=True, failure=Answer.SILENT),
        per_mille=1,
        least=1,
        most=6,
    ),
)

FAILING: Final = (
    Kind(name="always_500", recipe=_never("http_5xx", failure_status=500), per_mille=2, least=2, most=40),
    Kind(name="always_429", recipe=_never("http_429", failure_status=429), per_mille=1, most=8),
    Kind(name="always_reset", recipe=_never("reset", failure=Answer.RESET), per_mille=1, most=8),
    Kind(
        name="always_short",
        recipe=failed("truncated_body", _short, tries=0, host_of=_own_host),
        per_mille=2,
        least=2,
        most=12,
    ),
    Kind(
        name="silent",
        recipe=_never("timeout_first_byte", failure=Answer.SILENT),
        per_mille=2,
        least=2,
        most=8,
    ),
    Kind(name="drip", recipe=_never("timeout_total", failure=Answer.DRIP), per_mille=2, least=2, most=8),
    Kind(
        name="retry_tomorrow",
        recipe=_never("host_unavailable", failure_headers=_RETRY_TOMORROW),
        per_mille=0.7,
        most=4,
    ),
    Kind(
        name="refused",
        recipe=_below_domain("connection_refused", REFUSED_DOMAIN, tries=0),
        per_mille=0.7,
        most=4,
    ),
    Kind(name="servfail", recipe=_below_domain("dns_error", SERVFAIL_DOMAIN, tries=0), per_mille=0.7, most=4),
    Kind(
        name="nxdomain", recipe=_below_domain("dns_not_found", NXDOMAIN_DOMAIN, tries=1), per_mille=5, least=2
    ),
    Kind(name="private_address", recipe=_private_addresses, per_mille=4, least=len(_PRIVATE_HOSTS)),
    Kind(name="not_found", recipe=_status("http_4xx", 404, 410, 404, 401, 451, 403), per_mille=30, least=6),
    Kind(name="odd_status", recipe=_status("bad_status", 204, 206, 304), per_mille=3, least=3),
    Kind(name="garbage", recipe=_answer("bad_response", Answer.GARBAGE), per_mille=1),
    Kind(name="long_headers", recipe=_answer("bad_response", Answer.LONG_HEADERS), per_mille=1),
    Kind(name="oversized", recipe=_answer("too_large", Answer.OVERSIZED), per_mille=2, most=60),
    Kind(name="endless", recipe=_answer("too_large", Answer.ENDLESS), per_mille=1, most=30),
    Kind(name="inflating", recipe=_answer("bomb", Answer.INFLATING), per_mille=1, most=30),
)

KINDS: Final = HEALING + FAILING
