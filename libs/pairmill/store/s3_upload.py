"""Uploads: small objects in one request, large ones in parts, a part in memory at a time.

The client has no public calls for parts (nor for listing what was left open), and its own upload starts
anew from the first part where one fails. So its inner calls are used; the contract suite over a real
server shows that they hold.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Final, TypeAlias, TypeVar

from minio import Minio
from minio.datatypes import ListMultipartUploadsResult, Part
from minio.error import S3Error, ServerError

from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill.store.s3_calls import Calls
from pairmill.store.s3_errors import ConditionError
from pairmill.store.settings import S3Config

T = TypeVar("T")
_Headers: TypeAlias = dict[str, str | list[str] | tuple[str]]

CHECKSUM: Final = "sha256"
CHECKSUM_HEADER: Final = f"x-amz-meta-{CHECKSUM}"
"""Metadata of every object: SHA-256 of its bytes, in hex."""

_MOST_PARTS: Final = 10_000
_PAGE: Final = 1000
_CONDITION_FAILED: Final = frozenset({"PreconditionFailed", "NoSuchKey"})
_NOT_IMPLEMENTED: Final = "NotImplemented"


class Uploads:
    """Writes objects of one bucket. Thread-safe."""

    def __init__(self, client: Minio, bucket: str, calls: Calls, config: S3Config) -> None:
        self._client = client
        self._bucket = bucket
        self._calls = calls
        self._part_bytes = config.part_bytes
        self._patience = config.write_patience_seconds

    def write(self, name: str, source: BinaryIO, size: int, digest: bytes) -> None:
        """Stores `size` bytes of a stream under a name; they are there, durably, on return.

        A write whose acknowledgement was lost is repeated, which leaves the same object (G2).
        """
        if size <= self._part_bytes:
            self._write_at_once(name, _read(source, size), digest)
        else:
            self._write_in_parts(name, source, size, digest)

    def write_over(self, etag: str, name: str, data: bytes, digest: bytes) -> None:
        """Stores bytes in place of the object with this ETag, for an empty one where there is none.

        Raises ReplacedError where something else is there. A server that knows no conditions gets none.
        """
        condition: _Headers = {"If-Match": f'"{etag}"'} if etag else {"If-None-Match": "*"}
        plain: _Headers = {"Content-Type": "application/octet-stream", CHECKSUM_HEADER: digest.hex()}

        def put() -> None:
            try:
                self._client._put_object(self._bucket, name, data, {**plain, **condition})
            except S3Error as error:
                if error.code in _CONDITION_FAILED:
                    if self._is_there(name, digest):
                        return  # G2: written before, and the answer was lost
                    raise ConditionError(f"{name} was replaced") from error
                if error.code != _NOT_IMPLEMENTED:
                    raise
                self._client._put_object(self._bucket, name, data, plain)

        self._run("write", put, name)

    def abandon(self, prefix: str, is_own: Callable[[str], bool]) -> int:
        """Aborts uploads in parts that were begun and not ended; returns how many."""
        aborted: set[str] = set()
        marker = ""
        while True:
            page = self._run("list uploads", partial(self._page, prefix, marker))
            found = [(each.object_name, each.upload_id or "") for each in page.uploads]
            own = [(name, upload) for name, upload in found if upload not in aborted and is_own(name)]
            for name, upload in own:
                self._abort(name, upload)
            aborted.update(upload for _, upload in own)
            if not page.is_truncated:
                return len(aborted)
            if not own:  # else the same page again: a name may have more uploads than it held
                marker = page.next_key_marker or ""

    def _page(self, prefix: str, after: str) -> ListMultipartUploadsResult:
        return self._client._list_multipart_uploads(
            self._bucket, prefix=prefix, key_marker=after or None, max_uploads=_PAGE
        )

    def _write_at_once(self, name: str, data: bytes, digest: bytes) -> None:
        result = self._run(
            "write",
            lambda: self._client.put_object(
                bucket_name=self._bucket,
                object_name=name,
                data=io.BytesIO(data),
                length=len(data),
                metadata={CHECKSUM: digest.hex()},
                part_size=self._part_bytes,
            ),
            name,
        )
        if not result.etag:
            raise ConfigurationError(
                f"PAIRMILL_S3__ENDPOINT: what answers there does not store objects ({name} got no ETag)"
            )

    def _write_in_parts(self, name: str, source: BinaryIO, size: int, digest: bytes) -> None:
        upload = self._run(
            "begin",
            lambda: self._client._create_multipart_upload(
                self._bucket,
                name,
                {"Content-Type": "application/octet-stream", CHECKSUM_HEADER: digest.hex()},
            ),
            name,
        )
        try:
            parts = [
                self._write_part(name, upload, number, _read(source, length))
                for number, length in enumerate(self._cut(size), start=1)
            ]
            self._complete(name, upload, parts, digest)
        except BaseException:
            with contextlib.suppress(PairmillError):  # the janitor finds what is left
                self._abort(name, upload, patience=0)
            raise

    def _cut(self, size: int) -> Iterator[int]:
        """Returns the lengths of the parts, in order."""
        step = max(self._part_bytes, -(-size // _MOST_PARTS))
        return (min(step, size - start) for start in range(0, size, step))

    def _write_part(self, name: str, upload: str, number: int, data: bytes) -> Part:
        etag = self._run(
            "write",
            lambda: self._client._upload_part(self._bucket, name, data, None, upload, number),
            name,
        )
        return Part(number, etag)

    def _complete(self, name: str, upload: str, parts: list[Part], digest: bytes) -> None:
        def complete() -> None:
            try:
                result = self._client._complete_multipart_upload(self._bucket, name, upload, parts)
            except S3Error as error:
                if error.code == "NoSuchUpload" and self._is_there(name, digest):
                    return  # G2: completed before, and the answer was lost
                raise
            if not result.etag:  # an error may come with status 200 here
                raise ServerError(f"the upload of {name} was not completed", 500)

        self._run("complete", complete, name)

    def _is_there(self, name: str, digest: bytes) -> bool:
        try:
            found = self._client.stat_object(bucket_name=self._bucket, object_name=name)
        except S3Error as error:
            if error.code == "NoSuchKey":
                return False
            raise
        return found.metadata is not None and found.metadata.get(CHECKSUM_HEADER) == digest.hex()

    def _abort(self, name: str, upload: str, patience: float | None = None) -> None:
        def abort() -> None:
            try:
                self._client._abort_multipart_upload(self._bucket, name, upload)
            except S3Error as error:
                if error.code != "NoSuchUpload":
                    raise

        self._run("abort", abort, name, patience)

    def _run(self, operation: str, call: Callable[[], T], name: str = "", patience: float | None = None) -> T:
        limit = self._patience if patience is None else patience
        return self._calls.run(operation, call, name=name, patience=limit)


def _read(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise RetriableError(
            f"the file to store became shorter while it was read: {len(data)} of {size} bytes"
        )
    return data
