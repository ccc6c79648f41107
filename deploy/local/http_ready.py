"""Whether a server says over HTTP that it serves."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Final

_SECONDS: Final = 2.0


def answers(url: str) -> bool:
    """Returns whether a GET of an address of this machine is answered with 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback needs no proxy
    try:
        with opener.open(url, timeout=_SECONDS) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False
