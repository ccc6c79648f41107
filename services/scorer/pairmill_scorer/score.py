"""`pairmill score`: scores over stored embeddings, without images and without asking the model again.

Reads a finished dataset through its manifest, or any folder in clip-retrieval's layout (`img_emb`,
`text_emb`, `metadata`), and writes one parquet file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError, InvalidRecordError
from pairmill.schemas import versioned
from pairmill_scorer.embeddings import StoredEmbeddings, open_embeddings
from pairmill_scorer.handler import ScoreParts
from pairmill_scorer.rows import float_array
from pairmill_scorer.scoring import HEAD_SCORES, score_embeddings

_NAMES: Final = ("key", "sample_id", "url", "caption", "image_path")
_MODEL: Final = ("model", "model_version")
_FIELDS: Final[list[pa.Field[pa.DataType]]] = [
    *(pa.field(name, pa.string()) for name in _NAMES),
    *(pa.field(name, pa.float32()) for name in ("similarity", *HEAD_SCORES)),
    *(pa.field(name, pa.string()) for name in _MODEL),
]

FOLDER_SCORES: Final = pa.schema(_FIELDS)
"""What `score_folder` writes: one row per stored embedding, in the order of the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPaths:
    """Three row-aligned files."""

    images: Path
    texts: Path
    metadata: Path


def score_folder(
    folder: Path, parts: ScoreParts, out: Path, progress: Callable[[int, int], None] = lambda *_: None
) -> int:
    """Writes the scores of all stored embeddings to a parquet file and returns the number of rows.

    `progress` is called with the number of files done and of all. Raises ConfigurationError where there
    are no embeddings, or if they were made by another bundle than the one at hand.
    """
    threes = list(find_embeddings(folder))
    if not threes:
        raise ConfigurationError(f"{folder}: there are no embeddings here (no img_emb/*.npy)")
    rows = 0
    unfinished = out.with_name(f".{out.name}.part")
    with pq.ParquetWriter(unfinished, versioned(FOLDER_SCORES), compression="zstd") as writer:
        for done, three in enumerate(threes, start=1):
            table = _scored(three, parts)
            writer.write_table(table)
            rows += table.num_rows
            progress(done, len(threes))
    unfinished.replace(out)
    return rows


def find_embeddings(folder: Path) -> Iterator[EmbeddingPaths]:
    """Yields the embedding files of a dataset or folder, in the order of their names.

    A dataset is read through its manifest. Raises ConfigurationError for a file without its companions.
    """
    if (folder / MANIFEST_NAME).exists():
        for found in Dataset.open(folder).embeddings():
            yield EmbeddingPaths(
                images=folder / found.image.path,
                texts=folder / found.text.path,
                metadata=folder / found.metadata.path,
            )
        return
    root = folder / "embeddings" if (folder / "embeddings").is_dir() else folder
    for images in sorted((root / "img_emb").glob("img_emb_*.npy")):
        number = images.stem.removeprefix("img_emb_")
        three = EmbeddingPaths(
            images=images,
            texts=root / "text_emb" / f"text_emb_{number}.npy",
            metadata=root / "metadata" / f"metadata_{number}.parquet",
        )
        for path in (three.texts, three.metadata):
            if not path.exists():
                raise ConfigurationError(f"{path}: there is no such file beside {images.name}")
        yield three


def _scored(three: EmbeddingPaths, parts: ScoreParts) -> pa.Table:
    try:
        embeddings = open_embeddings(three.images, three.texts, three.metadata, parts.dimensions)
    except InvalidRecordError as error:
        raise ConfigurationError(f"{three.images}: {error}; is it the right bundle?") from error
    _check_model(three, embeddings, parts.model_version)
    scores = score_embeddings(embeddings, parts.heads, block_rows=parts.block_rows)
    metadata = embeddings.metadata
    nothing = pa.nulls(embeddings.rows, pa.string())
    columns: dict[str, Any] = {
        name: metadata[name].cast(pa.string()) if name in metadata.column_names else nothing
        for name in (*_NAMES, *_MODEL)
    }
    columns["similarity"] = float_array(scores.similarity, embeddings.rows)
    columns |= {name: float_array(values, embeddings.rows) for name, values in scores.by_head.items()}
    return pa.table({name: columns[name] for name in FOLDER_SCORES.names}, schema=versioned(FOLDER_SCORES))


def _check_model(three: EmbeddingPaths, embeddings: StoredEmbeddings, version: str) -> None:
    if "model_version" not in embeddings.metadata.column_names:
        return  # a foreign folder does not say what made it
    found = set(embeddings.metadata["model_version"].unique().to_pylist())
    if found - {version}:
        raise ConfigurationError(
            f"bundle: {three.metadata} holds embeddings of {', '.join(sorted(map(str, found)))}, "
            f"the bundle at hand is {version}"
        )
