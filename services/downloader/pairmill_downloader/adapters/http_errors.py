"""What aiohttp and the operating system raise, as reasons: the one place of translation."""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import Final

import aiohttp

from pairmill.errors import RetriableError
from pairmill_downloader.adapters.resolver import BlockedAddressError, ResolutionError
from pairmill_downloader.fetching.encoding import BodyError
from pairmill_protos.common.v1.outcome_pb2 import Reason

CAUGHT: Final = (aiohttp.ClientError, OSError, ValueError, ResolutionError, BodyError, asyncio.TimeoutError)
"""All that a request may raise."""

_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""This machine has nothing left to connect with: no fault of the host."""

_RESETS: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


def translated(error: BaseException, *, in_body: bool) -> tuple[Reason.ValueType, str]:
    """Returns why a request failed, with a detail for people.

    `in_body`: the header had arrived. Raises RetriableError where this machine is at fault.
    """
    match error:
        case ResolutionError() | BodyError():
            return error.reason, str(error)
        case asyncio.TimeoutError():
            return _timeout(error, in_body=in_body)
        case aiohttp.ClientSSLError() | ssl.SSLError() | ssl.CertificateError():
            return Reason.REASON_TLS_ERROR, str(error)
        case aiohttp.ClientPayloadError():
            return _payload(error)
        case aiohttp.InvalidURL():
            return Reason.REASON_BAD_URL, str(error)
        case aiohttp.ServerDisconnectedError():
            return Reason.REASON_RESET, "closed without an answer"
        case aiohttp.ClientConnectorError():
            return _of_system(error.os_error, is_connecting=True)
        case OSError():
            return _of_system(error, is_connecting=False)
        case _:
            return Reason.REASON_BAD_RESPONSE, f"{type(error).__name__}: {error}"


def _timeout(error: TimeoutError, *, in_body: bool) -> tuple[Reason.ValueType, str]:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Reason.REASON_TIMEOUT_CONNECT, "no connection in time"
        case aiohttp.SocketTimeoutError() if not in_body:
            return Reason.REASON_TIMEOUT_FIRST_BYTE, "no answer in time"
        case aiohttp.SocketTimeoutError():
            return Reason.REASON_TIMEOUT_TOTAL, "the answer stalls"
        case OSError() if error.errno is not None:
            return Reason.REASON_TIMEOUT_CONNECT, "no connection in time, says the system"
        case _:
            return Reason.REASON_TIMEOUT_TOTAL, "the exchange took too long"


def _payload(error: aiohttp.ClientPayloadError) -> tuple[Reason.ValueType, str]:
    """The body broke off: reset, ended early, or in a framing that nobody can follow."""
    text = str(error)
    if "ConnectionResetError(" in text:  # stands in the message alone, not in the chain of causes
        return Reason.REASON_RESET, "reset within the body"
    if "Not enough data" in text:
        return Reason.REASON_TRUNCATED_BODY, "the body ends early"
    return Reason.REASON_BAD_RESPONSE, text


def _of_system(error: OSError, *, is_connecting: bool) -> tuple[Reason.ValueType, str]:
    detail = error.strerror or str(error) or type(error).__name__
    if isinstance(error, BlockedAddressError):
        return Reason.REASON_BLOCKED_ADDRESS, detail
    if error.errno in _OURS:
        raise RetriableError(f"no connection can be opened: {detail}") from error
    if isinstance(error, _RESETS) or not is_connecting:
        return Reason.REASON_RESET, detail
    if error.errno == errno.ETIMEDOUT:
        return Reason.REASON_TIMEOUT_CONNECT, detail
    return Reason.REASON_CONNECTION_REFUSED, detail
