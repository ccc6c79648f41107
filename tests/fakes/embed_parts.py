"""What embed units are worked with in tests: a fake model, and decoders like the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pairmill.children.worker import ChildWorker
from pairmill_inference.adapters.decoders import ChildDecoder, LocalDecoder
from pairmill_inference.handler import EmbedParts
from pairmill_inference.isolation import EmbedAlone
from pairmill_inference.model import PinnedModel
from pairmill_inference.pipeline import Pace
from tests.fakes.child_work import fake_model
from tests.fakes.embedder import FakeEmbedder

DIGEST = "ab" * 32


@contextmanager
def embed_parts(
    embedder: FakeEmbedder | None = None,
    *,
    check_model: Callable[[], None] = lambda: None,
    load_model: Callable[[], PinnedModel] = fake_model,
    **changes: Any,
) -> Iterator[EmbedParts]:
    """Gives parts around a fake model, and ends their child processes."""
    model = replace(fake_model(), embedder=embedder or FakeEmbedder())
    size = model.embedder.image_size
    foreign = ChildDecoder(size, children=1, seconds_per_image=20.0)
    child = ChildWorker(EmbedAlone(load_model), seconds_per_item=20.0, name="alone")
    parts = EmbedParts(
        model=model,
        bundle_digest=DIGEST,
        own_decoder=LocalDecoder(size),
        foreign_decoder=foreign,
        child=child,
        check_model=check_model,
        pace=Pace(block_rows=4, decode_threads=1, blocks_ahead=2),
    )
    try:
        yield replace(parts, **changes)
    finally:
        foreign.close()
        child.close()
