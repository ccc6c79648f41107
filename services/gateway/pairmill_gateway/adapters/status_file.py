"""The status as a small JSON file, for a supervisor on the same machine."""

from __future__ import annotations

import json
from pathlib import Path

from pairmill_gateway.status import JobStatus


class StatusFile:
    """Replaces the file with each status; a reader sees a whole one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def show(self, status: JobStatus) -> None:
        """Writes the status."""
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(status.as_dict()))
        temporary.replace(self._path)
