"""What goes wrong with an index."""

from __future__ import annotations

from pairmill.errors import ConfigurationError, PairmillError


class NoIndexError(ConfigurationError):
    """The dataset has no index."""


class IndexBusyError(ConfigurationError):
    """Another process is changing the index now."""


class IndexRefusedError(PairmillError):
    """A new version finds too little; it was not published and the one before keeps serving."""
