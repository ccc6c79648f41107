"""What errors of the local disk mean, for stores that read or write it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pairmill.errors import ConfigurationError, NoSpaceError, RetriableError

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_AWAY: Final = frozenset(
    {errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT, errno.EBUSY, errno.EAGAIN}
    | {errno.ENOTCONN, errno.EHOSTDOWN, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)


@contextmanager
def disk_errors(option: str) -> Iterator[None]:
    """Turns the system's errors into those that say what to do, naming the option that chose the disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceError(f"{option}: no space left: {error}") from error
        if error.errno in _READ_ONLY:
            raise ConfigurationError(
                f"{option}: cannot be written ({error.strerror}); choose a writable folder"
            ) from error
        if error.errno in _AWAY:
            raise RetriableError(f"{option}: cannot be used now: {error}") from error
        raise
