"""Exceptions that say what to do. Anything else that is raised is a bug and stops the process."""

from __future__ import annotations


class PairmillError(Exception):
    """Base of all errors that Pairmill raises on purpose."""


class RetriableError(PairmillError):
    """The same call may work later: a dependency is away, full or slow."""


class NoSpaceError(RetriableError):
    """The device is full. A condition of the environment, never a unit's fault."""


class InvalidRecordError(PairmillError):
    """This record can never be worked on, however often it is tried."""


class CorruptObjectError(PairmillError):
    """A stored object does not have the checksum it was written with."""


class ObjectMissingError(PairmillError):
    """An object that was announced is not in the store."""


class ConfigurationError(PairmillError):
    """The request or the environment is wrong; the process exits with 2.

    The message names the field and the fix, one problem a line.
    """


class CutOffError(PairmillError):
    """A unit was cut off before it had anything to show; it is delivered again."""
