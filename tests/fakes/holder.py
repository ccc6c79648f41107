"""Holds a leashed server until it is killed: `python -m tests.fakes.holder FOLDER`; says its process."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.fakes.small_server import SmallServer


def main() -> None:
    """Starts the server and waits."""
    server = SmallServer(Path(sys.argv[1])).start()
    print(server.pid, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
