"""A bundle of the size of CLIP ViT-B/32 with random weights, built without torch: all its work, no sense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from onnx import TensorProto

from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, BundleCard, ImageTower, TextTower
from pairmill_models.graph_builder import GraphBuilder, bytes_, floats, longs
from tests.fakes.onnx_bundle import END, PAD, byte_tokenizer, single, whole

_MEAN, _STD = (0.481, 0.458, 0.408), (0.269, 0.261, 0.276)
_VOCABULARY: Final = 49_408


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the towers are."""

    dimensions: int = 512
    layers: int = 12
    image_size: int = 224
    patch: int = 32
    image_width: int = 768
    text_width: int = 512
    context: int = 77


SMALL: Final = Size(dimensions=16, layers=1, image_size=32, patch=16, image_width=64, text_width=64)
"""To see that it works."""

_HEAD_WIDTH: Final = 64


def vit_bundle(folder: Path, size: Size) -> Bundle:
    """Builds a bundle in a folder; equal sizes give equal bundles."""
    draw = np.random.default_rng(1)
    folder.mkdir(parents=True)
    (folder / "image.onnx").write_bytes(_image_tower(size, draw))
    (folder / "text.onnx").write_bytes(_text_tower(size, draw))
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    card = BundleCard(
        name="random-vit",
        revision="1",
        licence="Apache-2.0",
        dimensions=size.dimensions,
        image=ImageTower(size=size.image_size, mean=_MEAN, std=_STD),
        text=(TextTower(context_length=size.context, pad_id=PAD),),
    )
    return assemble_bundle(folder, card)


@dataclass(slots=True)
class _Tower:
    """A transformer that grows layer by layer; rows are (n, length, width)."""

    graph: GraphBuilder
    draw: np.random.Generator
    width: int

    def weights(self, *shape: int) -> str:
        return single(self.graph, self.draw.standard_normal(shape) / np.sqrt(shape[0]))

    def dense(self, rows: str, into: int, out_of: int = 0) -> str:
        product = self.graph.add("MatMul", rows, self.weights(out_of or self.width, into))
        return self.graph.add("Add", product, single(self.graph, np.zeros(into)))

    def norm(self, rows: str) -> str:
        scale, shift = (single(self.graph, values) for values in (np.ones(self.width), np.zeros(self.width)))
        return self.graph.add("LayerNormalization", rows, scale, shift, axis=-1)

    def layer(self, rows: str, mask: str = "") -> str:
        """Attention and a hidden layer of four times the width, each added to what comes in."""
        add = self.graph.add
        rows = add("Add", rows, self.attention(self.norm(rows), mask))
        hidden = self.dense(self.norm(rows), 4 * self.width)
        gate = add("Sigmoid", add("Mul", hidden, single(self.graph, np.array(1.702))))
        return add("Add", rows, self.dense(add("Mul", hidden, gate), self.width, 4 * self.width))

    def attention(self, rows: str, mask: str) -> str:
        add, graph, heads = self.graph.add, self.graph, self.width // _HEAD_WIDTH
        split = whole(graph, [0, 0, heads, _HEAD_WIDTH])
        query, key, value = (add("Reshape", self.dense(rows, self.width), split) for _ in range(3))
        query, value = (add("Transpose", part, perm=[0, 2, 1, 3]) for part in (query, value))
        key = add("Transpose", key, perm=[0, 2, 3, 1])
        scores = add("Mul", add("MatMul", query, key), single(graph, np.array(_HEAD_WIDTH**-0.5)))
        if mask:
            scores = add("Add", scores, mask)
        mixed = add("MatMul", add("Softmax", scores, axis=-1), value)
        joined = add("Reshape", add("Transpose", mixed, perm=[0, 2, 1, 3]), whole(graph, [0, 0, self.width]))
        return self.dense(joined, self.width)


def _image_tower(size: Size, draw: np.random.Generator) -> bytes:
    graph = GraphBuilder()
    tower, add, width = _Tower(graph, draw, size.image_width), graph.add, size.image_width
    numbers = add("Cast", "pixels", to=TensorProto.FLOAT)
    scaled = add("Div", add("Sub", numbers, _times_255(graph, _MEAN)), _times_255(graph, _STD))
    planes = add("Transpose", scaled, perm=[0, 3, 1, 2])
    filters = single(
        graph, draw.standard_normal((width, 3, size.patch, size.patch)) / (3 * size.patch**2) ** 0.5
    )
    patches = add("Conv", planes, filters, strides=[size.patch, size.patch])
    rows = add("Transpose", add("Reshape", patches, whole(graph, [0, width, -1])), perm=[0, 2, 1])
    count = (size.image_size // size.patch) ** 2 + 1
    batch = add("Shape", rows, start=0, end=1)
    shape = add("Concat", batch, whole(graph, [1, width]), axis=0)
    first = add("Expand", single(graph, draw.standard_normal((1, 1, width))), shape)
    rows = add("Concat", first, rows, axis=1)
    rows = tower.norm(add("Add", rows, single(graph, draw.standard_normal((count, width)) / 10)))
    for _ in range(size.layers):
        rows = tower.layer(rows)
    pooled = add("Squeeze", add("Gather", rows, whole(graph, [0]), axis=1), whole(graph, [1]))
    _finish(tower, pooled, size)
    pixels = bytes_("pixels", ["n", size.image_size, size.image_size, 3])
    return graph.finish(pixels, floats("embedding", ["n", size.dimensions]))


def _text_tower(size: Size, draw: np.random.Generator) -> bytes:
    graph = GraphBuilder()
    tower, add, width = _Tower(graph, draw, size.text_width), graph.add, size.text_width
    length = add("Shape", "tokens", start=1, end=2)
    zero, both = whole(graph, [0]), whole(graph, [0, 1])
    places = single(graph, draw.standard_normal((size.context, width)) / 10)
    embedded = add("Gather", tower.weights(_VOCABULARY, width), "tokens", axis=0)
    rows = add("Add", embedded, add("Slice", places, zero, length, zero))
    future = single(graph, np.triu(np.full((size.context, size.context), -1e9), 1))
    square = add("Concat", length, length, axis=0)
    mask = add("Slice", future, whole(graph, [0, 0]), square, both)
    for _ in range(size.layers):
        rows = tower.layer(rows, mask)
    is_end = add("Cast", add("Equal", "tokens", whole(graph, END)), to=TensorProto.INT64)
    at = add("Unsqueeze", add("ArgMax", is_end, axis=1, keepdims=1), whole(graph, [2]))
    wide = add("Expand", at, whole(graph, [1, 1, width]))
    pooled = add("Squeeze", add("GatherElements", rows, wide, axis=1), whole(graph, [1]))
    _finish(tower, pooled, size)
    return graph.finish(longs("tokens", ["n", "length"]), floats("embedding", ["n", size.dimensions]))


def _finish(tower: _Tower, pooled: str, size: Size) -> None:
    projected = tower.graph.add("MatMul", tower.norm(pooled), tower.weights(tower.width, size.dimensions))
    tower.graph.unit_rows(projected, "embedding")


def _times_255(graph: GraphBuilder, values: tuple[float, ...]) -> Any:
    return single(graph, np.array(values) * 255)
