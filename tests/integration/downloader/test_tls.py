"""TLS that fails is an error of its kind, never passed over (D13)."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from pairmill.clock import SystemClock
from pairmill.errors import ConfigurationError
from pairmill_downloader.adapters.http import open_fetcher
from pairmill_downloader.fetching.config import FetchConfig, Route
from pairmill_downloader.ports import FetchEnd
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.fetching import NotingGate
from tests.fakes.raw_server import RawServer, response, sends
from tests.integration.downloader.fetching import LOOPBACK, PICTURE, rules


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that only those trust who are told to."""
    return trustme.CA()


def fetch(authority: trustme.CA, folder: Path, host: str, *, trusted: bool) -> FetchEnd:
    """Fetches from a server that has the authority's certificate of www.site.example."""
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("www.site.example").configure_cert(context)

    async def run() -> FetchEnd:
        async with RawServer({"/x": sends(response(PICTURE))}, tls=context) as server:
            config = FetchConfig(
                allowed_networks=(LOOPBACK,),
                connect_to=(Route(f"example=127.0.0.1:{server.port}"),),
                ca_file=ca_file if trusted else None,
            )
            async with open_fetcher(config, NotingGate(), SystemClock()) as fetcher:
                return await fetcher.fetch(f"https://{host}/x", rules(deadline_seconds=5.0))

    return asyncio.run(run())


def test_trusted_certificate_of_the_host_is_accepted(authority: trustme.CA, tmp_path: Path) -> None:
    assert fetch(authority, tmp_path, "www.site.example", trusted=True).body == PICTURE


def test_d13_certificate_of_an_unknown_authority_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    assert fetch(authority, tmp_path, "www.site.example", trusted=False).reason == Reason.REASON_TLS_ERROR


def test_d13_certificate_of_another_name_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    assert fetch(authority, tmp_path, "other.example", trusted=True).reason == Reason.REASON_TLS_ERROR


def test_d13_server_without_a_common_protocol_is_refused() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46")  # fatal alert: protocol_version
        await writer.drain()
        writer.close()

    async def run() -> FetchEnd:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            config = FetchConfig(
                allowed_networks=(LOOPBACK,), connect_to=(Route(f"example=127.0.0.1:{port}"),)
            )
            async with open_fetcher(config, NotingGate(), SystemClock()) as fetcher:
                return await fetcher.fetch("https://a.example/x", rules())

    assert asyncio.run(run()).reason == Reason.REASON_TLS_ERROR


def test_d13_handshake_that_stalls_is_a_time_out_of_the_connection() -> None:
    async def run() -> FetchEnd:
        async with RawServer({}) as server:  # waits for a request that a handshake is not
            config = FetchConfig(
                allowed_networks=(LOOPBACK,), connect_to=(Route(f"example=127.0.0.1:{server.port}"),)
            )
            async with open_fetcher(config, NotingGate(), SystemClock()) as fetcher:
                return await fetcher.fetch(
                    "https://a.example/x", rules(connect_timeout_seconds=0.2, deadline_seconds=3.0)
                )

    assert asyncio.run(run()).reason == Reason.REASON_TIMEOUT_CONNECT


def test_file_of_certificates_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing")

    async def run() -> None:
        async with open_fetcher(FetchConfig(ca_file=path), NotingGate(), SystemClock()):
            pass

    with pytest.raises(ConfigurationError, match="ca_file"):
        asyncio.run(run())
