"""LAION's published heads as heads of a bundle.

They come as arrays: `.npz` files, or `.pth` files of plain tensors. The NSFW heads treat a few numbers of
the embedding as categories: the number, printed with six decimals, is looked up in a list of values seen in
training, all rounded to float16; its place in the list, or 0, is what the network sees. So they know only
embeddings that were rounded to float16.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from pairmill.errors import ConfigurationError
from pairmill_models.graph_builder import GraphBuilder, floats
from pairmill_models.npz import read_npz

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]

_DECIMALS: Final = 6
_LEAST_DEVIATION: Final = 1e-7  # what the training library divides by at least
_LAYER: Final = re.compile(r"layers\.(\d+)\.weight")


def import_head(path: Path) -> bytes:
    """Returns the ONNX graph of a published head; which one it is, its arrays say.

    Raises ConfigurationError for a file that holds none.
    """
    arrays = load_arrays(path)
    if "dense0.kernel" in arrays:
        return nsfw_head(arrays)
    layers = list(_linear_layers(arrays))
    if layers:
        return linear_head(layers)
    raise ConfigurationError(
        f"head: {path}: its arrays are {', '.join(sorted(arrays)[:8])}; "
        "wanted is dense0.kernel…, weight and bias, or layers.0.weight…"
    )


def load_arrays(path: Path) -> Arrays:
    """Returns the arrays in a `.npz` file, or in a `.pth` file of tensors, which needs torch."""
    try:
        if path.suffix == ".npz":
            return read_npz(path)
        if path.suffix == ".pth":
            return _load_tensors(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigurationError(f"head: {path}: {error}") from error
    raise ConfigurationError(f"head: {path}: {path.suffix or 'no'} ending; wanted is .npz or .pth")


def linear_head(layers: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> bytes:
    """Returns a head of linear layers, (out, in) weights and (out,) biases, with nothing between them."""
    graph = GraphBuilder()
    rows = "embedding"
    for weight, bias in layers:
        rows = graph.add("Gemm", rows, _floats(graph, weight.T), _floats(graph, bias))
    return _finished(graph, rows, dimensions=layers[0][0].shape[1])


def nsfw_head(arrays: Arrays) -> bytes:
    """Returns the head of a network over normalised numbers, some of them looked up first."""
    graph = GraphBuilder()
    dimensions = len(arrays["mean"])
    deviation = np.maximum(np.sqrt(arrays["variance"]), _LEAST_DEVIATION)
    rows = graph.add("Sub", _looked_up(graph, arrays, dimensions), _floats(graph, arrays["mean"]))
    rows = graph.add("Div", rows, _floats(graph, deviation))
    count = sum(name.endswith(".kernel") for name in arrays)
    for number in range(count):
        kernel, bias = arrays[f"dense{number}.kernel"], arrays[f"dense{number}.bias"]
        rows = graph.add("Gemm", rows, _floats(graph, kernel), _floats(graph, bias))
        rows = graph.add("Relu" if number < count - 1 else "Sigmoid", rows)
    return _finished(graph, rows, dimensions)


def _looked_up(graph: GraphBuilder, arrays: Arrays, dimensions: int) -> str:
    """Adds the lookup: the embedding with its categorical columns replaced by places in their lists."""
    columns = [int(column) for column in arrays["categorical_columns"]]
    others = np.ones(dimensions, dtype=np.float32)
    others[columns] = 0
    rows = graph.add("Mul", "embedding", _floats(graph, others))
    for column in columns:
        keys, places = _vocabulary(arrays, column)
        number = graph.add("Gather", "embedding", graph.constant(np.array([column])), axis=1)
        place = graph.add(
            "LabelEncoder",
            _as_key(graph, number),
            domain="ai.onnx.ml",
            keys_int64s=keys,
            values_floats=places,
            default_float=0.0,
        )
        only = np.zeros((1, dimensions), dtype=np.float32)
        only[0, column] = 1
        rows = graph.add("Add", rows, graph.add("MatMul", place, _floats(graph, only)))
    return rows


def _as_key(graph: GraphBuilder, number: str) -> str:
    """Adds what printing with six decimals does, in whole millionths.

    A float16 times a million is exact in float64, and both ways round half to even.
    """
    wide = graph.add("Cast", number, to=TensorProto.DOUBLE)
    scaled = graph.add("Mul", wide, graph.constant(np.array(10.0**_DECIMALS)))
    return graph.add("Cast", graph.add("Round", scaled), to=TensorProto.INT64)


def _vocabulary(arrays: Arrays, column: int) -> tuple[list[int], list[float]]:
    """Returns the keys of a column in millionths, and their places."""
    words = [str(word) for word in arrays[f"vocab_{column}_keys"]]
    keys = [round(float(word) * 10**_DECIMALS) for word in words]
    places = [float(place) for place in arrays[f"vocab_{column}_index"]]
    if len(set(keys)) != len(keys):
        raise ConfigurationError(f"head: vocab_{column}_keys holds a value twice")
    return keys, places


def _linear_layers(arrays: Arrays) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    if set(arrays) == {"weight", "bias"}:
        yield arrays["weight"], arrays["bias"]
        return
    numbers = sorted(int(found[1]) for found in map(_LAYER.fullmatch, arrays) if found)
    for number in numbers:
        yield arrays[f"layers.{number}.weight"], arrays[f"layers.{number}.bias"]


def _finished(graph: GraphBuilder, rows: str, dimensions: int) -> bytes:
    graph.add("Squeeze", rows, graph.constant(np.array([1])), name="score")
    return graph.finish(floats("embedding", ["n", dimensions]), floats("score", ["n"]))


def _floats(graph: GraphBuilder, values: npt.NDArray[Any]) -> str:
    return graph.constant(np.asarray(values, dtype=np.float32))


def _load_tensors(path: Path) -> Arrays:
    try:
        import torch
    except ImportError as error:
        raise ConfigurationError(
            f"head: {path}: reading a .pth file needs torch; pip install 'pairmill[export]'"
        ) from error
    state = torch.load(path, map_location="cpu", weights_only=True)  # never runs what is in the file
    return {name: tensor.numpy() for name, tensor in state.items()}
