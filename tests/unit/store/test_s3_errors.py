"""Every error that the S3 client, its connections and the endpoint may raise has a translation."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import ParseError

import minio.error
import pytest
import urllib3
from minio.error import InvalidResponseError, MinioAdminException, MinioException, S3Error, ServerError
from urllib3 import exceptions as http

from pairmill.errors import (
    ConfigurationError,
    NoSpaceError,
    ObjectMissingError,
    PairmillError,
    RetriableError,
)
from pairmill.store.conditional import ReplacedError
from pairmill.store.s3_errors import (
    VENDOR_ERRORS,
    Call,
    ConditionError,
    CredentialsRefusedError,
    RemovalError,
    UploadGoneError,
    translate,
)

CALL: Final = Call(endpoint="https://s3.example.org", bucket="bucket", operation="read", name="p/key")
POOL: Final = urllib3.HTTPConnectionPool("s3.example.org")
CONNECTION: Final = urllib3.connection.HTTPConnection("s3.example.org")


def s3_error(code: str | None, status: int) -> S3Error:
    response = urllib3.HTTPResponse(status=status)
    return S3Error(response, code, "said so", "resource", "request", "host")


CODES: Final[dict[tuple[str | None, int], type[PairmillError]]] = {
    ("NoSuchKey", 404): ObjectMissingError,
    ("NoSuchVersion", 404): ObjectMissingError,
    ("NoSuchBucket", 404): ConfigurationError,
    ("InvalidBucketName", 400): ConfigurationError,
    ("ResourceNotFound", 404): ConfigurationError,
    ("QuotaExceeded", 403): NoSpaceError,
    ("InsufficientStorage", 507): NoSpaceError,
    ("XMinioStorageFull", 507): NoSpaceError,
    ("XMinioAdminBucketQuotaExceeded", 400): NoSpaceError,
    ("AnythingElse", 507): NoSpaceError,
    ("SlowDown", 503): RetriableError,
    ("ServiceUnavailable", 503): RetriableError,
    ("InternalError", 500): RetriableError,
    ("InternalError", 200): RetriableError,
    ("RequestTimeout", 400): RetriableError,
    ("RequestTimeTooSkewed", 403): RetriableError,
    ("OperationAborted", 409): RetriableError,
    ("BadDigest", 400): RetriableError,
    ("IncompleteBody", 400): RetriableError,
    ("XAmzContentSHA256Mismatch", 400): RetriableError,
    ("NoSuchUpload", 404): UploadGoneError,
    ("TooManyRequests", 429): RetriableError,
    ("AnythingElse", 500): RetriableError,
    ("AnythingElse", 504): RetriableError,
    ("AccessDenied", 403): CredentialsRefusedError,
    ("InvalidAccessKeyId", 403): CredentialsRefusedError,
    ("SignatureDoesNotMatch", 403): CredentialsRefusedError,
    ("ExpiredToken", 400): CredentialsRefusedError,
    ("InvalidToken", 400): CredentialsRefusedError,
    ("TokenRefreshRequired", 400): CredentialsRefusedError,
    ("AllAccessDisabled", 403): CredentialsRefusedError,
    ("XAdminUserNotFound", 404): CredentialsRefusedError,
    ("AnythingElse", 401): CredentialsRefusedError,
    ("AnythingElse", 403): CredentialsRefusedError,
    ("AuthorizationHeaderMalformed", 400): ConfigurationError,
    ("PermanentRedirect", 301): ConfigurationError,
    ("TemporaryRedirect", 307): ConfigurationError,
    ("BadRequest", 400): ConfigurationError,
    ("NotImplemented", 501): ConfigurationError,
    ("MethodNotAllowed", 405): ConfigurationError,
    ("InvalidArgument", 400): ConfigurationError,
    ("EntityTooLarge", 400): ConfigurationError,
    ("InvalidObjectState", 403): ConfigurationError,
    (None, 418): ConfigurationError,
}

CONNECTION_ERRORS: Final[list[tuple[Exception, type[PairmillError]]]] = [
    (http.HTTPError("text"), RetriableError),
    (http.PoolError(POOL, "text"), RetriableError),
    (http.RequestError(POOL, "/", "text"), RetriableError),
    (http.SSLError("certificate verify failed"), ConfigurationError),
    (http.ProxyError("text", OSError("x")), RetriableError),
    (http.DecodeError("text"), RetriableError),
    (http.ProtocolError("text"), RetriableError),
    (http.MaxRetryError(POOL, "/", http.ProtocolError("text")), RetriableError),
    (http.MaxRetryError(POOL, "/", http.SSLError("text")), ConfigurationError),
    (http.MaxRetryError(POOL, "/"), RetriableError),
    (http.HostChangedError(POOL, "/"), RetriableError),
    (http.TimeoutStateError("text"), RetriableError),
    (http.TimeoutError("text"), RetriableError),
    (http.ReadTimeoutError(POOL, "/", "text"), RetriableError),
    (http.ConnectTimeoutError("text"), RetriableError),
    (http.NewConnectionError(CONNECTION, "text"), RetriableError),
    (http.NameResolutionError("host", CONNECTION, socket.gaierror(-2, "text")), RetriableError),
    (http.EmptyPoolError(POOL, "text"), RetriableError),
    (http.FullPoolError(POOL, "text"), RetriableError),
    (http.ClosedPoolError(POOL, "text"), RetriableError),
    (http.LocationValueError("text"), ConfigurationError),
    (http.LocationParseError("text"), ConfigurationError),
    (http.URLSchemeUnknown("text"), ConfigurationError),
    (http.ProxySchemeUnknown("text"), ConfigurationError),
    (http.ResponseError("text"), RetriableError),
    (http.ResponseNotChunked("text"), RetriableError),
    (http.BodyNotHttplibCompatible("text"), RetriableError),
    (http.IncompleteRead(3, 4), RetriableError),
    (http.InvalidChunkLength(urllib3.HTTPResponse(b""), b"x"), RetriableError),
    (http.InvalidHeader("text"), RetriableError),
    (http.HeaderParsingError([], None), RetriableError),
    (http.UnrewindableBodyError("text"), RetriableError),
]

OTHER_ERRORS: Final[list[tuple[Exception, type[PairmillError]]]] = [
    (MinioException("text"), RetriableError),
    (RemovalError("InternalError", "text"), RetriableError),
    (RemovalError("AccessDenied", "text"), CredentialsRefusedError),
    (RemovalError("Anything", "text"), ConfigurationError),
    (ConditionError("x was replaced"), ReplacedError),
    (ServerError("text", 503), RetriableError),
    (ServerError("text", 507), NoSpaceError),
    (ServerError("text", 403), CredentialsRefusedError),
    (ServerError("text", 412), ConfigurationError),
    (InvalidResponseError(502, "text/html", "<html>"), RetriableError),
    (InvalidResponseError(404, "text/html", None), ConfigurationError),
    (InvalidResponseError(200, "text/html", None), ConfigurationError),
    (ParseError("text"), RetriableError),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "text"), RetriableError),
]

NEVER_RAISED: Final = {
    MinioAdminException,  # of the client for administrators
    http.ProxySchemeUnsupported,  # there is no proxy
}


@pytest.mark.parametrize(("code", "status"), CODES, ids=str)
def test_each_code_of_an_endpoint_has_a_meaning(code: str | None, status: int) -> None:
    found = translate(s3_error(code, status), CALL)
    assert type(found) is CODES[code, status]
    assert "p/key" in str(found) or "bucket" in str(found) or "s3.example.org" in str(found)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [*CONNECTION_ERRORS, *OTHER_ERRORS],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_each_error_of_the_client_has_a_meaning(error: Exception, wanted: type[PairmillError]) -> None:
    assert isinstance(error, VENDOR_ERRORS), "it is caught"
    assert type(translate(error, CALL)) is wanted


def test_no_error_of_the_client_is_left_out() -> None:
    translated = {type(error) for error, _ in (*CONNECTION_ERRORS, *OTHER_ERRORS)} | {S3Error}
    assert set(error_classes()) - translated - NEVER_RAISED == set()


def test_configuration_errors_name_what_to_set() -> None:
    for (code, status), wanted in CODES.items():
        if issubclass(wanted, ConfigurationError):
            assert str(translate(s3_error(code, status), CALL)).startswith(("PAIRMILL_S3__", "store_url:"))


def error_classes() -> Iterator[type[Exception]]:
    """Yields the exceptions that the client's modules define; warnings are none."""
    for module in (minio.error, http):
        for each in vars(module).values():
            is_error = inspect.isclass(each) and issubclass(each, Exception) and not issubclass(each, Warning)
            if is_error and each.__module__ == module.__name__:
                yield each
