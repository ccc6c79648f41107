"""Building small ONNX graphs by hand. Needs the library `onnx` (extra `export`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET: Final = 18
ML_OPSET: Final = 3
IR_VERSION: Final = 10


class GraphBuilder:
    """A graph with one input and one output that grows node by node. Not thread-safe."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names = 0

    def add(self, operator: str, *inputs: str, domain: str = "", name: str = "", **attributes: Any) -> str:
        """Adds a node over named values and returns the name of its answer."""
        answer = name or self._new_name(operator)
        node = helper.make_node(operator, list(inputs), [answer], domain=domain, **attributes)
        self._nodes.append(node)
        return answer

    def constant(self, value: npt.NDArray[Any]) -> str:
        """Adds a constant and returns its name."""
        name = self._new_name("constant")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def unit_rows(self, rows: str, name: str = "") -> str:
        """Divides each row by its length; a row without length stays zero."""
        length = self.add("ReduceL2", rows, self.constant(np.array([1], dtype=np.int64)), keepdims=1)
        least = self.constant(np.array(1e-12, dtype=np.float32))
        return self.add("Div", rows, self.add("Max", length, least), name=name)

    def finish(self, given: Any, answer: Any) -> bytes:
        """Returns the checked graph's bytes; `given` and `answer` describe its ends."""
        graph = helper.make_graph(self._nodes, "graph", [given], [answer], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data

    def _new_name(self, kind: str) -> str:
        self._names += 1
        return f"{kind.lower()}_{self._names}"


def floats(name: str, shape: Sequence[int | str]) -> Any:
    """Describes a float32 end of a graph."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def bytes_(name: str, shape: Sequence[int | str]) -> Any:
    """Describes a uint8 end of a graph."""
    return helper.make_tensor_value_info(name, TensorProto.UINT8, list(shape))


def longs(name: str, shape: Sequence[int | str]) -> Any:
    """Describes an int64 end of a graph."""
    return helper.make_tensor_value_info(name, TensorProto.INT64, list(shape))
