"""TLS and mutual TLS, certificates exchanged while it runs, and no plaintext beyond this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.errors import ConfigurationError
from pairmill.rpc.config import RpcTls
from pairmill.rpc.server import RpcServer
from pairmill_gateway.rpc.server import Backends, gateway_api
from pairmill_protos.gateway.v1.job_service_pb2 import ListJobsRequest
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from tests.fakes.jobs import FakeJobs
from tests.fakes.rpc import SECONDS, Served, TokenFile, config_of, serving

NAME = "gateway.example"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that only those trust who are told to."""
    return trustme.CA()


def write(certificate: trustme.LeafCert, folder: Path, name: str) -> tuple[Path, Path]:
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    return chain, key


def tls_of(authority: trustme.CA, folder: Path, *, client_ca: bytes = b"") -> RpcTls:
    chain, key = write(authority.issue_cert(NAME), folder, "server")
    if not client_ca:
        return RpcTls(certificate_file=chain, key_file=key)
    (folder / "client_ca.pem").write_bytes(client_ca)
    return RpcTls(certificate_file=chain, key_file=key, client_ca_file=folder / "client_ca.pem")


@contextmanager
def secure(served: Served, trusted: trustme.CA, client: trustme.LeafCert | None = None) -> Iterator[Any]:
    """Gives a function that calls, on a connection of its own."""
    chain = b"".join(blob.bytes() for blob in client.cert_chain_pems) if client else None
    key = client.private_key_pem.bytes() if client else None
    credentials = grpc.ssl_channel_credentials(trusted.cert_pem.bytes(), key, chain)
    options = (("grpc.ssl_target_name_override", NAME), ("grpc.use_local_subchannel_pool", 1))
    with grpc.secure_channel(served.target, credentials, options) as channel:
        yield lambda: JobServiceStub(channel).ListJobs(
            ListJobsRequest(), timeout=SECONDS, metadata=served.metadata("read")
        )


def is_let_in(served: Served, trusted: trustme.CA, client: trustme.LeafCert | None = None) -> bool:
    with secure(served, trusted, client) as call:
        try:
            call()
        except grpc.RpcError as error:
            refusal: Any = error
            assert refusal.code() is grpc.StatusCode.UNAVAILABLE
            return False
        return True


def test_who_trusts_the_authority_is_served(authority: trustme.CA, tokens: TokenFile, tmp_path: Path) -> None:
    with serving(tokens, tls=tls_of(authority, tmp_path), allow_insecure=False) as served:
        assert is_let_in(served, authority)
        assert not is_let_in(served, trustme.CA())
        with grpc.insecure_channel(served.target) as channel, pytest.raises(grpc.RpcError) as caught:
            JobServiceStub(channel).ListJobs(ListJobsRequest(), timeout=SECONDS)
        refusal: Any = caught.value
        assert refusal.code() is grpc.StatusCode.UNAVAILABLE


def test_with_mutual_tls_only_known_clients_get_through(
    authority: trustme.CA, tokens: TokenFile, tmp_path: Path
) -> None:
    clients = trustme.CA()
    tls = tls_of(authority, tmp_path, client_ca=clients.cert_pem.bytes())
    with serving(tokens, tls=tls, allow_insecure=False) as served:
        assert is_let_in(served, authority, clients.issue_cert("stage.example"))
        assert not is_let_in(served, authority)
        assert not is_let_in(served, authority, trustme.CA().issue_cert("stage.example"))


def test_mutual_tls_does_not_replace_the_token(
    authority: trustme.CA, tokens: TokenFile, tmp_path: Path
) -> None:
    tls = tls_of(authority, tmp_path, client_ca=authority.cert_pem.bytes())
    tokens.tokens["read"] = "pmt_wrong"
    with (
        serving(tokens, tls=tls, allow_insecure=False) as served,
        secure(served, authority, authority.issue_cert("stage.example")) as call,
        pytest.raises(grpc.RpcError) as caught,
    ):
        call()
    refusal: Any = caught.value
    assert refusal.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_new_certificate_is_taken_up_without_a_restart(
    authority: trustme.CA, tokens: TokenFile, tmp_path: Path
) -> None:
    successor = trustme.CA()
    with serving(tokens, tls=tls_of(authority, tmp_path), allow_insecure=False) as served:
        assert is_let_in(served, authority)
        tls_of(successor, tmp_path)
        assert is_let_in(served, successor)
        assert not is_let_in(served, authority)


def test_a_certificate_that_breaks_leaves_the_one_before(
    authority: trustme.CA, tokens: TokenFile, tmp_path: Path
) -> None:
    with serving(tokens, tls=tls_of(authority, tmp_path), allow_insecure=False) as served:
        (tmp_path / "server.pem").write_text("")
        assert is_let_in(served, authority)
        (tmp_path / "server.pem").unlink()
        assert is_let_in(served, authority)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"allow_insecure": False}, "certificate_file: is not set"),
        ({"listen": "0.0.0.0:0"}, "no loopback"),
        ({"tokens_file": None}, "tokens_file: is not set"),
        ({"listen": ""}, "no host:port"),
        ({"tls": RpcTls(certificate_file=Path("/absent"), key_file=Path("/absent"))}, "cannot be read"),
        ({"tls": RpcTls(certificate_file=Path(__file__), key_file=Path(__file__))}, "no PEM"),
    ],
    ids=str,
)
def test_what_cannot_be_served_safely_is_not_served(
    tokens: TokenFile, changes: dict[str, Any], problem: str
) -> None:
    jobs = FakeJobs()
    with pytest.raises(ConfigurationError, match=problem):
        RpcServer(
            config_of(tokens, **changes),
            gateway_api(Backends(jobs=jobs, audits=jobs, standings=jobs)),
            registry=CollectorRegistry(),
            clock=SystemClock(),
        )


def test_two_gateways_do_not_share_a_port(served: Served, tokens: TokenFile) -> None:
    with pytest.raises(ConfigurationError, match="cannot listen"), serving(tokens, listen=served.target):
        pass
