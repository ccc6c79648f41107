"""Settings of fetching, out of an environment."""

from __future__ import annotations

import pytest

from pairmill.config import read_config, redacted
from pairmill.errors import ConfigurationError
from pairmill_downloader.fetching.config import FetchConfig, Network, NoAddress, Route


def test_reads_networks_and_routes() -> None:
    config = read_config(
        FetchConfig,
        {
            "PAIRMILL_ALLOWED_NETWORKS": "127.0.0.0/8, fd00::/8",
            "PAIRMILL_CONNECT_TO": "example=127.0.0.1:8080,v6.example=[::1]:81,gone.example=nxdomain",
            "PAIRMILL_CANARY_URLS": "http://one.example/,http://two.example/",
        },
    )
    assert config.allowed_networks == (Network("127.0.0.0/8"), Network("fd00::/8"))
    first, second, third = config.connect_to
    assert (first.suffix, first.address, first.port) == ("example", "127.0.0.1", 8080)
    assert (second.suffix, second.address, second.port) == ("v6.example", "::1", 81)
    assert third.failure is NoAddress.NXDOMAIN
    assert config.canary_urls == ("http://one.example/", "http://two.example/")


def test_reports_all_problems_at_once_with_their_fix() -> None:
    env = {"PAIRMILL_ALLOWED_NETWORKS": "127.0.0.1/8", "PAIRMILL_CONNECT_TO": "example:80"}
    with pytest.raises(ConfigurationError) as caught:
        read_config(FetchConfig, env)
    assert "PAIRMILL_ALLOWED_NETWORKS: '127.0.0.1/8' is no network; write one as" in str(caught.value)
    assert "PAIRMILL_CONNECT_TO: 'example:80' is no route; write SUFFIX=ADDRESS:PORT" in str(caught.value)


@pytest.mark.parametrize("text", ["=1.2.3.4:80", "a=b:80", "a=1.2.3.4", "a=1.2.3.4:0", "a=1.2.3.4:x", "a="])
def test_wrong_route_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write SUFFIX=ADDRESS:PORT|ports go from"):
        Route(text)


def test_is_shown_as_it_was_written() -> None:
    config = FetchConfig(allowed_networks=(Network("127.0.0.0/8"),), connect_to=(Route("a=1.2.3.4:5"),))
    shown = redacted(config)
    assert shown["allowed_networks"] == "127.0.0.0/8"
    assert shown["connect_to"] == "a=1.2.3.4:5"
