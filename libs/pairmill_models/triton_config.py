"""What a bundle is in a Triton model repository: one description, rendered for each backend.

Two models, one per tower. Their names carry the bundle's name and the beginning of its digest, so that two
bundles live side by side in one server and no request meets the wrong one (F6).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import Bundle, Tower
from pairmill_models.text_proto import Fields, Word, text_of

TOWERS: Final[tuple[Tower, ...]] = ("image", "text")
INPUT_NAMES: Final[Mapping[Tower, str]] = {"image": "pixels", "text": "tokens"}
INPUT_TYPES: Final[Mapping[Tower, str]] = {"image": "UINT8", "text": "INT64"}
OUTPUT_NAME: Final = "embedding"
OUTPUT_TYPE: Final = "FP32"
VERSION: Final = "1"  # of a model that never changes under its name
DIGEST_PARAMETER: Final = "pairmill_bundle_digest"
VERSION_PARAMETER: Final = "pairmill_model_version"

_ROWS_PER_RUN: Final[Mapping[Tower, int]] = {"image": 16, "text": 64}  # as in process
_TOKENS_PER_RUN: Final = 512
_SHORT_TEXT_TOKENS: Final = 8


class Backend(enum.Enum):
    """What runs the graphs inside tritonserver."""

    ONNXRUNTIME = "onnxruntime"  # on GPUs
    PYTHON = "python"  # onnxruntime on CPU cores, by a small model.py


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions:
    """How Triton is to run a bundle's models."""

    backend: Backend = Backend.ONNXRUNTIME
    tensorrt: bool = False  # let the ONNX backend hand the graphs to TensorRT, in full precision
    instances: int = 1  # of each model
    max_batch: int = 128  # most rows that are run together
    max_queue_delay_microseconds: int = 5000  # how long a row waits for company
    max_queue_size: int = 64  # requests that may wait; further ones are rejected
    queue_timeout_microseconds: int = 30_000_000  # a request that waited so long is rejected
    threads: int = 1  # CPU cores that one instance uses

    def __post_init__(self) -> None:
        """Refuses numbers below 1, and TensorRT where there is none."""
        for name in ("instances", "max_batch", "max_queue_size", "queue_timeout_microseconds", "threads"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}: it is {getattr(self, name)}, at least 1 is wanted")
        if self.max_queue_delay_microseconds < 0:
            raise ConfigurationError("max_queue_delay_microseconds: it is negative, 0 is the least")
        if self.tensorrt and self.backend is not Backend.ONNXRUNTIME:
            raise ConfigurationError("tensorrt: only the backend onnxruntime can use it")


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonModel:
    """One tower as Triton serves it."""

    name: str
    tower: Tower
    graph: str  # file of the graph
    weights: tuple[str, ...]  # files that must stand beside it
    input_shape: tuple[int, ...]  # of a row; -1 is any length
    longest_row: tuple[int, ...]  # shapes to warm up with
    shortest_row: tuple[int, ...]
    dimensions: int
    bundle_digest: str
    model_version: str


def triton_models(bundle: Bundle) -> tuple[TritonModel, TritonModel]:
    """Returns a bundle's models, the image tower's first."""
    size, text = bundle.image_size, bundle.text_tower
    picture = (size, size, 3)
    short = _SHORT_TEXT_TOKENS if text.cut_padding else text.context_length
    return (
        _model(bundle, "image", bundle.card.image.file, picture, longest=picture, shortest=picture),
        _model(
            bundle,
            "text",
            text.file,
            (-1 if text.cut_padding else text.context_length,),
            longest=(text.context_length,),
            shortest=(min(short, text.context_length),),
        ),
    )


def triton_model_name(bundle: Bundle, tower: Tower) -> str:
    """Returns the name under which Triton serves a tower."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", bundle.name).strip("-") or "bundle"
    return f"{plain}_{bundle.digest[:12]}_{tower}"


def config_text(model: TritonModel, options: ServingOptions) -> str:
    """Returns the text of `config.pbtxt`."""
    return text_of(_config(model, options))


def _model(
    bundle: Bundle,
    tower: Tower,
    graph: str,
    shape: tuple[int, ...],
    *,
    longest: tuple[int, ...],
    shortest: tuple[int, ...],
) -> TritonModel:
    return TritonModel(
        name=triton_model_name(bundle, tower),
        tower=tower,
        graph=graph,
        weights=_weights_of(bundle, graph),
        input_shape=shape,
        longest_row=longest,
        shortest_row=shortest,
        dimensions=bundle.dimensions,
        bundle_digest=bundle.digest,
        model_version=bundle.model_version,
    )


def _weights_of(bundle: Bundle, graph: str) -> tuple[str, ...]:
    """Returns the weights beside a graph: those named after it, and those named after no graph."""
    graphs = [bundle.card.image.file, bundle.text_tower.file]
    return tuple(
        name
        for name in bundle.card.weights
        if name.startswith(f"{graph}.") or not any(name.startswith(f"{other}.") for other in graphs)
    )


def _config(model: TritonModel, options: ServingOptions) -> Fields:
    on_gpu = options.backend is Backend.ONNXRUNTIME
    kind = Word("KIND_GPU" if on_gpu else "KIND_CPU")
    return {
        "name": model.name,
        "backend": options.backend.value,
        **({"default_model_filename": model.graph} if on_gpu else {}),
        "max_batch_size": options.max_batch,
        "input": [
            {
                "name": INPUT_NAMES[model.tower],
                "data_type": Word(f"TYPE_{INPUT_TYPES[model.tower]}"),
                "dims": list(model.input_shape),
            }
        ],
        "output": [
            {"name": OUTPUT_NAME, "data_type": Word(f"TYPE_{OUTPUT_TYPE}"), "dims": [model.dimensions]}
        ],
        "instance_group": [{"count": options.instances, "kind": kind}],
        "dynamic_batching": _batching(options),
        "model_warmup": list(_warm_ups(model, options)),
        "response_cache": {"enable": Word("false")},
        **({"optimization": _TENSORRT} if options.tensorrt else {}),
        "parameters": [
            {"key": key, "value": {"string_value": value}}
            for key, value in sorted(_parameters(model, options).items())
        ],
    }


def _batching(options: ServingOptions) -> Fields:
    return {
        "max_queue_delay_microseconds": options.max_queue_delay_microseconds,
        "default_queue_policy": {
            "timeout_action": Word("REJECT"),
            "default_timeout_microseconds": options.queue_timeout_microseconds,
            "allow_timeout_override": Word("true"),
            "max_queue_size": options.max_queue_size,
        },
    }


def _warm_ups(model: TritonModel, options: ServingOptions) -> Iterator[Fields]:
    """Yields one row and a full batch: the least and the most that is ever run at once."""
    for name, rows, shape in (
        ("one", 1, model.shortest_row),
        ("full", options.max_batch, model.longest_row),
    ):
        tensor = {
            "data_type": Word(f"TYPE_{INPUT_TYPES[model.tower]}"),
            "dims": list(shape),
            "zero_data": Word("true"),
        }
        yield {
            "name": name,
            "batch_size": rows,
            "inputs": [{"key": INPUT_NAMES[model.tower], "value": tensor}],
        }


_TENSORRT: Final[Fields] = {
    "execution_accelerators": {
        "gpu_execution_accelerator": [
            {"name": "tensorrt", "parameters": [{"key": "precision_mode", "value": "FP32"}]}
        ]
    }
}


def _parameters(model: TritonModel, options: ServingOptions) -> Mapping[str, str]:
    common = {DIGEST_PARAMETER: model.bundle_digest, VERSION_PARAMETER: model.model_version}
    if options.backend is Backend.ONNXRUNTIME:
        return {**common, "intra_op_thread_count": str(options.threads), "inter_op_thread_count": "1"}
    return {
        **common,
        "graph": model.graph,
        "threads": str(options.threads),
        "rows_per_run": str(_ROWS_PER_RUN[model.tower]),
        "tokens_per_run": str(_TOKENS_PER_RUN),
    }
