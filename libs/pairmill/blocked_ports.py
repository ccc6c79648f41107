"""Ports that no image is ever fetched from: what browsers refuse, and well-known stores and caches."""

from __future__ import annotations

from typing import Final

_FETCH_STANDARD: Final = frozenset(
    {
        0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
        103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512,
        513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719,
        1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
        10080,
    }
)  # fmt: skip
"""Bad ports of the Fetch standard."""

_INTERNAL_SERVICES: Final = frozenset(
    {
        2375, 2376,  # container engines
        2379, 2380,  # etcd
        3306, 5432, 27017,  # databases
        6379, 11211,  # caches
        9092, 9093,  # brokers
        10250, 10255,  # Kubernetes nodes
    }
)  # fmt: skip
"""Not served to browsers by anyone, but found inside networks (C9)."""

BLOCKED_PORTS: Final = _FETCH_STANDARD | _INTERNAL_SERVICES
"""Refused in URLs, redirects and resolved addresses alike."""


def is_blocked_port(port: int) -> bool:
    """Whether a port is refused."""
    return port in BLOCKED_PORTS
