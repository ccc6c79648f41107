"""From towers, tokenizer and heads in a folder to a bundle that can check itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import Bundle, BundleCard, write_bundle
from pairmill_models.check import check_bundle
from pairmill_models.embedder import Pixels
from pairmill_models.heads import OnnxHeads
from pairmill_models.known import KNOWN_NAME, KNOWN_TEXTS, ask, known_pictures
from pairmill_models.onnx_embedder import OnnxEmbedder


def assemble_bundle(
    folder: Path,
    card: BundleCard,
    *,
    images: Pixels | None = None,
    texts: Sequence[str] = KNOWN_TEXTS,
) -> Bundle:
    """Asks the model that stands in a folder, notes its answers there, and returns the finished bundle.

    The folder holds the files that the card names, and nothing else; `bundle.json` and `known.npz` are
    written, anew if they are there. `images` are (k, size, size, 3) uint8, one per text; drawn ones if not
    given. Raises ConfigurationError if the folder holds something else or the files are no such model, and
    BundleCheckError if the finished bundle does not pass its own check.
    """
    known_path = folder / KNOWN_NAME
    known_path.unlink(missing_ok=True)
    draft = replace(card, known=None)
    bundle = write_bundle(folder, draft)
    strange = sorted(set(bundle.files) - set(draft.named_files()))
    if strange:
        raise ConfigurationError(f"bundle: {folder}: {', '.join(strange)}: no part of it; remove it")
    pictures = known_pictures(card.image.size, len(texts)) if images is None else images
    ask(OnnxEmbedder(bundle), OnnxHeads(bundle), pictures, texts).save(known_path)
    finished = write_bundle(folder, replace(card, known=KNOWN_NAME))
    check_bundle(finished, OnnxEmbedder(finished), OnnxHeads(finished))
    return finished
