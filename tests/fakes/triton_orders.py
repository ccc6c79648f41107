"""A model of tritonserver's Python backend that misbehaves as a file says, as `model.py` in a repository.

Beside it stand the real program as `tower.py`, and `order.json` with what is wrong from now on: the `form`
of answers, `refused` and `numberless` pictures by the SHA-256 of their pixels, and whether requests and rows
are `shuffled`. What was done goes into `done.txt`, a line each. It runs inside the server, where nothing of
ours is installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tower import TritonPythonModel as Tower  # type: ignore[import-not-found]  # stands beside it there

FORMS: dict[str, Callable[[Any], Any]] = {
    "": lambda rows: rows,
    "narrow": lambda rows: rows[:, :-1],
    "flat": lambda rows: rows.reshape(-1),
    "double": lambda rows: rows.astype(np.float64),
    "short": lambda rows: rows[:-1],
    "long": lambda rows: rows * np.float32(2),
    "turned": lambda rows: np.roll(rows, 1, axis=1),  # what a model of the same form might say
}
_LONGEST_DELAY_SECONDS = 0.1


class TritonPythonModel(Tower):  # type: ignore[misc]  # as above
    """The real program, with faults on demand."""

    def initialize(self, args: dict[str, str]) -> None:
        """Remembers where the orders stand."""
        super().initialize(args)
        self._folder = os.path.join(args["model_repository"], args["model_version"])
        self._draw = random.Random(1)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Returns the real program's answers, worked out in another order where that is asked for."""
        if not self._order().get("shuffled"):
            return list(super().execute(requests))
        turns = self._draw.sample(range(len(requests)), len(requests))
        time.sleep(self._draw.uniform(0, _LONGEST_DELAY_SECONDS))
        answers = dict(zip(turns, super().execute([requests[turn] for turn in turns]), strict=True))
        self._note(f"{len(requests)} requests in the order {turns}")
        return [answers[turn] for turn in range(len(requests))]

    def _run(self, batch: Any) -> Any:
        order = self._order()
        digests = [hashlib.sha256(row.tobytes()).hexdigest() for row in batch]
        if not set(digests).isdisjoint(order.get("refused", ())):
            self._note(f"{len(batch)} rows refused")
            raise ValueError("this picture is refused")
        rows = self._shuffled(batch) if order.get("shuffled") else super()._run(batch)
        spoiled = [digest in order.get("numberless", ()) for digest in digests]
        if any(spoiled):
            rows[spoiled] = np.nan
            self._note(f"{len(batch)} rows with {sum(spoiled)} that hold no number")
        return rows

    def _shuffled(self, batch: Any) -> Any:
        """Returns each row's own answer, though the rows went through the model in another order."""
        turns = np.array(self._draw.sample(range(len(batch)), len(batch)), dtype=np.int64)
        answers = super()._run(batch[turns])
        rows = np.empty_like(answers)
        rows[turns] = answers
        return rows

    def _response(self, rows: Any) -> Any:
        form = self._order().get("form", "")
        if form:
            self._note(form)
        return super()._response(FORMS[form](rows))

    def _order(self) -> dict[str, Any]:
        with open(os.path.join(self._folder, "order.json"), encoding="utf-8") as file:
            order: dict[str, Any] = json.load(file)
        return order

    def _note(self, what: str) -> None:
        with open(os.path.join(self._folder, "done.txt"), "a", encoding="utf-8") as file:
            file.write(what + "\n")
