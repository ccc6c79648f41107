"""A stage's process with a toy handler: `python -m tests.fakes.service FOLDER PORT`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from pairmill.service import ServiceConfig, run_stage
from pairmill.telemetry.logs import configure_logging
from tests.fakes.stage import GROUP, ToyHandler, one_row

BURN = "import time\nwhile time.process_time() < 1.5: pass"
BURNT_SECONDS = 1.5


class BusyHandler(ToyHandler):
    """Has a child that is at work until the handler is closed."""

    def close(self) -> None:
        subprocess.run([sys.executable, "-S", "-c", BURN], check=True)
        structlog.get_logger(__name__).info("handler_closed")


def main(folder: str, port: str) -> int:
    """Runs until told to stop; the bus stands in the folder already."""
    configure_logging("info", service="toy", version="0")
    config = ServiceConfig(
        bus_url=f"sqlite://{folder}/bus.db",
        store_url=f"file://{folder}/out",
        member="a",
        scratch=Path(folder) / "scratch",
        admin_port=int(port),
    )
    return run_stage(config, BusyHandler(one_row), group=GROUP, registry=CollectorRegistry())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
