"""Every error of the HTTP library and of the system has its reason."""

from __future__ import annotations

import errno
import ssl

import aiohttp
import pytest
from aiohttp import client_exceptions

from pairmill.errors import RetriableError
from pairmill_downloader.adapters.http_errors import CAUGHT, translated
from pairmill_downloader.adapters.resolver import BlockedAddressError, ResolutionError
from pairmill_downloader.fetching.encoding import BodyError
from pairmill_protos.common.v1.outcome_pb2 import Reason

_KEY = aiohttp.client_reqrep.ConnectionKey("a.example", 80, False, True, None, None, None)


def connector_error(number: int) -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(_KEY, OSError(number, "as told"))


def payload_error(text: str) -> aiohttp.ClientPayloadError:
    return aiohttp.ClientPayloadError(f"Response payload is not completed: {text}")


TABLE: dict[str, tuple[BaseException, bool, Reason.ValueType]] = {
    "resolution": (
        ResolutionError(Reason.REASON_DNS_NOT_FOUND, "gone"),
        False,
        Reason.REASON_DNS_NOT_FOUND,
    ),
    "body": (BodyError(Reason.REASON_BOMB, "big"), True, Reason.REASON_BOMB),
    "connect": (aiohttp.ConnectionTimeoutError(), False, Reason.REASON_TIMEOUT_CONNECT),
    "connect_by_system": (connector_error(errno.ETIMEDOUT), False, Reason.REASON_TIMEOUT_CONNECT),
    "first_byte": (aiohttp.SocketTimeoutError(), False, Reason.REASON_TIMEOUT_FIRST_BYTE),
    "stall": (aiohttp.SocketTimeoutError(), True, Reason.REASON_TIMEOUT_TOTAL),
    "total": (TimeoutError(), True, Reason.REASON_TIMEOUT_TOTAL),
    "refused": (connector_error(errno.ECONNREFUSED), False, Reason.REASON_CONNECTION_REFUSED),
    "unreachable": (connector_error(errno.EHOSTUNREACH), False, Reason.REASON_CONNECTION_REFUSED),
    "no_network": (connector_error(errno.ENETUNREACH), False, Reason.REASON_CONNECTION_REFUSED),
    "reset_while_connecting": (connector_error(errno.ECONNRESET), False, Reason.REASON_RESET),
    "blocked": (
        aiohttp.ClientConnectorError(_KEY, BlockedAddressError("10.0.0.1")),
        False,
        Reason.REASON_BLOCKED_ADDRESS,
    ),
    "certificate": (
        aiohttp.ClientConnectorCertificateError(_KEY, ssl.SSLCertVerificationError("bad")),
        False,
        Reason.REASON_TLS_ERROR,
    ),
    "handshake": (
        aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, "bad")),
        False,
        Reason.REASON_TLS_ERROR,
    ),
    "tls_within_answer": (ssl.SSLError(1, "bad record"), True, Reason.REASON_TLS_ERROR),
    "disconnected": (aiohttp.ServerDisconnectedError(), False, Reason.REASON_RESET),
    "reset": (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), False, Reason.REASON_RESET),
    "closing": (aiohttp.ClientConnectionResetError("closing"), False, Reason.REASON_RESET),
    "reset_in_body": (payload_error(f"<>. {ConnectionResetError(104, 'x')!r}"), True, Reason.REASON_RESET),
    "short": (payload_error("Not enough data to satisfy it"), True, Reason.REASON_TRUNCATED_BODY),
    "bad_framing": (aiohttp.ClientPayloadError("bad chunk"), True, Reason.REASON_BAD_RESPONSE),
    "bad_url": (aiohttp.InvalidURL("x"), False, Reason.REASON_BAD_URL),
    "value": (ValueError("x"), False, Reason.REASON_BAD_RESPONSE),
}


@pytest.mark.parametrize("name", TABLE)
def test_translation(name: str) -> None:
    error, in_body, reason = TABLE[name]
    assert isinstance(error, CAUGHT)
    found, detail = translated(error, in_body=in_body)
    assert Reason.Name(found) == Reason.Name(reason)
    assert detail


def test_all_errors_of_the_library_are_caught() -> None:
    kinds = [getattr(client_exceptions, name) for name in client_exceptions.__all__]
    assert len(kinds) > 20
    uncaught = [kind for kind in kinds if issubclass(kind, BaseException) and not issubclass(kind, CAUGHT)]
    assert [kind for kind in uncaught if kind is not aiohttp.WSMessageTypeError] == []


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL])
def test_d12_machine_without_resources_is_no_failure_of_the_host(number: int) -> None:
    with pytest.raises(RetriableError, match="no connection can be opened"):
        translated(connector_error(number), in_body=False)
