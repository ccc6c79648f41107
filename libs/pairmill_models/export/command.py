"""The command line of the export."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pairmill.errors import ConfigurationError, PairmillError
from pairmill_models.bundle import ScoreName, Thresholds

INSTALL: Final = "pip install 'pairmill[export]'"
_NEEDED: Final = ("torch", "open_clip", "onnx", "onnxscript")

EXAMPLE: Final = (
    "example: python -m pairmill_models.export ViT-B-32-quickgelu --pretrained openai --licence MIT "
    "--min-similarity en=0.28 --min-similarity '*=0.26' --out bundles/vit-b-32"
)


def main(arguments: Sequence[str]) -> int:
    """Exports a bundle; returns 0, 1 where the bundle fails its check, 2 for a wrong request."""
    options = _parser().parse_args(arguments)
    missing = [name for name in _NEEDED if not importlib.util.find_spec(name)]
    if missing:
        return _complain(f"the export needs {', '.join(missing)}; {INSTALL}", 2)
    try:
        print(_export(options))
    except ConfigurationError as error:
        return _complain(str(error), 2)
    except PairmillError as error:
        return _complain(str(error), 1)
    return 0


def _export(options: argparse.Namespace) -> str:
    from pairmill_models.export.make import ExportRequest, check_out, export_bundle
    from pairmill_models.export.source import load_source

    check_out(options.out)
    request = ExportRequest(
        out=options.out,
        name=options.name or _name(options.model, options.pretrained),
        licence=options.licence,
        revision=options.revision,
        thresholds=Thresholds(
            min_similarity=dict(options.min_similarity),
            max_unsafe_score=options.max_unsafe,
            min_aesthetic_score=options.min_aesthetic,
        ),
        heads=_heads(options),
    )
    source = load_source(options.model, options.pretrained, random_seed=options.random_weights)
    bundle = export_bundle(source, request)
    return f"{bundle.folder}: {bundle.name} {bundle.model_version}, {bundle.dimensions} dimensions"


def _heads(options: argparse.Namespace) -> dict[ScoreName, Path]:
    heads: dict[ScoreName, Path] = {}
    if options.unsafe_head is not None:
        heads["unsafe_score"] = options.unsafe_head
    if options.aesthetic_head is not None:
        heads["aesthetic_score"] = options.aesthetic_head
    return heads


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pairmill_models.export",
        description="Make a model bundle of an open_clip model.",
        epilog=EXAMPLE,
    )
    parser.add_argument("model", help="name that open_clip knows, hf-hub:…, local-dir:…, or a JSON file")
    parser.add_argument("--pretrained", help="tag of weights that open_clip knows, or a file with weights")
    parser.add_argument("--random-weights", type=int, metavar="SEED", help="no weights at all, for tries")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the bundle")
    parser.add_argument("--name", default="", help="of the bundle; made of model and weights if not given")
    parser.add_argument("--revision", default="", help="of the bundle; that of the weights if not given")
    parser.add_argument("--licence", default="", help="licence of the weights, as its identifier")
    parser.add_argument(
        "--min-similarity",
        type=_language_and_number,
        action="append",
        default=[],
        metavar="LANGUAGE=NUMBER",
        help="recommended threshold, '*' for all other languages; repeatable",
    )
    parser.add_argument("--max-unsafe", type=float, help="recommended threshold")
    parser.add_argument("--min-aesthetic", type=float, help="recommended threshold")
    parser.add_argument("--unsafe-head", type=Path, help="LAION's NSFW head for this model, as .npz")
    parser.add_argument("--aesthetic-head", type=Path, help="LAION's aesthetic head, as .npz or .pth")
    return parser


def _language_and_number(text: str) -> tuple[str, float]:
    language, separator, number = text.partition("=")
    if not (language and separator):
        raise argparse.ArgumentTypeError(f"{text!r} is no LANGUAGE=NUMBER")
    try:
        return language, float(number)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{number!r} is no number") from error


def _name(model: str, pretrained: str | None) -> str:
    base = Path(model).stem if model.endswith(".json") else model.rpartition(":")[2].replace("/", "-")
    return f"{base}-{Path(pretrained).stem}" if pretrained else base


def _complain(text: str, code: int) -> int:
    for line in text.splitlines():
        sys.stderr.write(f"export: {line}\n")
    return code
