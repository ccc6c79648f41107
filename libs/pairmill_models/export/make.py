"""From a model in torch to a bundle on disk, compared with torch before it is let out."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer

from pairmill.errors import ConfigurationError
from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, BundleCard, Head, ScoreName, TextTower, Thresholds, load_bundle
from pairmill_models.embedder import Floats
from pairmill_models.export.source import Source
from pairmill_models.export.tokens import SAMPLES, check_tokens, tokenizer_of
from pairmill_models.export.torch_graph import write_graph
from pairmill_models.export.towers import CausalTextGraph, ImageGraph, WholeTextGraph
from pairmill_models.known import known_pictures
from pairmill_models.laion import import_head
from pairmill_models.onnx_embedder import OnnxEmbedder

MAX_DIFFERENCE: Final = 1e-4
"""Most that a number of an embedding may differ between torch and the bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What the bundle is to be called and to hold besides the towers."""

    out: Path
    name: str
    licence: str
    revision: str = ""  # the source's if empty
    thresholds: Thresholds = field(default_factory=Thresholds)
    heads: Mapping[ScoreName, Path] = field(default_factory=dict)  # published heads, by score


def export_bundle(source: Source, request: ExportRequest) -> Bundle:
    """Writes a bundle into a new folder and returns it.

    The folder appears once the bundle is whole and gives torch's answers to sample pictures and texts.
    Raises ConfigurationError if the folder holds something already or the answers differ.
    """
    check_out(request.out)
    folder = request.out.with_name(f".{request.out.name}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        tower, text_graph = _write_text(source, folder)
        image_graph = _write_image(source, folder)
        heads = tuple(_write_heads(request, folder))
        card = BundleCard(
            name=request.name,
            revision=request.revision or source.revision,
            licence=request.licence,
            dimensions=_dimensions(text_graph),
            image=source.image,
            text=(tower,),
            heads=heads,
            thresholds=request.thresholds,
            source=source.description,
            weights=tuple(sorted(path.name for path in folder.glob("*.onnx.data"))),
        )
        bundle = assemble_bundle(folder, card, texts=[text for text in SAMPLES if text.strip()])
        _compare(bundle, source, image_graph, text_graph)
        request.out.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(request.out)  # replaces an empty folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return load_bundle(request.out)


def check_out(out: Path) -> None:
    """Raises ConfigurationError unless the folder is new or empty."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists():
        raise ConfigurationError(f"--out: {out} exists already; choose another folder")


def _write_image(source: Source, folder: Path) -> Any:
    size = source.image.size
    graph = ImageGraph(source.model.visual, source.image.mean, source.image.std).eval()
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    path = folder / source.image.file
    write_graph(graph, example, path, input_name="pixels", output_name="embedding", axes=("n",))
    return graph


def _write_text(source: Source, folder: Path) -> tuple[TextTower, Any]:
    tokenizer, pad_id = tokenizer_of(source.tokenizer)
    check_tokens(tokenizer, source.tokenizer, pad_id, source.context_length)
    graph = _text_graph(source.model)
    cut = _may_cut(graph, tokenizer, pad_id, source.context_length)
    tower = TextTower(context_length=source.context_length, pad_id=pad_id, cut_padding=cut)
    tokenizer.no_truncation()
    tokenizer.save(str(folder / tower.tokenizer))
    example = torch.tensor(_rows(tokenizer, SAMPLES[:2], pad_id, source.context_length))
    axes = ("n", "length") if cut else ("n",)
    if cut:
        example = example[:, : source.context_length // 2]
    path = folder / tower.file
    write_graph(graph, example, path, input_name="tokens", output_name="embedding", axes=axes)
    return tower, graph


def _text_graph(model: Any) -> Any:
    tower = getattr(model, "text", model)
    graph = CausalTextGraph(tower) if CausalTextGraph.fits(tower) else WholeTextGraph(model)
    return graph.eval()


def _may_cut(graph: Any, tokenizer: Tokenizer, pad_id: int, context_length: int) -> bool:
    """Whether the tower gives short texts the same answer without their padding, as tried."""
    texts = [text for text in SAMPLES if 0 < len(tokenizer.encode(text).ids) < context_length]
    for text in texts:
        row = tokenizer.encode(text).ids
        whole = row + [pad_id] * (context_length - len(row))
        try:
            with torch.no_grad():
                difference = graph(torch.tensor([row])) - graph(torch.tensor([whole]))
        except (RuntimeError, IndexError):
            return False  # it takes texts of full length only
        if float(difference.abs().max()) > MAX_DIFFERENCE:
            return False
    return True


def _write_heads(request: ExportRequest, folder: Path) -> Iterable[Head]:
    for score, path in sorted(request.heads.items()):
        head = Head(score=score, input="text" if score == "toxicity" else "image", file=f"heads/{score}.onnx")
        (folder / head.file).parent.mkdir(exist_ok=True)
        (folder / head.file).write_bytes(import_head(path))
        yield head


def _compare(bundle: Bundle, source: Source, image_graph: Any, text_graph: Any) -> None:
    """Raises ConfigurationError where the bundle's answers are not those of open_clip itself."""
    embedder = OnnxEmbedder(bundle)
    tower = source.image
    pictures = known_pictures(tower.size)
    with torch.no_grad():
        planes = torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255
        mean, std = (
            torch.tensor(values).view(1, 3, 1, 1) for values in (source.image.mean, source.image.std)
        )
        images = source.model.encode_image((planes - mean) / std, normalize=True).numpy()
        tokens = source.tokenizer(list(SAMPLES), context_length=source.context_length)
        texts = source.model.encode_text(tokens, normalize=True).numpy()
    _check_equal("image", embedder.embed_images(pictures), images)
    _check_equal("text", embedder.embed_texts(SAMPLES), texts)


def _check_equal(tower: str, found: Floats, wanted: Floats) -> None:
    difference = float(np.abs(found - wanted).max())
    if not difference <= MAX_DIFFERENCE:
        raise ConfigurationError(f"{tower} tower: the export differs from open_clip by {difference:.2g}")


def _dimensions(text_graph: Any) -> int:
    with torch.no_grad():
        return int(text_graph(torch.ones((1, 4), dtype=torch.int64)).shape[1])


def _rows(tokenizer: Tokenizer, texts: Iterable[str], pad_id: int, length: int) -> list[list[int]]:
    rows = [tokenizer.encode(text).ids for text in texts]
    return [row + [pad_id] * (length - len(row)) for row in rows]
