"""`pairmill score`: scores over a folder of stored embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.errors import ConfigurationError
from pairmill_scorer.handler import ScoreParts
from pairmill_scorer.score import FOLDER_SCORES, find_embeddings, score_folder
from tests.fakes.heads import FakeHeads

DIMENSIONS = 16


def parts() -> ScoreParts:
    return ScoreParts(
        heads=FakeHeads(names=("unsafe_score",)),
        bundle_digest="",
        model_version="fake-1",
        dimensions=DIMENSIONS,
        check_heads=lambda: None,
        block_rows=3,
    )


def write_embeddings(
    root: Path, number: str, rows: int, *, version: str | None = "fake-1", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng([seed, rows])
    arrays = []
    for name in ("img_emb", "text_emb"):
        vectors = draw.standard_normal((rows, DIMENSIONS))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        arrays.append(vectors.astype("<f2"))
        (root / name).mkdir(parents=True, exist_ok=True)
        np.save(root / name / f"{name}_{number}.npy", arrays[-1])
    columns = {"image_path": [f"{number}-{row}" for row in range(rows)], "caption": ["text"] * rows}
    if version is not None:
        columns |= {"model": ["fake"] * rows, "model_version": [version] * rows}
    (root / "metadata").mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), root / "metadata" / f"metadata_{number}.parquet")
    return arrays[0], arrays[1]


@pytest.mark.parametrize("below", ["", "embeddings"], ids=["plain", "dataset-without-manifest"])
@pytest.mark.parametrize("version", ["fake-1", None], ids=["ours", "foreign"])
def test_all_files_are_scored_in_their_order(tmp_path: Path, below: str, version: str | None) -> None:
    root = tmp_path / "in" / below
    arrays = [write_embeddings(root, f"{number}", 4 + number, version=version) for number in range(3)]
    seen: list[tuple[int, int]] = []
    rows = score_folder(
        tmp_path / "in", parts(), tmp_path / "s.parquet", lambda done, total: seen.append((done, total))
    )
    table = pq.read_table(tmp_path / "s.parquet")
    assert rows == table.num_rows == 15
    assert table.schema.equals(FOLDER_SCORES)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert table["image_path"].to_pylist() == [
        f"{number}-{row}" for number in range(3) for row in range(4 + number)
    ]
    wanted = np.concatenate(
        [(images.astype(np.float32) * texts.astype(np.float32)).sum(axis=1) for images, texts in arrays]
    )
    assert np.allclose(table["similarity"].to_numpy(), wanted, atol=1e-6)
    unsafe = np.concatenate([images[:, 0].astype(np.float32) ** 2 for images, _ in arrays])
    assert np.allclose(table["unsafe_score"].to_numpy(), unsafe)
    assert table["toxicity"].null_count == table["sample_id"].null_count == 15


def test_f6_embeddings_of_another_model_are_refused(tmp_path: Path) -> None:
    write_embeddings(tmp_path, "0", 3)
    write_embeddings(tmp_path, "1", 3, version="fake-2")
    with pytest.raises(ConfigurationError, match="fake-2"):
        score_folder(tmp_path, parts(), tmp_path / "s.parquet")
    assert not (tmp_path / "s.parquet").exists()


def test_a_file_without_its_companions_is_named(tmp_path: Path) -> None:
    write_embeddings(tmp_path, "0", 3)
    (tmp_path / "text_emb" / "text_emb_0.npy").unlink()
    with pytest.raises(ConfigurationError, match=r"text_emb_0\.npy: there is no such file"):
        list(find_embeddings(tmp_path))


def test_arrays_of_another_width_ask_for_the_right_bundle(tmp_path: Path) -> None:
    write_embeddings(tmp_path, "0", 3)
    np.save(tmp_path / "img_emb" / "img_emb_0.npy", np.zeros((3, 8), dtype="<f2"))
    with pytest.raises(ConfigurationError, match="is it the right bundle"):
        score_folder(tmp_path, parts(), tmp_path / "s.parquet")


def test_a_folder_without_embeddings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no embeddings here"):
        score_folder(tmp_path, parts(), tmp_path / "s.parquet")
