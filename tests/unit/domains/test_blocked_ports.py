from __future__ import annotations

import pytest

from pairmill.blocked_ports import is_blocked_port


@pytest.mark.parametrize("port", [22, 25, 6379, 6000, 10080, 0])
def test_c9_ports_of_other_services_are_blocked(port: int) -> None:
    assert is_blocked_port(port)


@pytest.mark.parametrize("port", [80, 443, 8080, 8443, 3000, 65535])
def test_ports_of_web_servers_are_not_blocked(port: int) -> None:
    assert not is_blocked_port(port)
