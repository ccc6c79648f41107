"""`pairmill score` over stored embeddings: similarity and the heads of the tiny CLIP."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.schemas import EMBEDDING_METADATA
from pairmill_models.bundle import Bundle, load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_scorer.config import ScorerConfig
from pairmill_scorer.parts import score_parts
from pairmill_scorer.score import score_folder
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import in_own_process, metered
from tests.bench.setup import Setup

ROWS: Final = 10_000
FILES: Final = 20

PER_SECOND: Final = Figure("rows", "1/s")


def benchmark(setup: Setup) -> Result:
    """Scores the same embeddings several times."""
    folder = setup.folder("score")
    rows = setup.size(ROWS)
    bundle = load_bundle(bundle_path())
    for number in range(FILES):
        write_embeddings(folder, number, rows, bundle)
    samples = [in_own_process(measure, folder, folder / f"scores-{run}.parquet") for run in range(setup.runs)]
    return Result(
        name="score",
        setup=f"{FILES} files of {rows:,} random embeddings of {bundle.dimensions} dimensions, "
        f"{len(bundle.card.heads)} heads of `pairmill-tiny`",
        columns=[Column(label=f"{FILES * rows:,} rows", samples=samples)],
    )


def write_embeddings(folder: Path, number: int, rows: int, bundle: Bundle) -> None:
    """Writes embeddings in clip-retrieval's layout."""
    random = np.random.default_rng(number)
    for name in ("img_emb", "text_emb"):
        (folder / name).mkdir(exist_ok=True)
        vectors = random.standard_normal((rows, bundle.dimensions), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        np.save(folder / name / f"{name}_{number:02d}.npy", vectors.astype("<f2"))
    (folder / "metadata").mkdir(exist_ok=True)
    keys = [f"{number:02d}{row:030x}" for row in range(rows)]
    columns = {
        "key": keys,
        "url": [f"https://pictures.example/{key}.jpg" for key in keys],
        "caption": [f"a text about picture number {key}" for key in keys],
        "sample_id": keys,
        "image_path": [f"shards/{number}.tar/{key}.jpg" for key in keys],
        "model": [bundle.name] * rows,
        "model_version": [bundle.model_version] * rows,
    }
    table = pa.table(columns, schema=EMBEDDING_METADATA)
    pq.write_table(table, folder / "metadata" / f"metadata_{number:02d}.parquet", compression="zstd")


def measure(folder: Path, out: Path) -> Sample:
    """Scores a folder and returns what that took, the load of the heads left out."""
    parts = score_parts(ScorerConfig(bundle=bundle_path()), load_bundle(bundle_path()))
    rows, usage = metered(lambda: score_folder(folder, parts, out))
    return {PER_SECOND: rows / usage.seconds, **usage.figures()}
