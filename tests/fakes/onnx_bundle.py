"""A bundle with small random ONNX towers and heads, built without torch: all of the format, no knowledge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, BundleCard, Head, ImageTower, TextTower, Thresholds

DIMENSIONS = 16
IMAGE_SIZE = 8
CONTEXT = 40
PAD, BEGIN, END = 0, 1, 2
SPECIAL = ("<pad>", "<begin>", "<end>")

MEAN, STD = (0.5, 0.45, 0.4), (0.25, 0.25, 0.3)


@dataclass(kw_only=True)
class GraphParts:
    """Nodes and constants of a graph under construction."""

    nodes: list[Any]
    constants: dict[str, npt.NDArray[Any]]

    def save(self, path: Path, given: Any, answer: Any) -> None:
        graph = helper.make_graph(
            self.nodes,
            path.stem,
            [given],
            [answer],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString())


def random_bundle(folder: Path, *, seed: int = 1, heads: Sequence[Head] | None = None) -> Bundle:
    """Builds a bundle in a folder; equal seeds give equal bundles."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    write_image_tower(folder / "image.onnx", draw)
    write_text_tower(folder / "text.onnx", draw)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    chosen = all_heads() if heads is None else tuple(heads)
    for head in chosen:
        write_head(folder / head.file, draw)
    return assemble_bundle(folder, random_card(chosen))


def all_heads() -> tuple[Head, ...]:
    return (
        Head(score="unsafe_score", input="image", file="heads/unsafe.onnx"),
        Head(score="watermark_score", input="image", file="heads/watermark.onnx"),
        Head(score="aesthetic_score", input="image", file="heads/aesthetic.onnx"),
        Head(score="toxicity", input="text", file="heads/toxicity.onnx"),
    )


def random_card(heads: tuple[Head, ...]) -> BundleCard:
    return BundleCard(
        name="random",
        revision="r1",
        licence="Apache-2.0",
        dimensions=DIMENSIONS,
        image=ImageTower(size=IMAGE_SIZE, mean=MEAN, std=STD),
        text=(TextTower(context_length=CONTEXT, pad_id=PAD),),
        heads=heads,
        thresholds=Thresholds(min_similarity={"en": 0.28, "*": 0.26}, max_unsafe_score=0.5),
    )


def write_image_tower(path: Path, draw: np.random.Generator) -> None:
    pixels = IMAGE_SIZE * IMAGE_SIZE * 3
    parts = GraphParts(
        nodes=[
            helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["numbers", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "std"], ["scaled"]),
            helper.make_node("Flatten", ["scaled"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["raw"]),
        ],
        constants={
            "mean": np.array(MEAN, dtype=np.float32) * 255,
            "std": np.array(STD, dtype=np.float32) * 255,
            "weights": draw.standard_normal((pixels, DIMENSIONS)).astype(np.float32),
        },
    )
    add_normalisation(parts)
    given = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", IMAGE_SIZE, IMAGE_SIZE, 3])
    parts.save(path, given, answer_info())


def write_text_tower(path: Path, draw: np.random.Generator) -> None:
    """A mean over tokens, each scaled by its place; padding counts for nothing."""
    parts = GraphParts(
        nodes=[
            helper.make_node("Gather", ["table", "tokens"], ["embedded"], axis=0),
            helper.make_node("Shape", ["tokens"], ["length"], start=1, end=2),
            helper.make_node("Slice", ["places", "zero", "length"], ["scales"]),
            helper.make_node("Mul", ["embedded", "scales"], ["placed"]),
            helper.make_node("Equal", ["tokens", "pad"], ["is_pad"]),
            helper.make_node("Not", ["is_pad"], ["is_text"]),
            helper.make_node("Cast", ["is_text"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),
            helper.make_node("Mul", ["placed", "wide_mask"], ["masked"]),
            helper.make_node("ReduceSum", ["masked", "one"], ["raw"], keepdims=0),
        ],
        constants={
            "table": draw.standard_normal((len(SPECIAL) + 256, DIMENSIONS)).astype(np.float32),
            "places": (1 + np.arange(CONTEXT) % 7 / 7).astype(np.float32)[:, None],
            "zero": np.array([0], dtype=np.int64),
            "pad": np.array(PAD, dtype=np.int64),
            "one": np.array([1], dtype=np.int64),
            "last": np.array([2], dtype=np.int64),
        },
    )
    add_normalisation(parts)
    given = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", "length"])
    parts.save(path, given, answer_info())


def write_head(path: Path, draw: np.random.Generator) -> None:
    parts = GraphParts(
        nodes=[
            helper.make_node("MatMul", ["embedding", "weights"], ["raw"]),
            helper.make_node("Sigmoid", ["raw"], ["column"]),
            helper.make_node("Squeeze", ["column", "last"], ["score"]),
        ],
        constants={
            "weights": draw.standard_normal((DIMENSIONS, 1)).astype(np.float32),
            "last": np.array([1], dtype=np.int64),
        },
    )
    given = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSIONS])
    parts.save(path, given, helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]))


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


def add_normalisation(parts: GraphParts) -> None:
    parts.nodes += [
        helper.make_node("ReduceL2", ["raw", "axis"], ["norm"], keepdims=1),
        helper.make_node("Max", ["norm", "least"], ["length_of_row"]),
        helper.make_node("Div", ["raw", "length_of_row"], ["embedding"]),
    ]
    parts.constants["axis"] = np.array([1], dtype=np.int64)
    parts.constants["least"] = np.array(1e-12, dtype=np.float32)


def answer_info() -> Any:
    return helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSIONS])
