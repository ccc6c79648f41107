"""What is known of a stack's processes by whoever comes later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.errors import ComponentError
from deploy.local.http_ready import answers
from deploy.local.running import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One process of a stack."""

    name: str
    pid: int
    started: float  # seconds after the machine's start, so that a later process of this number is not meant
    address: str  # host:port that clients use; of a stage, its admin port
    ready_url: str  # answers 200 while it serves; empty for one that has no such page
    log: str
    stop_seconds: float  # after SIGTERM, before SIGKILL
    is_service: bool  # one of ours; they are stopped together, before the servers they need

    @property
    def running(self) -> Running:
        """The process."""
        return Running(self.pid, self.started)

    def condition(self) -> str:
        """Returns how it is now: `ready`, `not ready` or `ended`."""
        if not self.running.alive:
            return "ended"
        return "ready" if not self.ready_url or answers(self.ready_url) else "not ready"


def write_members(path: Path, members: Iterable[Member]) -> None:
    """Writes the processes of a stack, in the order of their start, whole."""
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps([asdict(member) for member in members], indent=1))
    unfinished.replace(path)


def read_members(path: Path) -> Sequence[Member]:
    """Returns the processes of a stack in the order of their start; none where there is no stack."""
    try:
        return [Member(**member) for member in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise ComponentError(f"{path} cannot be read ({error}); end the stack's processes by hand") from error
