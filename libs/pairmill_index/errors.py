"""What goes wrong with an index."""

from __future__ import annotations

from pairmill.errors import ConfigurationError, PairmillError, RetriableError


class NoIndexError(ConfigurationError):
    """The dataset has no index."""


class NoRoomError(ConfigurationError):
    """The memory given is too little for an index of so many samples."""


class IndexBusyError(ConfigurationError):
    """Another process is changing the index now."""


class LostPublicationError(RetriableError):
    """Another version was published since this one was begun: what it was made from serves no more."""


class IndexRefusedError(PairmillError):
    """A new version finds too little; it was not published and the one before keeps serving."""
