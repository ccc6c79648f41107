"""What hosts say in robots.txt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from pairmill_synthweb.draft import CLOSED_FOLDER, CLOSED_TO_US_FOLDER
from pairmill_synthweb.serving.reply import NOT_FOUND, NOTHING, Reply
from pairmill_synthweb.world import RobotsPolicy

ROBOTS_PATH: Final = "/robots.txt"
MOVED_PATH: Final = "/policies/crawlers.txt"
"""Where a host's robots.txt leads that has moved."""

_US: Final = "pairmill"
_COMMENT_LINES: Final = 2000

_OPEN: Final = "User-agent: *\nDisallow:\n"
_PREFIXES: Final = (
    f"User-agent: *\nDisallow: /{CLOSED_FOLDER}/\n\n"
    f"User-agent: {_US}\nDisallow: /{CLOSED_FOLDER}/\nDisallow: /{CLOSED_TO_US_FOLDER}/\n"
)
_ONLY_US: Final = f"User-agent: {_US}\nDisallow:\n\nUser-agent: *\nDisallow: /\n"
_NOT_US: Final = f"User-agent: *\nDisallow:\n\nUser-agent: {_US}\nDisallow: /\n"
_CLOSED: Final = "User-agent: *\nDisallow: /\n"


def robots_reply(policy: RobotsPolicy) -> Reply:
    """Returns a host's answer to a request for robots.txt."""
    return _replies()[policy]


def moved_reply() -> Reply:
    """Returns the rules of a host whose robots.txt has moved."""
    return _rules(_PREFIXES)


@cache
def _replies() -> Mapping[RobotsPolicy, Reply]:
    return {
        RobotsPolicy.ALLOW: _rules(_OPEN),
        RobotsPolicy.PREFIXES: _rules(_PREFIXES),
        RobotsPolicy.ONLY_US: _rules(_ONLY_US),
        RobotsPolicy.NOT_US: _rules(_NOT_US),
        RobotsPolicy.CLOSED: _rules(_CLOSED),
        RobotsPolicy.BULKY: _rules(_bulky()),
        RobotsPolicy.MOVED: Reply(status=301, headers=(("Location", MOVED_PATH),)),
        RobotsPolicy.MISSING: NOT_FOUND,
        RobotsPolicy.FORBIDDEN: Reply(status=403),
        RobotsPolicy.BROKEN: Reply(status=500),
        RobotsPolicy.SILENT: NOTHING,
    }


def _rules(text: str) -> Reply:
    return Reply(headers=(("Content-Type", "text/plain; charset=utf-8"),), body=text.encode())


def _bulky() -> str:
    """The rules of PREFIXES among what parsers have to skip."""
    comments = "".join(f"# rule {number} is under discussion\r\n" for number in range(_COMMENT_LINES))
    odd = "Crawl-delay: 0\nNoindex: /tmp/\nHost: www.example\nthis line is no rule\nSitemap: /map.xml\n"
    return f"\ufeff{comments}{odd}\n{_PREFIXES}"
