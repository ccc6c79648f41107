"""Made-up embeddings of 512 dimensions that lie as those of pictures do, and datasets of them.

A mixture: a cone that all lie in, themes, and in each theme many clusters whose sizes fall with a power law.
Around a cluster's centre vectors spread farther along some axes than along others, and in some clusters
farther than in others. So there is something to find, unlike in white noise, where no index is good.
"""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill_index.arrays import Floats
from tests.fakes.vector_dataset import VectorDataset, beside

DIMENSIONS: Final = 512
SHARD_ROWS: Final = 10_000
ROWS_PER_CLUSTER: Final = 50
HELD_OUT: Final = 1_000_000  # number of the first shard that is in no dataset: queries come from there

_STATE: Final = "world.pickle"


@dataclass(frozen=True, slots=True)
class Mixture:
    """Draws unit vectors; the same for equal numbers."""

    clusters: int
    dimensions: int = DIMENSIONS
    seed: int = 1

    def __call__(self, rows: int, shard: int) -> Floats:
        """Returns the vectors of a shard, `(rows, dimensions)`."""
        parts, draw = _parts(self), np.random.default_rng((self.seed, shard))
        chosen = draw.choice(self.clusters, size=rows, p=parts.shares)
        vectors: Floats = draw.standard_normal((rows, self.dimensions), dtype=np.float32)
        vectors *= parts.axes
        vectors *= parts.spreads[chosen, None]
        vectors += parts.centres[chosen]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


@dataclass(frozen=True, slots=True)
class _Parts:
    centres: Floats  # (clusters, dimensions)
    shares: npt.NDArray[np.float64]  # (clusters,), of all vectors
    spreads: Floats  # (clusters,)
    axes: Floats  # (dimensions,)


@lru_cache(maxsize=2)
def _parts(mixture: Mixture) -> _Parts:
    draw = np.random.default_rng(mixture.seed)
    shape = (mixture.clusters, mixture.dimensions)
    themes = draw.standard_normal((mixture.clusters // 30 + 1, mixture.dimensions), dtype=np.float32)
    centres: Floats = 0.6 * draw.standard_normal(shape, dtype=np.float32)
    centres += 0.8 * themes[draw.integers(len(themes), size=mixture.clusters)]
    centres += draw.standard_normal(mixture.dimensions, dtype=np.float32)  # the cone
    shares = np.arange(1, mixture.clusters + 1, dtype=np.float64) ** -0.8
    axes = np.arange(1, mixture.dimensions + 1, dtype=np.float32) ** np.float32(-0.35)
    return _Parts(
        centres=centres,
        shares=shares / shares.sum(),
        spreads=draw.uniform(0.6, 1.1, mixture.clusters).astype(np.float32),
        axes=(axes / np.sqrt((axes**2).mean())).astype(np.float32),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchWorld:
    """A dataset of one language bucket, whose folder `embeddings` is laid out as clip-retrieval's."""

    folder: Path
    rows: int

    @classmethod
    def made(cls, folder: Path, rows: int) -> SearchWorld:
        """Returns the dataset in a folder, written there if it is not."""
        world = cls(folder=folder, rows=rows)
        if not (folder / _STATE).exists():
            mixture = Mixture(max(8, rows // ROWS_PER_CLUSTER))
            dataset = VectorDataset(
                folder / "dataset",
                dimensions=DIMENSIONS,
                shard_rows=SHARD_ROWS,
                buckets=("en",),
                drawn=mixture,
            )
            dataset.add(rows)
            world.publish(dataset)
        return world

    @property
    def dataset(self) -> Path:
        """Its folder, which is also where its index is."""
        return self.folder / "dataset"

    def state(self) -> VectorDataset:
        """Returns what adds to it."""
        state: VectorDataset = pickle.loads((self.folder / _STATE).read_bytes())
        return state

    def publish(self, dataset: VectorDataset) -> None:
        """Writes a version of the dataset, with the checksums that a directory store keeps beside objects."""
        manifest = dataset.publish().manifest
        data = (self.dataset / MANIFEST_NAME).read_bytes()
        digests = {entry.path: entry.sha256 for entry in manifest.files}
        digests[MANIFEST_NAME] = hashlib.sha256(data).hexdigest()
        for path, digest in digests.items():
            checksum = self.dataset / ".checksums" / path
            checksum.parent.mkdir(parents=True, exist_ok=True)
            checksum.write_text(digest)
        (self.folder / _STATE).write_bytes(pickle.dumps(dataset))

    def queries(self, count: int) -> Floats:
        """Returns vectors that are not in it: half as those of pictures, half as those of texts."""
        drawn: Any = self.state().drawn
        images: Floats = drawn(count, HELD_OUT)
        images[count // 2 :] = beside(images[count // 2 :], HELD_OUT)
        return images
