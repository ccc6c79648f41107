"""LAION's heads answer as published, categorical columns included (F7)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from pairmill.errors import ConfigurationError
from pairmill_models.laion import import_head, linear_head, nsfw_head

Floats = npt.NDArray[np.float32]


def answer(graph: bytes, embeddings: npt.NDArray[Any]) -> Floats:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["score"], {"embedding": embeddings.astype(np.float32)})
    return np.asarray(scores)


def printed_lookup(arrays: dict[str, npt.NDArray[Any]], embeddings: npt.NDArray[Any]) -> Floats:
    """The published recipe, word for word: print, look up, normalise, multiply."""
    rows = embeddings.astype(np.float64)
    for column in arrays["categorical_columns"]:
        keys, places = arrays[f"vocab_{column}_keys"], arrays[f"vocab_{column}_index"]
        index = dict(zip(keys.tolist(), places.tolist(), strict=True))
        rows[:, column] = [index.get(f"{value:f}", 0) for value in embeddings[:, column].astype(float)]
    rows = (rows - arrays["mean"]) / np.sqrt(arrays["variance"])
    hidden = np.maximum(rows @ arrays["dense0.kernel"] + arrays["dense0.bias"], 0)
    out = hidden @ arrays["dense1.kernel"] + arrays["dense1.bias"]
    return np.asarray(1 / (1 + np.exp(-out[:, 0])), dtype=np.float32)


def small_nsfw_arrays() -> dict[str, npt.NDArray[Any]]:
    draw = np.random.default_rng(5)
    keys = np.unique([f"{np.float16(value):f}" for value in draw.normal(0, 0.1, 200)])
    return {
        "mean": draw.normal(0, 0.1, 12).astype(np.float32),
        "variance": draw.uniform(0.01, 0.1, 12).astype(np.float32),
        "dense0.kernel": draw.normal(0, 0.3, (12, 6)).astype(np.float32),
        "dense0.bias": draw.normal(0, 0.3, 6).astype(np.float32),
        "dense1.kernel": draw.normal(0, 0.3, (6, 1)).astype(np.float32),
        "dense1.bias": np.zeros(1, dtype=np.float32),
        "categorical_columns": np.array([2, 7]),
        **{f"vocab_{column}_keys": keys for column in (2, 7)},
        **{f"vocab_{column}_index": draw.permutation(len(keys)) + 1 for column in (2, 7)},
    }


def test_f7_columns_are_looked_up_by_their_printed_value() -> None:
    arrays = small_nsfw_arrays()
    draw = np.random.default_rng(6)
    embeddings = draw.normal(0, 0.1, (400, 12)).astype(np.float16)
    known = np.array([float(key) for key in arrays["vocab_2_keys"]], dtype=np.float16)
    embeddings[:, 2] = draw.choice(known, 400)  # all of them in the list, those of column 7 mostly not
    embeddings[0, 7], embeddings[1, 7] = 0, 6e-8
    assert np.allclose(answer(nsfw_head(arrays), embeddings), printed_lookup(arrays, embeddings), atol=1e-5)


def test_f7_every_float16_has_the_key_that_printing_gives() -> None:
    """One category per value in a column, so that each key is told apart from its neighbours."""
    values = np.arange(0, 0x3C00, 7, dtype=np.uint16).view(np.float16)
    values = np.concatenate([values, -values[1:]])
    keys = np.unique([f"{value:f}" for value in values.astype(float) if abs(value) > 1e-6])
    arrays = {
        "mean": np.zeros(1, dtype=np.float32),
        "variance": np.full(1, 1e8, dtype=np.float32),
        "dense0.kernel": np.ones((1, 1), dtype=np.float32),
        "dense0.bias": np.zeros(1, dtype=np.float32),
        "dense1.kernel": np.ones((1, 1), dtype=np.float32),
        "dense1.bias": np.zeros(1, dtype=np.float32),
        "categorical_columns": np.array([0]),
        "vocab_0_keys": keys,
        "vocab_0_index": np.arange(len(keys)) + 1,
    }
    column = values[:, None]
    assert np.allclose(answer(nsfw_head(arrays), column), printed_lookup(arrays, column), atol=1e-6)


def test_linear_layers_follow_each_other_without_activation() -> None:
    draw = np.random.default_rng(1)
    first, second = draw.standard_normal((4, 16)), draw.standard_normal((1, 4))
    rows = draw.standard_normal((7, 16)).astype(np.float32)
    graph = linear_head([(first, np.ones(4)), (second, np.full(1, 2.0))])
    wanted = (rows @ first.T + 1) @ second.T + 2
    assert np.allclose(answer(graph, rows), wanted[:, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "content"),
    [("head.npz", b"nonsense"), ("head.txt", b""), ("head.npz", None), ("head", b"")],
    ids=["nonsense", "ending", "absent", "no-ending"],
)
def test_a_file_that_holds_no_head_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=name):
        import_head(tmp_path / name)


def test_arrays_of_something_else_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "head.npz", images=np.zeros(3))
    with pytest.raises(ConfigurationError, match="its arrays are images"):
        import_head(tmp_path / "head.npz")


@dataclass(frozen=True)
class Published:
    file: str
    embeddings: str
    scores: str


PUBLISHED = [
    Published("clip_autokeras_nsfw_b32.npz", "b32_embeddings", "b32_nsfw"),
    Published("clip_autokeras_binary_nsfw.npz", "l14_embeddings", "l14_nsfw"),
    Published("sa_0_4_vit_b_32_linear.npz", "b32_embeddings", "b32_aesthetic_v1"),
    Published("sa_0_4_vit_l_14_linear.npz", "l14_embeddings", "l14_aesthetic_v1"),
]


@pytest.mark.shared_data
@pytest.mark.parametrize("head", PUBLISHED, ids=lambda head: head.scores)
def test_f7_published_heads_give_their_reference_answers(shared_data: Path, head: Published) -> None:
    reference = np.load(shared_data / "models" / "reference" / "heads_reference_shared.npz")
    scores = answer(import_head(shared_data / "models" / "converted" / head.file), reference[head.embeddings])
    assert np.abs(scores - reference[head.scores]).max() <= 1e-4
