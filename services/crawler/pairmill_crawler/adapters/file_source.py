"""A WAT in a local file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import BinaryIO, Final

from pairmill.errors import RetriableError
from pairmill_crawler.ports import SourceMissingError

CHUNK_BYTES: Final = 1 << 18
_MISSING: Final = frozenset(
    {
        errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG,
        errno.EINVAL,
    }
)  # fmt: skip


class FileSource:
    """Reads a file from an offset on."""

    def __init__(self, path: str, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._file: BinaryIO | None = None
        self.size: int | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yields the file's bytes; raises SourceMissingError where it is not there."""
        try:
            self._file = file = open(self._path, "rb")  # noqa: SIM115 - closed by `close`
            self.size = os.fstat(file.fileno()).st_size
            file.seek(self._offset)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        except ValueError as error:  # a NUL in the path
            raise SourceMissingError(str(error)) from error
        except OSError as error:
            if error.errno in _MISSING:
                raise SourceMissingError(error.strerror or "cannot be opened") from error
            raise RetriableError(f"{self._path} cannot be read: {error}") from error

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
