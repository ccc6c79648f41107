"""A process in place of a service, for the supervisor: what it does is said by its environment."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from pairmill.service import end_with_parent


def main() -> int:
    """Behaves as `FAKE` says: `end`, `die`, `give_up`, `wrong`, `serve` or `stubborn`."""
    reason = os.environ.get("PAIRMILL_REASON_FILE")
    behaviour = os.environ["FAKE"]
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with Path(os.environ["FAKE_STARTS"]).open("a") as starts:
        starts.write(behaviour[0])  # from here on it behaves
    if behaviour == "end":
        return 0
    if behaviour == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour in ("give_up", "wrong"):
        if reason:
            Path(reason).write_text("the model does not load")
        return 3 if behaviour == "give_up" else 2
    end_with_parent()
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
