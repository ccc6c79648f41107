"""Whether a model server still holds the bundle that a job is pinned to (F4, F6)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import Bundle, Tower
from pairmill_models.triton_config import (
    DIGEST_PARAMETER,
    INPUT_TYPES,
    VERSION_PARAMETER,
    TritonModel,
    triton_models,
)
from pairmill_models.triton_port import ModelFacts, ModelServer


class ServedModels:
    """The towers of a bundle as a server holds them. Thread-safe."""

    def __init__(self, bundle: Bundle, server: ModelServer, *, timeout_seconds: float) -> None:
        self._wanted: dict[Tower, TritonModel] = {model.tower: model for model in triton_models(bundle)}
        self._server = server
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._known: dict[Tower, ModelFacts] = {}
        self._version = bundle.model_version

    @property
    def version(self) -> str:
        """What the server said last of the version that it holds; the bundle's before it was asked."""
        return self._version

    def name(self, tower: Tower) -> str:
        """Returns the name under which a tower is served."""
        return self._wanted[tower].name

    def facts(self, tower: Tower) -> ModelFacts:
        """Returns what is known of a tower; asks the server where nothing is, raising as `confirm`."""
        with self._lock:
            known = self._known.get(tower)
        return known if known is not None else self.confirm(tower)

    def confirm(self, tower: Tower) -> ModelFacts:
        """Asks the server what it holds now and returns that.

        Raises ConfigurationError if that is another model than the bundle's: its answers must not be mixed
        with the bundle's.
        """
        wanted = self._wanted[tower]
        found = self._server.facts(wanted.name, timeout_seconds=self._timeout_seconds)
        problems = list(_problems(wanted, found))
        self._version = found.parameters.get(VERSION_PARAMETER, "unknown")
        if problems:
            self.forget()
            raise ConfigurationError(
                "\n".join(
                    f"triton: {wanted.name}: {problem}; write it again with `pairmill bundle triton` "
                    "from the job's bundle"
                    for problem in problems
                )
            )
        with self._lock:
            self._known[tower] = found
        return found

    def forget(self) -> None:
        """Makes the next call ask anew: the server may be another one by then."""
        with self._lock:
            self._known.clear()

    def ping(self) -> None:
        """Raises RetriableError unless both towers are ready to be asked."""
        for model in self._wanted.values():
            self._server.ping(model.name, timeout_seconds=self._timeout_seconds)


def _problems(wanted: TritonModel, found: ModelFacts) -> Iterator[str]:
    for name, parameter, value in (
        ("bundle", DIGEST_PARAMETER, wanted.bundle_digest),
        ("version", VERSION_PARAMETER, wanted.model_version),
    ):
        held = found.parameters.get(parameter, "none")
        if held != value:
            yield f"the server holds {name} {held[:40]}, the job is pinned to {value[:40]}"
    ends = (
        ("input", (found.input_type, found.input_shape), (INPUT_TYPES[wanted.tower], wanted.input_shape)),
        ("output", found.output_shape, (wanted.dimensions,)),
    )
    for name, held_end, wanted_end in ends:
        if held_end != wanted_end:
            yield f"its {name} is {held_end}, {wanted_end} is wanted"
    if found.output_type not in ("FP32", "FP16"):
        yield f"its output is {found.output_type}, FP32 or FP16 is wanted"
    if found.max_batch < 1:
        yield "it takes no batches"
