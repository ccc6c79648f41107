"""One tower of a bundle inside tritonserver's Python backend, on CPU cores by onnxruntime.

`pairmill bundle triton --backend python` copies this file as `model.py` into the model repository. It runs
inside the server, where Pairmill is not installed: numpy and onnxruntime are all it may import.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]  # part of tritonserver

_ERRORS_ONLY = 3


class TritonPythonModel:
    """The class that the Python backend looks for. One instance per process; called by one thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the graph that the model's configuration names."""
        config = json.loads(args["model_config"])
        settings = {name: value["string_value"] for name, value in config["parameters"].items()}
        graph = os.path.join(args["model_repository"], args["model_version"], settings["graph"])
        self._input = config["input"][0]["name"]
        self._output = config["output"][0]["name"]
        self._rows_per_run = int(settings["rows_per_run"])
        self._tokens_per_run = int(settings["tokens_per_run"])
        self._session = onnxruntime.InferenceSession(
            graph, _options(int(settings["threads"])), providers=["CPUExecutionProvider"]
        )
        _check_exchange()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Returns one response per request, in their order. All requests of a call have one shape per row."""
        batches = [_values(request, self._input) for request in requests]
        try:
            together = self._run(np.concatenate(batches) if len(batches) > 1 else batches[0])
        except Exception as error:  # noqa: BLE001 - the library's errors have no common base of their own
            if len(batches) == 1:
                return [_refusal(error)]
            return [self._alone(batch) for batch in batches]  # one client's culprit is no other's fault
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        return [self._response(part) for part in np.split(together, ends)]

    def _alone(self, batch: Any) -> Any:
        try:
            return self._response(self._run(batch))
        except Exception as error:  # noqa: BLE001 - the library's errors have no common base of their own
            return _refusal(error)

    def _run(self, batch: Any) -> Any:
        """Returns the graph's answer; what it needs of memory does not grow with the batch."""
        rows = self._rows_per_run
        if batch.ndim == 2:
            rows = max(1, min(rows, self._tokens_per_run // max(1, batch.shape[1])))
        parts = [
            self._session.run([self._output], {self._input: batch[start : start + rows]})[0]
            for start in range(0, len(batch), rows)
        ]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _response(self, rows: Any) -> Any:
        tensor = pb_utils.Tensor(self._output, np.ascontiguousarray(rows))
        return pb_utils.InferenceResponse(output_tensors=[tensor])


def _values(request: Any, name: str) -> Any:
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()


def _refusal(error: Exception) -> Any:
    text = f"onnxruntime: {type(error).__name__}: {error}"
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(text))


def _options(threads: int) -> Any:
    """Returns the options that the graph is run with everywhere, so that the answers are the same."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.enable_mem_pattern = False
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _check_exchange() -> None:
    """Refuses a numpy whose arrays this server's backend cannot read: its answers would be empty."""
    wanted = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    read = pb_utils.Tensor.from_dlpack("exchange", pb_utils.Tensor("exchange", wanted).to_dlpack())
    if not np.array_equal(read.as_numpy(), wanted):
        raise RuntimeError(
            f"numpy {np.__version__} does not work with this tritonserver; install one below 2"
        )
