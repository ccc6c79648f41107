"""Where a stack keeps what, and which of it outlives the stack."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LASTING: Final = frozenset({"logs", "lock"})


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of a stack."""

    root: Path  # absolute

    @property
    def data(self) -> Path:
        """Data of the servers."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """One log a process; kept."""
        return self.root / "logs"

    @property
    def scratch(self) -> Path:
        """Private files of the services."""
        return self.root / "scratch"

    @property
    def secrets(self) -> Path:
        """Keys and tokens, for the owner alone."""
        return self.root / "secrets"

    @property
    def state(self) -> Path:
        """Which processes there are."""
        return self.root / "stack.json"

    @property
    def env(self) -> Path:
        """Variables for `pairmill` on the command line."""
        return self.root / "env"

    @property
    def lock(self) -> Path:
        """Held while the stack is put up or taken down."""
        return self.root / "lock"

    def log(self, name: str) -> Path:
        """Log of a process."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Makes the folders that a stack begins with; what an earlier one has left goes, logs too."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.clear()
        shutil.rmtree(self.logs, ignore_errors=True)
        for folder in (self.data, self.logs, self.scratch, self.secrets):
            folder.mkdir()
        self.secrets.chmod(0o700)

    def clear(self) -> None:
        """Removes all but the logs."""
        for path in self.root.iterdir():
            if path.name in LASTING:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
