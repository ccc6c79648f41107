"""The model bundles that jobs may be admitted with: the folders in one folder."""

from __future__ import annotations

from pathlib import Path

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import CARD_NAME, Bundle, load_bundle


class BundleShelf:
    """Looks at each call, so that a bundle may be added at any time. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[tuple[Path, int], Bundle] = {}  # by the card's time of change: files are large

    def names(self) -> list[str]:
        """Returns the names of all bundles, in order."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if (path / CARD_NAME).is_file())

    def get(self, name: str) -> Bundle:
        """Returns a bundle, without a name the only one; raises ConfigurationError naming those there are."""
        names = self.names()
        if not name and len(names) == 1:
            name = names[0]
        if name not in names:
            there = ", ".join(names) or "none"
            said = f"there is no bundle {name!r}" if name else "is not set"
            raise ConfigurationError(f"bundle: {said}; choose one of: {there}")
        folder = self._folder / name
        place = (folder, (folder / CARD_NAME).stat().st_mtime_ns)
        if place not in self._loaded:
            self._loaded[place] = load_bundle(folder)
        return self._loaded[place]
