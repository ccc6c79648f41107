"""Which reasons of a failed fetch belong together: what has to be looked at is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CLASSES: Final[Mapping[str, str]] = {
    "network": "dns_error|timeout_connect|timeout_first_byte|timeout_total|connection_refused|reset",
    "host": "http_4xx|http_429|http_5xx|bad_status|bad_response|tls_error|host_unavailable",
    "consent": "robots_disallowed|robots_unreachable|opt_out_header|opt_out_tdm|opt_out_aipref",
    "refused": "blocked_address|blocked_redirect|blocked_port|bad_scheme|too_many_redirects",
}
"""Patterns by class. What is left over is of the link alone, such as a name that does not exist."""
