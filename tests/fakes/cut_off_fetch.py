"""A fetch that never ends, for tests that cut it off: `python -m tests.fakes.cut_off_fetch CACHE KEY`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from deploy.local.cache import Cache


def main() -> None:
    """Fetches half of something, says so, and waits."""

    def fetch(folder: Path) -> None:
        (folder / "half").write_text("half")
        print("half", flush=True)
        signal.pause()

    Cache(Path(sys.argv[1])).provide(sys.argv[2], fetch)


if __name__ == "__main__":
    main()
