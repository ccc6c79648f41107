"""The store as a prefix in an S3 bucket.

S3 makes an object whole or absent by itself; parts of an upload are no object until it is completed. Each
object carries the SHA-256 of its bytes as metadata, which reading compares. One that another tool copied
may carry none: then only the digest that the caller gives is compared, and `stat` returns an empty one.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from urllib3.response import BaseHTTPResponse

from pairmill.clock import Clock, SystemClock
from pairmill.closing import Closing
from pairmill.errors import ConfigurationError, CorruptObjectError, ObjectMissingError
from pairmill.store.disk import disk_errors
from pairmill.store.keys import TEMPORARY, check_key, check_prefix
from pairmill.store.port import ListedObject, ObjectInfo
from pairmill.store.s3_calls import Calls
from pairmill.store.s3_client import open_client
from pairmill.store.s3_errors import RemovalError
from pairmill.store.s3_upload import CHECKSUM_HEADER, Uploads
from pairmill.store.settings import S3Config

T = TypeVar("T")

_BLOCK: Final = 1 << 20
_PAGE: Final = 1000
_PARTIAL_CONTENT: Final = 206
_READS: Final = 2  # bytes that were damaged on their way are read again, once


class S3Store(Closing):
    """Objects below a prefix of a bucket. Thread-safe; to be opened in the process that uses it."""

    def __init__(self, bucket: str, prefix: str, config: S3Config, *, clock: Clock | None = None) -> None:
        """Asks nothing of the endpoint; raises ConfigurationError for settings that cannot be right."""
        if prefix:
            _check_address(prefix)
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client, self._pool = open_client(bucket, config)
        self._patience = config.read_patience_seconds
        self._calls = Calls(endpoint=config.endpoint, bucket=bucket, clock=clock or SystemClock())
        self._uploads = Uploads(self._client, bucket, self._calls, config)

    def __str__(self) -> str:
        """Returns the address, for messages."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, key: str, data: bytes) -> ObjectInfo:
        """Stores bytes; durable on return."""
        digest = hashlib.sha256(data).digest()
        self._uploads.write(self._name(key), io.BytesIO(data), len(data), digest)
        return ObjectInfo(key=key, size_bytes=len(data), sha256=digest)

    @property
    def conditional(self) -> S3Store:
        """Itself: how it writes on a condition."""
        return self

    def mark(self, key: str) -> str:
        """Returns the ETag of the object that lies there; empty where there is none."""
        name = self._name(key)
        try:
            return self._read(name, lambda: self._head(name)).etag or ""
        except ObjectMissingError:
            self.ping()  # the answer is the same where the bucket is gone
            return ""

    def put_over(self, mark: str, key: str, data: bytes) -> ObjectInfo:
        """Stores bytes in place of the object with this ETag, for an empty one where there is none.

        Raises ReplacedError, with nothing stored, where something else is there.
        """
        digest = hashlib.sha256(data).digest()
        self._uploads.write_over(mark, self._name(key), data, digest)
        return ObjectInfo(key=key, size_bytes=len(data), sha256=digest)

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Stores a file's bytes, read twice: the checksum comes before them. Durable on return."""
        name = self._name(key)
        with path.open("rb") as file:
            digest, size = _digest_of(file)
            file.seek(0)
            self._uploads.write(name, file, size, digest)
        return ObjectInfo(key=key, size_bytes=size, sha256=digest)

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Returns an object's bytes, verified."""
        name = self._name(key)

        def read() -> tuple[bytes, bytes]:
            with self._opened(name) as response:
                return response.read(decode_content=False), _checksum(response)

        def verified() -> bytes:
            data, stored = self._read(name, read)
            _verify(key, hashlib.sha256(data).digest(), stored, sha256)
            return data

        return _again_if_damaged(verified)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns a part of an object, unverified."""
        name = self._name(key)
        if length <= 0:
            self._existing(key)
            return b""

        def read() -> bytes:
            try:
                with self._opened(name, offset=start, length=length) as response:
                    return _only(response, length)
            except S3Error as error:
                if error.code == "InvalidRange":
                    return b""  # it begins behind the end
                raise

        return self._read(name, read)

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        """Writes an object to a file, verified; the file is whole or absent."""
        name, unverified = self._name(key), path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}")

        def verified() -> ObjectInfo:
            size, digest, stored = self._read(name, lambda: self._copy(name, unverified))
            _verify(key, digest, stored, sha256)
            return ObjectInfo(key=key, size_bytes=size, sha256=digest)

        try:
            info = _again_if_damaged(verified)
            unverified.replace(path)
        finally:
            unverified.unlink(missing_ok=True)
        return info

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns size and stored checksum (empty if it carries none), or None if it is absent."""
        name = self._name(key)
        try:
            found = self._read(name, lambda: self._head(name))
        except ObjectMissingError:
            self.ping()  # the answer is the same where the bucket is gone
            return None
        digest = _parsed((found.metadata or {}).get(CHECKSUM_HEADER))
        return ObjectInfo(key=key, size_bytes=found.size or 0, sha256=digest)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yields the objects under a prefix in order of keys, a page of 1,000 at a time."""
        check_prefix(prefix)
        after: str | None = None
        while True:
            page = self._run("list", partial(self._page, self._prefix + prefix, after))
            for name, size in page:
                key = name.removeprefix(self._prefix)
                if _is_key(key):
                    yield ListedObject(key=key, size_bytes=size)
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def delete(self, key: str) -> None:
        """Removes an object; does nothing if it is absent."""
        name = self._name(key)
        self._run(
            "delete", lambda: self._client.remove_object(bucket_name=self._bucket, object_name=name), name
        )

    def delete_all(self, keys: Iterable[str]) -> None:
        """Removes objects, 1,000 in a request."""
        names = map(self._name, keys)
        while batch := list(islice(names, _PAGE)):
            self._run("delete", partial(self._remove, batch))

    def abandon_uploads(self, is_own: Callable[[str], bool]) -> int:
        """Aborts uploads in parts of keys that are the caller's own; returns how many."""
        return self._uploads.abandon(self._prefix, lambda name: is_own(name.removeprefix(self._prefix)))

    def ping(self) -> None:
        """Raises RetriableError if the endpoint does not answer, ConfigurationError if it says no."""
        is_there = self._calls.run(
            "reach", lambda: self._client.bucket_exists(bucket_name=self._bucket), patience=0
        )
        if not is_there:  # an answer to HEAD has no body to say why
            self._calls.run("list", partial(self._page, self._prefix, None, most=1), patience=0)

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()

    def _name(self, key: str) -> str:
        check_key(key)
        return self._prefix + key

    def _read(self, name: str, call: Callable[[], T]) -> T:
        return self._run("read", call, name)

    def _run(self, operation: str, call: Callable[[], T], name: str = "") -> T:
        return self._calls.run(operation, call, name=name, patience=self._patience)

    def _head(self, name: str) -> Object:
        return self._client.stat_object(bucket_name=self._bucket, object_name=name)

    def _existing(self, key: str) -> None:
        if self.stat(key) is None:
            raise ObjectMissingError(f"there is no object {key} in {self}")

    @contextmanager
    def _opened(self, name: str, offset: int = 0, length: int = 0) -> Iterator[BaseHTTPResponse]:
        response = self._client.get_object(
            bucket_name=self._bucket, object_name=name, offset=offset, length=length
        )
        try:
            yield response
        finally:
            response.close()  # what was not read to its end is no connection to use again
            response.release_conn()

    def _copy(self, name: str, target: Path) -> tuple[int, bytes, bytes]:
        digest, size = hashlib.sha256(), 0
        with self._opened(name) as response, disk_errors("scratch"), target.open("wb") as file:
            for block in response.stream(_BLOCK, decode_content=False):
                digest.update(block)
                size += len(block)
                file.write(block)
            return size, digest.digest(), _checksum(response)

    def _remove(self, names: Sequence[str]) -> None:
        objects = [DeleteObject(name) for name in names]
        for error in self._client.remove_objects(bucket_name=self._bucket, delete_object_list=objects):
            raise RemovalError(error.code, f"{error.name}: {error.message}")

    def _page(self, prefix: str, after: str | None, most: int = _PAGE) -> Sequence[tuple[str, int]]:
        found = self._client.list_objects(
            bucket_name=self._bucket, prefix=prefix, recursive=True, start_after=after
        )
        return [(each.object_name or "", each.size or 0) for each in islice(found, most)]


def _check_address(prefix: str) -> None:
    try:
        check_key(prefix)
    except ValueError as error:
        raise ConfigurationError(f"store_url: {error}; use s3://bucket/prefix") from error


def _is_key(key: str) -> bool:
    try:
        check_key(key)
    except ValueError:
        return False  # made by another tool, such as the marker of a folder
    return True


def _digest_of(file: BinaryIO) -> tuple[bytes, int]:
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    return digest.digest(), size


def _checksum(response: BaseHTTPResponse) -> bytes:
    return _parsed(response.headers.get(CHECKSUM_HEADER))


def _parsed(text: str | None) -> bytes:
    try:
        return bytes.fromhex(text or "")
    except ValueError:
        return b"?"  # unlike any checksum


def _verify(key: str, found: bytes, stored: bytes, wanted: bytes | None) -> None:
    if (stored and found != stored) or (wanted is not None and found != wanted):
        raise CorruptObjectError(f"object {key} does not have the checksum it was written with")


def _again_if_damaged(read: Callable[[], T]) -> T:
    for _ in range(1, _READS):
        try:
            return read()
        except CorruptObjectError:
            continue
    return read()


def _only(response: BaseHTTPResponse, length: int) -> bytes:
    if response.status != _PARTIAL_CONTENT:
        raise ConfigurationError(
            f"PAIRMILL_S3__ENDPOINT: it does not serve ranges (status {response.status})"
        )
    return response.read(decode_content=False)[:length]  # all of it: else a body that breaks off is no error
