"""A dataset that is served: its manifest, the index version that answers, and the model for its queries.

Looked at now and then. A new index version takes over at once for what is asked from then on; searches under
way keep the one they began with. A version that cannot be opened is refused, and the old one serves (H1).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from pairmill.clock import Clock
from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill.dataset.reader import Dataset
from pairmill.errors import PairmillError, RetriableError
from pairmill.store.local import folder_of
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.shared import Shared
from pairmill_explorer.ports import QueryEncoder
from pairmill_explorer.search.conditions import SafetyRules
from pairmill_index.manifest import Current
from pairmill_index.opened import OpenIndex, open_index
from pairmill_index.publish import current_of

_REFUSED_SECONDS: Final = 60.0
"""After so long a refused version is looked at again: it may have been repaired."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one request works with, whatever is replaced meanwhile."""

    name: str
    store: ObjectStore
    dataset: Dataset
    index: OpenIndex
    rules: SafetyRules
    encoder: QueryEncoder | None  # None where the bundle is not at hand


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadManifest:
    """A dataset by its manifest, read once."""

    dataset: Dataset
    rules: SafetyRules
    stamp: str  # another one for other bytes of the manifest's file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    version: str
    until: float  # own monotonic clock


class ServedDataset:
    """One dataset by its name. Thread-safe."""

    def __init__(
        self,
        name: str,
        store: ObjectStore,
        folder: Path,
        *,
        encoders: Callable[[str], QueryEncoder | None],
        clock: Clock,
        threads: int = 1,
    ) -> None:
        """Opens nothing yet. `folder` is its own; a search uses `threads` cores.

        `encoders` finds a model by its bundle's digest; it raises RetriableError for one that it cannot use.
        """
        self.name = name
        self.store = store
        self.folder = folder
        self._encoders = encoders
        self._clock = clock
        self._threads = threads
        self._refreshing = threading.Lock()
        self._index: Shared[OpenIndex] = Shared(OpenIndex.close)
        self._encoder: tuple[str, QueryEncoder | None] = "", None  # of which bundle
        self._version = ""
        self._manifest: ReadManifest | None = None
        self._refused: _Refused | None = None
        self._trouble = "it was not opened yet"

    @property
    def trouble(self) -> str:
        """Why the newest version does not serve, or not for texts and images; empty if it does."""
        return self._trouble

    @contextmanager
    def use(self) -> Iterator[Snapshot]:
        """Gives what a search needs; raises RetriableError, saying why, where there is no index."""
        with self._index.use() as index:
            manifest = self._manifest
            if index is None or manifest is None:
                raise RetriableError(f"{self.name} cannot be searched now: {self._trouble}")
            digest, encoder = self._encoder
            yield Snapshot(
                name=self.name,
                store=self.store,
                dataset=manifest.dataset,
                index=index,
                rules=manifest.rules,
                encoder=encoder if digest == index.manifest.bundle_digest else None,
            )

    def manifest(self) -> ReadManifest:
        """Returns the newest manifest; raises RetriableError where there is none."""
        found = self._manifest
        if found is None:
            raise RetriableError(f"{self.name} cannot be read now: {self._trouble}")
        return found

    def refresh(self) -> None:
        """Looks for a new manifest and a new index version. Raises nothing: `trouble` says what is wrong."""
        with self._refreshing:
            try:
                self._refresh_manifest()
                self._refresh_index()
            except (PairmillError, OSError) as error:  # OSError: of a folder that may not be read
                self._say(str(error))

    def close(self) -> None:
        """Gives up the index once the last search with it is done."""
        self._index.replace(None)

    def _refresh_manifest(self) -> None:
        stamp = _stamp(self.store)
        if self._manifest is None or stamp != self._manifest.stamp:
            dataset = Dataset.open(folder_of(self.store) or self.store)
            self._manifest = ReadManifest(dataset=dataset, rules=rules_of(dataset), stamp=stamp)

    def _refresh_index(self) -> None:
        current = current_of(self.store)
        if current.version == self._version:
            self._say(self._find_encoder(self._encoder[0]))
        elif not self._is_refused(current.version):
            self._take_over(current)

    def _take_over(self, current: Current) -> None:
        try:
            opened = open_index(self.store, self.folder, threads=self._threads, current=current)
        except RetriableError:
            raise
        except PairmillError:
            self._refused = _Refused(
                version=current.version, until=self._clock.monotonic() + _REFUSED_SECONDS
            )
            raise
        trouble = self._find_encoder(opened.manifest.bundle_digest)
        self._index.replace(opened)
        self._version, self._refused = opened.version, None
        self._say(trouble)
        log.info("index_opened", dataset=self.name, version=opened.version, rows=opened.manifest.rows)

    def _find_encoder(self, digest: str) -> str:
        """Looks for the model of a bundle, which may be put there at any time; returns what is wrong with it.

        Without one the dataset is searched by vectors and samples alone.
        """
        if self._encoder[0] != digest:
            self._encoder = digest, None
        if self._encoder[1] is None:
            try:
                self._encoder = digest, self._encoders(digest)
            except RetriableError as error:
                return str(error)
        return ""

    def _is_refused(self, version: str) -> bool:
        refused = self._refused
        return refused is not None and refused.version == version and self._clock.monotonic() < refused.until

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("dataset_in_trouble", dataset=self.name, trouble=trouble)
        self._trouble = trouble


def _stamp(store: ObjectStore) -> str:
    """Returns what tells the manifest that lies there from another one, without reading it.

    A folder that was copied has no checksums beside its files.
    """
    folder = folder_of(store)
    if folder is None:
        info = store.stat(MANIFEST_NAME)
        return info.sha256.hex() if info is not None else ""
    try:
        found = (folder / MANIFEST_NAME).stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"


def rules_of(dataset: Dataset) -> SafetyRules:
    """Returns what counts as unsafe: what the job took for it, if it said so."""
    score = dataset.manifest.spec().score
    return (
        SafetyRules(max_unsafe_score=score.max_unsafe_score)
        if score.HasField("max_unsafe_score")
        else SafetyRules()
    )
