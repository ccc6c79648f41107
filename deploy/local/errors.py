"""What may go wrong with a component."""

from __future__ import annotations


class ComponentError(Exception):
    """A component could not be fetched, started or stopped; the message says why."""


class MissingToolError(ComponentError):
    """This machine lacks a program that a component needs."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}: {remedy}")
        self.what = what  # what is missing, and for what
        self.remedy = remedy  # the command that would provide it


class FetchError(ComponentError):
    """A component could not be fetched or built."""


class StartError(ComponentError):
    """A component ended, or was not ready in time."""
