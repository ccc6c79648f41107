"""Lists of URLs that a job leaves out, as the object that the planner reads (U8)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

import can_ada

from pairmill.errors import ConfigurationError
from pairmill.ids import from_hex, url_id
from pairmill.units import list_key
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

_ID: Final = re.compile(r"[0-9a-f]{32}")
_SHOWN_PROBLEMS: Final = 10


def excluded_ids(lines: Iterable[str], name: str = "exclude") -> bytes:
    """Returns the `url_id`s of a list, ascending and each once, 16 bytes each.

    A line is a URL, or a `url_id` as 32 hex digits; blank lines and those that begin with `#` are passed
    over. Raises ConfigurationError naming the lines that are neither, under the list's `name`: nothing may
    be let through that was to be left out.
    """
    ids: set[bytes] = set()
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _identified(text)
        if found is None:
            problems.append(f"{name}: line {number}: {text[:100]!r} is no http(s) URL and no url_id")
        else:
            ids.add(found)
    _complain(problems, name)
    return b"".join(sorted(ids))


def exclusion_ref(data: bytes) -> ObjectRef:
    """Returns the reference under which a list stands in the dataset, named by its digest."""
    digest = hashlib.sha256(data).digest()
    return ObjectRef(
        key=list_key("lists", digest), bytes=len(data), sha256=digest, rows=len(data) // 16, role="list"
    )


def _identified(text: str) -> bytes | None:
    if _ID.fullmatch(text):
        return from_hex(text)
    try:
        url = can_ada.parse(text)
    except ValueError:
        return None
    if url.protocol not in ("http:", "https:"):
        return None
    url.hash = ""
    return url_id(url.href)


def _complain(problems: list[str], name: str) -> None:
    if len(problems) > _SHOWN_PROBLEMS:
        problems = [*problems[:_SHOWN_PROBLEMS], f"{name}: and {len(problems) - _SHOWN_PROBLEMS} more lines"]
    if problems:
        raise ConfigurationError("\n".join(problems))
