"""A model of tritonserver's Python backend with faults: what `model.py` is in a spoiled repository.

Beside it stands the real program as `tower.py`. The model's parameters say which faults are wanted, and which
colour of a picture's first pixel asks for one. It runs inside the server, where nothing of ours is installed.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import numpy as np
from tower import TritonPythonModel as Tower  # type: ignore[import-not-found]  # stands beside it there


class TritonPythonModel(Tower):  # type: ignore[misc]  # as above
    """The real program, with faults on demand."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads which faults are wanted."""
        super().initialize(args)
        parameters = json.loads(args["model_config"])["parameters"]
        settings = {name: value["string_value"] for name, value in parameters.items()}
        self._most_rows = int(settings["most_rows"])
        self._seconds = float(settings["seconds"])
        self._slow_seconds = float(settings["slow_seconds"])
        self._colours = {
            fault: [int(part) for part in settings[fault].split(",")]
            for fault in ("refused", "slow", "deadly")
        }

    def _run(self, batch: Any) -> Any:
        time.sleep(self._seconds)
        if len(batch) > self._most_rows:
            raise MemoryError(f"no memory for {len(batch)} rows")
        if self._asks(batch, "refused"):
            raise ValueError("this picture is refused")
        if self._asks(batch, "slow"):
            time.sleep(self._slow_seconds)
        if self._asks(batch, "deadly"):
            os._exit(1)
        return super()._run(batch)

    def _asks(self, batch: Any, fault: str) -> bool:
        return batch.ndim == 4 and bool((batch[:, 0, 0] == np.array(self._colours[fault])).all(axis=1).any())
