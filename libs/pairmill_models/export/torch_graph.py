"""From a torch module with one input and one output to an ONNX file that says nothing of this machine."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import onnx
import torch

OPSET: Final = 18
_PREFIX: Final = "outside_"  # the exporter gives inner values the names of operators, such as `embedding`

MAX_ONE_FILE_BYTES: Final = 1_500_000_000
"""Above this weights go into a file of their own: a protobuf ends at 2 GB."""


def write_graph(
    network: Any,
    example: Any,
    path: Path,
    *,
    input_name: str,
    output_name: str,
    axes: Sequence[str],
    max_one_file_bytes: int = MAX_ONE_FILE_BYTES,
) -> None:
    """Writes a module as ONNX; the first axes of its input, named by `axes`, may have any length.

    `example` is an input whose free axes are at least 2 long. Weights too large for one file go into
    `<path>.data`.
    """
    weight_bytes = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    is_large = weight_bytes > max_one_file_bytes
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            network.eval(),
            (example,),
            input_names=[_PREFIX + input_name],
            output_names=[_PREFIX + output_name],
            dynamic_shapes=({place: torch.export.Dim(name) for place, name in enumerate(axes)},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    program.save(str(path), external_data=is_large)
    model = onnx.load(str(path), load_external_data=False)
    _forget_origin(model)
    _rename(model.graph, {_PREFIX + input_name: input_name, _PREFIX + output_name: output_name})
    path.write_bytes(model.SerializeToString())


def _forget_origin(model: Any) -> None:
    """Removes source lines and paths that the exporter notes at every node."""
    parts = [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output]
    parts += [*model.graph.initializer, *model.graph.value_info, *model.functions]
    for function in model.functions:
        parts += [*function.node, *function.value_info]
    for part in parts:
        part.doc_string = ""
        del part.metadata_props[:]


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Gives values their names; another value that has one of them already gets a new one."""
    new = {name: f"{name}_inside" for name in names.values()} | dict(names)
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = new.get(value.name, value.name)
