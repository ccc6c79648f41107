"""TLS and mutual TLS, certificates exchanged while it runs, and no plaintext beyond this machine."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from pairmill.errors import ConfigurationError
from pairmill.rpc.config import RpcTls
from pairmill_explorer.http.tls import FollowedTls
from tests.fakes.explorer_served import exploring
from tests.fakes.rpc import TokenFile

SEARCH = "SearchService/Search"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that only those trust who are told to."""
    return trustme.CA()


def tls_of(authority: trustme.CA, folder: Path, *, client_ca: trustme.CA | None = None) -> RpcTls:
    certificate = authority.issue_cert("localhost")
    chain, key = folder / "server.pem", folder / "server.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    if client_ca is None:
        return RpcTls(certificate_file=chain, key_file=key)
    (folder / "clients.pem").write_bytes(client_ca.cert_pem.bytes())
    return RpcTls(certificate_file=chain, key_file=key, client_ca_file=folder / "clients.pem")


def trusting(authority: trustme.CA, client: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    return context


def test_over_tls_a_session_is_for_https_only(
    authority: trustme.CA, tokens: TokenFile, tmp_path: Path
) -> None:
    tls = tls_of(authority, tmp_path)
    with exploring(tokens, http={"tls": tls}, tls=trusting(authority)) as served:
        assert served.call(SEARCH, {}, caller="read").status == 200
        body = f'{{"token": "{tokens.tokens["read"]}"}}'.encode()
        answer = served.ask("POST", "/login", body, headers={"Content-Type": "application/json"})
        assert answer.headers["Set-Cookie"].startswith("__Host-pairmill=")
        assert "; Secure" in answer.headers["Set-Cookie"]
        assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_who_has_no_certificate_gets_nowhere_where_one_is_asked_for(
    authority: trustme.CA, tokens: TokenFile, tmp_path: Path
) -> None:
    clients = trustme.CA()
    tls = tls_of(authority, tmp_path, client_ca=clients)
    known = trusting(authority, clients.issue_cert("client.example"))
    with exploring(tokens, http={"tls": tls}, tls=known) as served:
        assert served.call(SEARCH, {}, caller="read").status == 200
    with (
        exploring(tokens, http={"tls": tls}, tls=trusting(authority)) as served,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        served.call(SEARCH, {}, caller="read")


def test_certificates_are_exchanged_while_it_runs(authority: trustme.CA, tmp_path: Path) -> None:
    followed = FollowedTls(tls_of(authority, tmp_path), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    (tmp_path / "server.pem").write_text("no certificate")
    followed.look()  # what cannot be read leaves things as they were
    tls_of(authority, tmp_path)
    followed.look()
    followed.read()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"listen": "0.0.0.0:0"}, "certificate_file: is not set"),
        ({"listen": "0.0.0.0:0", "tokens_file": None}, "tokens_file: is not set"),
        ({"listen": "0.0.0.0:0", "tokens_file": None, "behind_proxy": True}, "tokens_file: is not set"),
        ({"tls": RpcTls(certificate_file=Path("/absent"), key_file=Path("/absent"))}, "cannot be used"),
        ({"tokens_file": Path("/absent")}, "tokens_file: /absent cannot be read"),
        ({"session_key_file": Path("/absent")}, "session_key_file: /absent cannot be read"),
        ({"session_key_file": Path("/dev/null")}, "a key has at least 32"),
    ],
    ids=str,
)
def test_what_cannot_be_served_safely_is_not_served(
    tokens: TokenFile, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem), exploring(tokens, http=changes):
        pass


def test_a_port_that_is_taken_is_named(tokens: TokenFile) -> None:
    with (
        exploring(tokens) as served,
        pytest.raises(ConfigurationError, match=r"http\.listen: cannot listen"),
        exploring(tokens, http={"listen": served.host}),
    ):
        pass


def test_behind_a_proxy_that_speaks_tls_sessions_are_for_https(tokens: TokenFile) -> None:
    with exploring(tokens, http={"behind_proxy": True}) as served:
        body = f'{{"token": "{tokens.tokens["read"]}"}}'.encode()
        answer = served.ask("POST", "/login", body, headers={"Content-Type": "application/json"})
        assert "; Secure" in answer.headers["Set-Cookie"]
