"""Where fetched and built components are kept: outside the tree, one folder a version, whole or absent."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder with one folder for each version of a component. Any number of processes may share it."""

    root: Path

    @classmethod
    def of_user(cls, env: Mapping[str, str] = os.environ) -> Cache:
        """Returns the cache of whoever runs this."""
        base = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(base / "pairmill")

    def provide(self, key: str, build: Callable[[Path], None]) -> Path:
        """Returns the folder of a component, filled by `build` where it is not there.

        What `build` writes shows under its name only once it is complete, so a fetch that was cut off is
        done again; of several processes that want the same, one builds and the others wait.
        """
        final = self.root / key
        if final.is_dir():
            return final
        self.root.mkdir(parents=True, exist_ok=True)
        with _locked(self.root / f".{key}.lock"):
            if not final.is_dir():
                self._build(key, build).rename(final)
        return final

    def _build(self, key: str, build: Callable[[Path], None]) -> Path:
        for left in self.root.glob(f".{key}-*.part"):  # nobody else has the lock: its maker is gone
            shutil.rmtree(left)
        part = Path(tempfile.mkdtemp(prefix=f".{key}-", suffix=".part", dir=self.root))
        try:
            build(part)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return part


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back by the kernel, however the process ends
        yield
