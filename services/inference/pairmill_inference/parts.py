"""The parts of embed units over a real bundle, as the service and `pairmill embed` put them together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pairmill.children.worker import ChildWorker
from pairmill_inference.adapters.decoders import ChildDecoder, LocalDecoder
from pairmill_inference.config import InferenceConfig
from pairmill_inference.handler import EmbedParts
from pairmill_inference.isolation import EmbedAlone
from pairmill_inference.model import InferenceObserver, PinnedModel
from pairmill_models.bundle import Bundle, load_bundle
from pairmill_models.check import BundleCheck
from pairmill_models.embedder import Embedder
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_port import RequestObserver
from pairmill_models.triton_settings import TritonConfig

_TRIES_PER_PAIR: Final = 8  # an outage takes up to four of them to be told from a pair's fault


def embed_parts(
    config: InferenceConfig,
    bundle: Bundle,
    observer: InferenceObserver | None = None,
    request_observer: RequestObserver | None = None,
) -> EmbedParts:
    """Returns the parts for a loaded bundle; raises ConfigurationError if its model cannot be run.

    Child processes start when they are first needed; the handler's `close`, or that of the parts'
    decoders, child and model, ends them.
    """
    load = LoadModel(
        folder=bundle.folder,
        threads=config.model_threads,
        triton_target=config.triton_target,
        triton=config.triton,
    )
    model = load.of(bundle, observer, request_observer)
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
            EmbedAlone(replace(load, threads=1, triton=_briefly(config)), resize),
            seconds_per_item=config.isolated_seconds,
            name="embed-alone",
        ),
        check_model=lambda: check.check_embedder(model.embedder),
        pace=config.pace(),
    )


def _briefly(config: InferenceConfig) -> TritonConfig:
    """Returns how Triton is asked for one pair in a child process.

    The child has to say that Triton is away before its own time is up, which would count against the pair.
    """
    longest = config.isolated_seconds / _TRIES_PER_PAIR
    return replace(
        config.triton,
        request_timeout_seconds=min(config.triton.request_timeout_seconds, longest),
        patience_seconds=min(config.triton.patience_seconds, longest),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadModel:
    """Loads a model, also in a child process. Picklable."""

    folder: Path
    threads: int  # that it uses in process
    triton_target: str  # where it is served; empty runs it in process
    triton: TritonConfig

    def __call__(self) -> PinnedModel:
        """Returns the model of the bundle in the folder."""
        return self.of(load_bundle(self.folder))

    def of(
        self,
        bundle: Bundle,
        observer: InferenceObserver | None = None,
        request_observer: RequestObserver | None = None,
    ) -> PinnedModel:
        """Returns a loaded bundle's model, held to its version and width."""
        return PinnedModel(
            embedder=self._embedder(bundle, request_observer),
            name=bundle.name,
            version=bundle.model_version,
            dimensions=bundle.dimensions,
            observer=observer,
        )

    def _embedder(self, bundle: Bundle, observer: RequestObserver | None) -> Embedder:
        if not self.triton_target:
            return OnnxEmbedder(bundle, threads=self.threads)
        from pairmill_models.triton_client import TritonClient  # its library is an extra of its own
        from pairmill_models.triton_embedder import TritonEmbedder

        client = TritonClient(self.triton_target, self.triton)
        return TritonEmbedder(bundle, client, self.triton, observer=observer)
