"""The parts of embed units over a real bundle, as the service and `pairmill embed` put them together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pairmill.children.worker import ChildWorker
from pairmill_inference.adapters.decoders import ChildDecoder, LocalDecoder
from pairmill_inference.config import InferenceConfig
from pairmill_inference.handler import EmbedParts
from pairmill_inference.isolation import EmbedAlone
from pairmill_inference.model import InferenceObserver, PinnedModel
from pairmill_models.bundle import Bundle, load_bundle
from pairmill_models.check import BundleCheck
from pairmill_models.onnx_embedder import OnnxEmbedder


def embed_parts(
    config: InferenceConfig, bundle: Bundle, observer: InferenceObserver | None = None
) -> EmbedParts:
    """Returns the parts for a loaded bundle; raises ConfigurationError if its model cannot be run.

    Child processes start when they are first needed; the handler's `close`, or that of the parts'
    decoders and child, ends them.
    """
    model = pinned_model(bundle, config.model_threads, observer)
    check = BundleCheck(bundle)
    resize = bundle.card.image.resize
    return EmbedParts(
        model=model,
        bundle_digest=bundle.digest,
        own_decoder=LocalDecoder(bundle.image_size, resize),
        foreign_decoder=ChildDecoder(
            bundle.image_size,
            resize,
            children=config.decode_threads,
            seconds_per_image=config.decode_seconds,
        ),
        child=ChildWorker(
            EmbedAlone(LoadModel(bundle.folder), resize),
            seconds_per_item=config.isolated_seconds,
            name="embed-alone",
        ),
        check_model=lambda: check.check_embedder(model.embedder),
        pace=config.pace(),
    )


def pinned_model(bundle: Bundle, threads: int, observer: InferenceObserver | None = None) -> PinnedModel:
    """Returns a bundle's model, held to its version and width."""
    return PinnedModel(
        embedder=OnnxEmbedder(bundle, threads=threads),
        name=bundle.name,
        version=bundle.model_version,
        dimensions=bundle.dimensions,
        observer=observer,
    )


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Loads a model in a child process. Picklable."""

    folder: Path

    def __call__(self) -> PinnedModel:
        """Returns the model on one core."""
        return pinned_model(load_bundle(self.folder), threads=1)
