"""A bundle with small random ONNX towers and heads, built without torch: all of the format, no knowledge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, BundleCard, Head, ImageTower, TextTower, Thresholds
from pairmill_models.graph_builder import GraphBuilder, bytes_, floats, longs

DIMENSIONS = 16
IMAGE_SIZE = 8
CONTEXT = 40
PAD, BEGIN, END = 0, 1, 2
SPECIAL = ("<pad>", "<begin>", "<end>")
MEAN, STD = (0.5, 0.45, 0.4), (0.25, 0.25, 0.3)

HEADS = (
    Head(score="unsafe_score", input="image", file="heads/unsafe.onnx"),
    Head(score="watermark_score", input="image", file="heads/watermark.onnx"),
    Head(score="aesthetic_score", input="image", file="heads/aesthetic.onnx"),
    Head(score="toxicity", input="text", file="heads/toxicity.onnx"),
)


def random_bundle(folder: Path, *, seed: int = 1, heads: Sequence[Head] = HEADS) -> Bundle:
    """Builds a bundle in a folder; equal seeds give equal bundles."""
    write_model(folder, seed=seed, heads=heads)
    return assemble_bundle(folder, random_card(heads))


def write_model(folder: Path, *, seed: int = 1, heads: Sequence[Head] = HEADS) -> None:
    """Writes the files of a model that is no bundle yet."""
    draw = np.random.default_rng(seed)
    (folder / "heads").mkdir(parents=True, exist_ok=True)
    (folder / "image.onnx").write_bytes(image_tower(draw))
    (folder / "text.onnx").write_bytes(text_tower(draw))
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    for head in heads:
        (folder / head.file).write_bytes(random_head(draw))


def random_card(heads: Sequence[Head] = HEADS, **changes: Any) -> BundleCard:
    facts: dict[str, Any] = {
        "name": "random",
        "revision": "r1",
        "licence": "Apache-2.0",
        "dimensions": DIMENSIONS,
        "image": ImageTower(size=IMAGE_SIZE, mean=MEAN, std=STD),
        "text": (TextTower(context_length=CONTEXT, pad_id=PAD),),
        "heads": tuple(heads),
        "thresholds": Thresholds(min_similarity={"en": 0.28, "*": 0.26}, max_unsafe_score=0.5),
    }
    return BundleCard(**{**facts, **changes})


def image_tower(draw: np.random.Generator) -> bytes:
    graph = GraphBuilder()
    numbers = graph.add("Cast", "pixels", to=TensorProto.FLOAT)
    centred = graph.add("Sub", numbers, single(graph, np.array(MEAN) * 255))
    scaled = graph.add("Div", centred, single(graph, np.array(STD) * 255))
    flat = graph.add("Flatten", scaled, axis=1)
    weights = single(graph, draw.standard_normal((IMAGE_SIZE**2 * 3, DIMENSIONS)))
    graph.unit_rows(graph.add("MatMul", flat, weights), "embedding")
    return graph.finish(
        bytes_("pixels", ["n", IMAGE_SIZE, IMAGE_SIZE, 3]), floats("embedding", ["n", DIMENSIONS])
    )


def text_tower(draw: np.random.Generator) -> bytes:
    """A sum over tokens, each scaled by its place; padding counts for nothing."""
    graph = GraphBuilder()
    table = single(graph, draw.standard_normal((len(SPECIAL) + 256, DIMENSIONS)))
    embedded = graph.add("Gather", table, "tokens", axis=0)
    places = single(graph, (1 + np.arange(CONTEXT) % 7 / 7)[:, None])
    length = graph.add("Shape", "tokens", start=1, end=2)
    scales = graph.add("Slice", places, whole(graph, [0]), length)
    placed = graph.add("Mul", embedded, scales)
    is_pad = graph.add("Equal", "tokens", whole(graph, PAD))
    mask = graph.add("Cast", graph.add("Not", is_pad), to=TensorProto.FLOAT)
    masked = graph.add("Mul", placed, graph.add("Unsqueeze", mask, whole(graph, [2])))
    graph.unit_rows(graph.add("ReduceSum", masked, whole(graph, [1]), keepdims=0), "embedding")
    return graph.finish(longs("tokens", ["n", "length"]), floats("embedding", ["n", DIMENSIONS]))


def random_head(draw: np.random.Generator) -> bytes:
    graph = GraphBuilder()
    raw = graph.add("MatMul", "embedding", single(graph, draw.standard_normal((DIMENSIONS, 1))))
    graph.add("Squeeze", graph.add("Sigmoid", raw), whole(graph, [1]), name="score")
    return graph.finish(floats("embedding", ["n", DIMENSIONS]), floats("score", ["n"]))


def byte_tokenizer() -> Tokenizer:
    """One token per byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<begin> $A <end>", special_tokens=[("<begin>", BEGIN), ("<end>", END)]
    )
    return tokenizer


def single(graph: GraphBuilder, values: npt.NDArray[Any]) -> str:
    return graph.constant(values.astype(np.float32))


def whole(graph: GraphBuilder, values: int | list[int]) -> str:
    return graph.constant(np.array(values, dtype=np.int64))
