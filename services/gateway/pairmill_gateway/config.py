"""What the gateway's process needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Settings of a gateway that drives one job on this machine."""

    bus_url: str  # address of the bus, such as sqlite:///folder/bus.db
    store_url: str  # address of the object store, such as file:///folder
    spec_key: str  # object that holds the job's spec
    spec_sha256: str  # its SHA-256, hex
    spec_bytes: int  # its size
    status_file: Path  # where the latest status is written for whoever watches
    scratch: Path  # folder for what is put together when the job ends
    reissue_after_seconds: float = 30.0  # silence after which a lost unit is handed out again
    poll_seconds: float = 0.25  # longest pause between two looks at the ledger while nothing happens
    give_up_seconds: float | None = None  # end after so long an outage; unset waits for ever
    admin_host: str = "127.0.0.1"  # address that the admin port listens on; 0.0.0.0 in a container
    admin_port: int = 0  # port of /metrics, /livez and /readyz; 0 takes any free one
    log_level: str = "info"  # debug, info, warning or error
    reason_file: Path | None = None  # where the reason of a final exit is left for the supervisor
    watch_stdin: bool = False  # end when standard input ends: the supervisor is gone
    kill_at: str = ""  # tests only: point:n, ends the process with SIGKILL there
