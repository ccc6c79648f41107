"""Settings of the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.config import read_config
from pairmill.errors import ConfigurationError
from pairmill.rpc.config import RpcConfig, is_loopback, split_address


def test_the_environment_sets_every_field() -> None:
    config = read_config(
        RpcConfig,
        {
            "PAIRMILL_RPC__LISTEN": "[::1]:7600",
            "PAIRMILL_RPC__TLS__CERTIFICATE_FILE": "/c",
            "PAIRMILL_RPC__TLS__KEY_FILE": "/k",
            "PAIRMILL_RPC__TLS__CLIENT_CA_FILE": "/ca",
            "PAIRMILL_RPC__TOKENS_FILE": "/t",
            "PAIRMILL_RPC__MAX_DEADLINE_SECONDS": "5",
        },
        prefix="PAIRMILL_RPC__",
    )
    assert config.tls.client_ca_file == Path("/ca")
    assert (config.listen, config.max_deadline_seconds) == ("[::1]:7600", 5.0)


@pytest.mark.parametrize(
    "env",
    [
        {"LISTEN": "7600"},
        {"LISTEN": "host:http"},
        {"LISTEN": "host:65536"},
        {"TLS__CERTIFICATE_FILE": "/c"},
        {"TLS__KEY_FILE": "/k"},
        {"TLS__CLIENT_CA_FILE": "/ca"},
        {"THREADS": "0"},
        {"MAX_STREAMS": "0"},
        {"MAX_DEADLINE_SECONDS": "0"},
        {"MAX_WATCH_SECONDS": "nan"},
    ],
    ids=str,
)
def test_values_that_cannot_be_are_refused(env: dict[str, str]) -> None:
    prefixed = {f"PAIRMILL_RPC__{name}": value for name, value in env.items()}
    with pytest.raises(ConfigurationError):
        read_config(RpcConfig, prefixed, prefix="PAIRMILL_RPC__")


def test_an_address_is_host_and_port() -> None:
    assert split_address("[2001:db8::1]:7600") == ("2001:db8::1", 7600)
    assert split_address("0.0.0.0:0") == ("0.0.0.0", 0)


HERE = ("127.0.0.1", "127.9.9.9", "::1", "localhost")
ELSEWHERE = ("0.0.0.0", "::", "10.0.0.1", "gateway", "localhost.example")


def test_loopback_is_this_machine_alone() -> None:
    assert [host for host in (*HERE, *ELSEWHERE) if is_loopback(host)] == list(HERE)
