"""ONNX graphs of a bundle, run by onnxruntime in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from pairmill.errors import ConfigurationError
from pairmill_models.embedder import Floats, ModelError

_ERRORS_ONLY: Final = 3  # its warnings are about graphs, not about what is asked of them


class OnnxGraph:
    """One graph with one input and one output. Thread-safe: calls share nothing."""

    def __init__(self, path: Path, *, input_name: str, output_name: str, threads: int) -> None:
        """Loads the graph; raises ConfigurationError if it is none, or has other names."""
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), _options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library's errors have no common base of their own
            raise ConfigurationError(f"bundle: {path}: onnxruntime cannot load it: {error}") from error
        self._input, self._output = input_name, output_name
        _check_names(path, "input", input_name, [item.name for item in self._session.get_inputs()])
        _check_names(path, "output", output_name, [item.name for item in self._session.get_outputs()])

    def run(self, batch: npt.NDArray[Any]) -> Floats:
        """Returns the graph's answer as float32; raises ModelError if it refuses the batch."""
        try:
            (answer,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # the library's errors have no common base of their own
            raise ModelError(f"onnxruntime: {type(error).__name__}: {error}") from error
        return np.asarray(answer, dtype=np.float32)


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.enable_mem_pattern = False  # it plans for one shape, and ours vary
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # cores are shared
    return options


def _check_names(path: Path, kind: str, wanted: str, found: Sequence[str]) -> None:
    if list(found) != [wanted]:
        raise ConfigurationError(
            f"bundle: {path}: its {kind}s are {', '.join(found)}; exactly {wanted} is wanted, "
            "export the bundle again"
        )
