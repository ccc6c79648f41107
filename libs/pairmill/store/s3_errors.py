"""What the errors of an S3 endpoint and its client mean: the one place where they are translated.

Codes are those of Amazon S3 and of servers that speak its protocol. What the environment brings and may
end is retriable; what a person has to set right names the variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import exceptions as http

from pairmill.errors import (
    ConfigurationError,
    NoSpaceError,
    ObjectMissingError,
    PairmillError,
    RetriableError,
)
from pairmill.store import s3_credentials
from pairmill.store.conditional import ReplacedError

VENDOR_ERRORS: Final = (MinioException, http.HTTPError, ParseError, UnicodeDecodeError)
"""Everything that the client raises on account of the endpoint; errors of its own checks are bugs."""

_ENDPOINT: Final = "PAIRMILL_S3__ENDPOINT"
_REGION: Final = "PAIRMILL_S3__REGION"
_CA_FILE: Final = "PAIRMILL_S3__CA_FILE"

_MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion"})
_NO_BUCKET: Final = frozenset({"NoSuchBucket", "InvalidBucketName", "ResourceNotFound"})
_REFUSED: Final = frozenset(
    {"AccessDenied", "AccountProblem", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId"}
    | {"InvalidSecurity", "InvalidToken", "MissingAuthenticationToken", "MissingSecurityHeader"}
    | {"NotSignedUp", "SignatureDoesNotMatch", "TokenRefreshRequired", "UnauthorizedAccess"}
    | {"XAdminUserNotFound"}
)
_ELSEWHERE: Final = frozenset(
    {"AuthorizationHeaderMalformed", "BadRequest", "IllegalLocationConstraintException"}
    | {"PermanentRedirect", "Redirect", "TemporaryRedirect"}
)
_NO_UPLOAD: Final = "NoSuchUpload"
_ARCHIVED: Final = "InvalidObjectState"
_FULL: Final = frozenset(
    {"InsufficientStorage", "NoSpaceLeftOnDevice", "QuotaExceeded", "StorageFull"}
    | {"XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"}
)
_PASSING: Final = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
    }
    | {"RequestTimeTooSkewed", "ServiceUnavailable", "SlowDown", "XAmzContentSHA256Mismatch"}
)
_PASSING_STATUS: Final = frozenset({408, 409, 425, 429})
_SOME_REFUSED: Final = 400
_NO_SPACE: Final = 507
_NOT_IMPLEMENTED: Final = 501


class RemovalError(MinioException):
    """One of several objects could not be removed; the client tells of that in the answer's body."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConditionError(MinioException):
    """An object is not the one that a write was to replace; the client's own errors do not tell it apart."""


class CredentialsRefusedError(ConfigurationError):
    """The endpoint does not accept these credentials, or not for this call."""


class UploadGoneError(RetriableError):
    """An upload in parts was aborted by someone else: it may work from the beginning, not from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was asked of whom, for messages."""

    endpoint: str
    bucket: str
    operation: str  # such as `read`
    name: str = ""  # of the object, prefix included

    def __str__(self) -> str:
        """Returns what was asked for, as a part of a sentence."""
        return f"{self.operation} {self.name or self.bucket} at {self.endpoint}"


def translate(error: Exception, call: Call) -> PairmillError:
    """Returns the error to raise for one of the client's, most specific type first."""
    match error:
        case S3Error():
            return _of_code(error.code or "", error.response.status, error.message or "", call)
        case RemovalError():
            return _of_code(error.code, _SOME_REFUSED, str(error), call)
        case ConditionError():
            return ReplacedError(f"could not {call}: {error}")
        case ServerError():
            return _of_status(error.status_code, str(error), call)
        case InvalidResponseError():
            return _of_status(error._code, "the answer is not S3's", call)
        case http.MaxRetryError() if error.reason is not None:
            return translate(error.reason, call)
        case http.SSLError():
            return ConfigurationError(f"{_CA_FILE}: no trusted connection to {call.endpoint}: {error}")
        case http.LocationValueError():
            return ConfigurationError(f"{_ENDPOINT}: {call.endpoint} is no address: {error}")
        case http.NameResolutionError():
            return RetriableError(f"the name in {_ENDPOINT}={call.endpoint} is not known: {error}")
        case _:
            return RetriableError(f"could not {call}: {type(error).__name__}: {error}")


def _of_code(code: str, status: int, message: str, call: Call) -> PairmillError:
    said = f"{code}: {message}" if message else code
    if code in _MISSING:
        return ObjectMissingError(f"there is no object {call.name} in {call.bucket}")
    if code in _NO_BUCKET:
        return ConfigurationError(f"store_url: there is no bucket {call.bucket} at {call.endpoint} ({said})")
    if code == _ARCHIVED:
        return ConfigurationError(
            f"store_url: a rule of {call.bucket} moved {call.name} to an archive ({said})"
        )
    if code in _FULL:
        return NoSpaceError(f"no room to {call}: {said}")
    if code == _NO_UPLOAD:
        return UploadGoneError(f"could not {call}: the upload was aborted meanwhile")
    if code in _PASSING:
        return RetriableError(f"could not {call}: {said}")
    if code in _ELSEWHERE:
        return ConfigurationError(f"{_REGION}: {call.endpoint} does not serve {call.bucket} there: {said}")
    if code in _REFUSED:
        return _refused(said, call)
    return _of_status(status, said, call)


def _of_status(status: int, said: str, call: Call) -> PairmillError:
    if status == _NO_SPACE:
        return NoSpaceError(f"no room to {call}: {said}")
    if status in _PASSING_STATUS or (status >= 500 and status != _NOT_IMPLEMENTED):
        return RetriableError(f"could not {call}: status {status}, {said}")
    if status in (401, 403):
        return _refused(said, call)
    return ConfigurationError(f"{_ENDPOINT}: {call.endpoint} would not {call}: status {status}, {said}")


def _refused(said: str, call: Call) -> CredentialsRefusedError:
    return CredentialsRefusedError(
        f"{s3_credentials.SETTING}: the credentials may not {call}: {said}; "
        "they need to read, write, delete and list objects, and to list and abort multipart uploads"
    )
