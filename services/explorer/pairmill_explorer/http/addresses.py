"""An address of the web server and what answers there."""

from __future__ import annotations

from dataclasses import dataclass

from pairmill_explorer.http.gate import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address."""

    verb: str  # GET or POST
    path: str
    route: Route
