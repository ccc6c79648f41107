"""Does a bundle's model still give the answers that it gave when the bundle was made (U13, U14, F4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from pairmill.errors import PairmillError
from pairmill_models.bundle import Bundle
from pairmill_models.embedder import Embedder, Floats
from pairmill_models.heads import Heads
from pairmill_models.known import KnownAnswers, as_stored

MAX_DIFFERENCE: Final = 1e-3
"""Most that a number of an embedding may differ from machine to machine; of a score, times its size if that
is above 1."""

MAX_NORM_ERROR: Final = 1e-3


class BundleCheckError(PairmillError):
    """A bundle does not do what it says. One problem a line."""


class BundleCheck:
    """The self-test of whoever runs a bundle. Thread-safe; the known answers are read once."""

    def __init__(self, bundle: Bundle) -> None:
        """Reads the known answers; raises BundleCheckError if the bundle has none."""
        if bundle.card.known is None:
            raise BundleCheckError(
                f"bundle: {bundle.folder}: it holds no known answers; export the bundle again"
            )
        self._bundle = bundle
        self._known = KnownAnswers.load(bundle.path(bundle.card.known))

    def check_embedder(self, embedder: Embedder) -> None:
        """Raises BundleCheckError unless the towers are the bundle's and give the known answers."""
        _raise(self._bundle, _problems_of_embedder(self._bundle, self._known, embedder))

    def check_heads(self, heads: Heads) -> None:
        """Raises BundleCheckError unless the heads give the known answers to the known embeddings."""
        _raise(self._bundle, _problems_of_heads(self._bundle, self._known, heads))


def check_bundle(bundle: Bundle, embedder: Embedder, heads: Heads) -> None:
    """Raises BundleCheckError with everything that is wrong with a loaded bundle."""
    check = BundleCheck(bundle)
    check.check_embedder(embedder)
    check.check_heads(heads)


def _problems_of_embedder(bundle: Bundle, known: KnownAnswers, embedder: Embedder) -> Iterator[str]:
    facts = (
        ("model_version", embedder.model_version, bundle.model_version),
        ("dimensions", embedder.dimensions, bundle.dimensions),
        ("image size", embedder.image_size, bundle.image_size),
    )
    for name, found, wanted in facts:
        if found != wanted:
            yield f"{name}: the model says {found}, the bundle {wanted}"
    answers = (
        ("image", embedder.embed_images(known.images), known.image_embeddings),
        ("text", embedder.embed_texts(known.texts), known.text_embeddings),
    )
    for tower, answer, expected in answers:
        yield from _problems_of_answer(tower, answer, expected, bundle.dimensions)


def _problems_of_answer(tower: str, answer: Floats, known: Floats, dimensions: int) -> Iterator[str]:
    wanted = (len(known), dimensions)
    if answer.shape != wanted or known.shape != wanted or answer.dtype != np.float32:
        yield (
            f"{tower} tower: it gives {answer.dtype} {answer.shape}, known are {known.shape}; "
            f"float32 {wanted} is wanted"
        )
        return
    if not np.isfinite(answer).all():
        yield f"{tower} tower: its answers are not finite"
        return
    norm_error = float(np.abs(np.linalg.norm(answer, axis=1) - 1).max(initial=0.0))
    if norm_error > MAX_NORM_ERROR:
        yield f"{tower} tower: lengths of its rows are off 1 by {norm_error:.2g}"
    difference = float(np.abs(answer - known).max(initial=0.0))
    if difference > MAX_DIFFERENCE:
        yield (
            f"{tower} tower: its answers differ from the known ones by {difference:.2g}, "
            f"at most {MAX_DIFFERENCE:g} is accepted"
        )


def _problems_of_heads(bundle: Bundle, known: KnownAnswers, heads: Heads) -> Iterator[str]:
    scores = heads.score(as_stored(known.image_embeddings), as_stored(known.text_embeddings))
    wanted = {head.score for head in bundle.heads}
    if set(scores) != wanted or set(known.scores) != wanted:
        yield (
            f"heads: {_names(scores)} answer and {_names(known.scores)} are known, "
            f"the bundle names {_names(wanted)}"
        )
        return
    for name, answer in scores.items():
        expected = known.scores[name]
        allowed = MAX_DIFFERENCE * np.maximum(1, np.abs(expected))
        if not (np.abs(answer - expected) <= allowed).all():  # also where one is not a number
            difference = float(np.abs(answer - expected).max())
            yield f"head {name}: its answers differ from the known ones by {difference:.2g}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _raise(bundle: Bundle, problems: Iterator[str]) -> None:
    found = list(problems)
    if found:
        raise BundleCheckError("\n".join(f"bundle: {bundle.folder}: {problem}" for problem in found))
