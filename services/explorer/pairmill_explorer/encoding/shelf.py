"""The models of the bundles that are at hand, each loaded once, when a dataset first needs it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pairmill.errors import PairmillError, RetriableError
from pairmill_explorer.encoding.encoder import BundleEncoder
from pairmill_explorer.images.children import ImageChildren
from pairmill_explorer.ports import QueryEncoder
from pairmill_models.bundle import CARD_NAME, Bundle, load_bundle
from pairmill_models.embedder import Embedder
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.tiny import bundle_path
from pairmill_models.triton_settings import TritonConfig

_PATIENCE_SECONDS: Final = 3.0
_REQUEST_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Where the models of queries come from."""

    bundles: tuple[Path, ...] = ()  # folders of bundles, or with bundles in them
    model_threads: int = 1  # cores that a model uses, in process
    triton_target: str = ""  # host:port of a Triton that holds the bundles; empty runs models in process
    triton: TritonConfig = field(  # how Triton is asked: whoever waits for a search does not wait long
        default_factory=lambda: TritonConfig(
            request_timeout_seconds=_REQUEST_SECONDS, patience_seconds=_PATIENCE_SECONDS
        )
    )


class ModelTroubleError(RetriableError):
    """A model that may be at hand cannot be used; says why."""


class EncoderShelf:
    """Finds a bundle by its digest and loads its model. Thread-safe.

    The bundle that comes with Pairmill is always at hand. A bundle may be put into a folder at any time.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        open_embedder: Callable[[Bundle], Embedder],
        images: ImageChildren,
    ) -> None:
        self._folders = (*folders, bundle_path())
        self._open = open_embedder
        self._images = images
        self._lock = threading.Lock()
        self._loaded: dict[str, QueryEncoder] = {}

    def get(self, digest: str) -> QueryEncoder | None:
        """Returns the model of a bundle; None if it is not at hand.

        Raises ModelTroubleError if it cannot be run, and where it may be the one whose card cannot be read.
        """
        with self._lock:
            if digest not in self._loaded:
                folder = self._find(digest)
                if folder is None:
                    return None
                try:
                    bundle = load_bundle(folder, wanted_digest=digest)
                    self._loaded[digest] = BundleEncoder(bundle, self._open(bundle), self._images)
                except PairmillError as error:
                    raise ModelTroubleError(f"its model cannot be used: {error}") from error
            return self._loaded[digest]

    def close(self) -> None:
        """Lets go of all models."""
        with self._lock:
            for encoder in self._loaded.values():
                encoder.close()
            self._loaded.clear()

    def _find(self, digest: str) -> Path | None:
        unread: list[OSError] = []
        for folder in self._folders:
            try:
                for card in _cards(folder):
                    if _digest_of(card, unread) == digest:
                        return card.parent
            except OSError as error:  # the folder itself
                unread.append(error)
        if unread:
            why = "; ".join(f"{error.filename}: {error.strerror}" for error in unread)
            raise ModelTroubleError(
                f"its model is not among the bundles that can be read; these cannot: {why}"
            )
        return None


def open_shelf(config: ModelConfig, images: ImageChildren) -> EncoderShelf:
    """Returns the shelf that settings ask for."""
    return EncoderShelf(config.bundles, lambda bundle: _embedder(config, bundle), images)


def _embedder(config: ModelConfig, bundle: Bundle) -> Embedder:
    if not config.triton_target:
        return OnnxEmbedder(bundle, threads=config.model_threads)
    from pairmill_models.triton_client import TritonClient  # its library is an extra of its own
    from pairmill_models.triton_embedder import TritonEmbedder

    return TritonEmbedder(bundle, TritonClient(config.triton_target, config.triton), config.triton)


def _cards(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in (folder / CARD_NAME, *sorted(folder.glob(f"*/{CARD_NAME}"))):
            if path.is_file():
                yield path


def _digest_of(card: Path, unread: list[OSError]) -> str:
    """Returns the digest of a card; of one that cannot be read none, and why it cannot is noted."""
    try:
        return hashlib.sha256(card.read_bytes()).hexdigest()
    except OSError as error:
        unread.append(OSError(error.errno, error.strerror, str(card)))
        return ""
